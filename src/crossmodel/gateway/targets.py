"""Models as the gateway asks them: where, with which credentials, and how they are balanced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from crossmodel.balancing import Balancer
from crossmodel.domain.models import ModelSpec
from crossmodel.gateway.routes import CONVERSATION, Route
from crossmodel.gateway.upstream import Call, Receiver
from crossmodel.wire.dialect import Dialect


class Address(Protocol):
    """One place where a model can be asked: a connection pool, or an adapter in this process."""

    def compose(self, path: bytes, lines: bytes, body: bytes) -> bytes:
        """A request as it is sent."""
        ...

    def send(self, request: bytes, receiver: Receiver) -> Call:
        """Send it; ``receiver`` is told of the response."""
        ...

    def sweep(self, now: float) -> None:
        """Let go of what nobody has used for long."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


@dataclass(slots=True, eq=False)
class Target:
    """One model.

    Attributes:
        model: its row.
        dialect: what its provider speaks.
        addresses: where it can be asked, by their ids.
        balancer: chooses among them.
        credentials: header lines that only the provider gets.
        secret: the key itself: what must never reach a client.
        seconds: how long an answer may take, and each pause within a stream.
        talks_only: whether it can only be asked for chat completions.
        limit_field: what it calls the limit on an answer's tokens, where it speaks chat.
        is_enabled: whether it may be asked.
        name: the model's id, as a header can carry it.
        lines: header lines for clients: who answered, at what price.
    """

    model: ModelSpec
    dialect: Dialect
    addresses: Mapping[str, Address]
    balancer: Balancer
    credentials: bytes = field(default=b"", repr=False)
    secret: bytes = field(default=b"", repr=False)
    seconds: float = 120.0
    talks_only: bool = False
    limit_field: str = "max_tokens"
    is_enabled: bool = True
    name: bytes = field(init=False, default=b"")
    lines: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        self.describe()

    def describe(self) -> None:
        """Write :attr:`lines` anew, after ``model`` has changed."""
        model = self.model
        self.name = header_text(model.id)
        self.lines = (
            b"x-crossmodel-model: %b\r\n"
            b"x-crossmodel-price: input=%g; output=%g; unit=usd-per-million-tokens\r\n"
            % (self.name, model.input_price, model.output_price)
        )

    def serves(self, route: Route) -> bool:
        """Whether it may be asked on that path."""
        if not self.is_enabled:
            return False
        if self.talks_only and route.upstream is not CONVERSATION:
            return False
        return self.dialect in route.upstream


def serving(targets: Iterable[Target], route: Route) -> frozenset[str]:
    """The ids of the models that can be asked on that path."""
    return frozenset(target.model.id for target in targets if target.serves(route))


def header_text(text: str) -> bytes:
    """Any text as a header can carry it: what is not printable ASCII becomes a question mark."""
    return bytes(c if 0x20 <= c < 0x7F else 0x3F for c in text.encode("ascii", "replace"))  # noqa: PLR2004 - the printable range
