"""One call to one address: what came back is gathered, or passed on as it comes."""

from __future__ import annotations

import time
from typing import Final, Protocol

from crossmodel.balancing import Lease
from crossmodel.errors import ProviderResponseError
from crossmodel.gateway.hiding import LEAST_HIDDEN, without
from crossmodel.gateway.relaying import Relay
from crossmodel.gateway.targets import Address, Target
from crossmodel.gateway.upstream import Call, ResponseHead

MOST_GATHERED: Final = 1024 * 1024
"""Bytes of an answer that are held until it is whole: then its price is known, and a failure can
still be made good. Longer ones are passed on as they come."""

MOST_TRANSLATED: Final = 64 * 1024 * 1024
MOST_KEPT: Final = 4 * 1024 * 1024
"""Bytes of a stream that are kept for the record and for learning."""

REDIRECT: Final = range(300, 400)
GOOD: Final = range(200, 300)
EVENTS: Final = b"text/event-stream"


class Asker(Protocol):
    """The exchange that an attempt is made for."""

    def opens(self, attempt: Attempt) -> Relay | None:
        """A stream begins: how it is passed on; ``None`` if another attempt was faster."""
        ...

    def goes_on(self, attempt: Attempt, data: bytes) -> None:
        """The next bytes for the client; not empty."""
        ...

    def passes_on(self, attempt: Attempt) -> bool:
        """An answer is too long to be held: whether it may go to the client as it comes."""
        ...

    def ends(self, attempt: Attempt, *, is_whole: bool) -> None:
        """What was passed on has ended."""
        ...

    def answers(self, attempt: Attempt, body: bytes) -> None:
        """A whole answer, of whatever status."""
        ...

    def fails(self, attempt: Attempt, reason: str) -> None:
        """There is no answer, or no more of it."""
        ...


class Attempt:
    """Receives one response.

    Attributes:
        target: the model that is asked.
        lease: the right to ask this address.
        translates: whether the provider speaks another dialect than the client.
        head: the response's head, once it has come.
        first_byte_at: when that was, in monotonic seconds.
        started_at: when the request was sent, likewise.
        kept: what was passed on to the client, up to a limit.
        relay: how a stream is passed on; ``None`` for whole answers.
    """

    __slots__ = (
        "_asker", "_held", "_hides", "_is_passing", "_parts", "_size", "call", "first_byte_at",
        "head", "is_over", "kept", "lease", "relay", "started_at", "target",
        "translates",
    )  # fmt: skip

    def __init__(self, asker: Asker, target: Target, lease: Lease, *, translates: bool) -> None:
        self._asker = asker
        self.target = target
        self.lease = lease
        self.translates = translates
        self.call: Call | None = None
        self.head: ResponseHead | None = None
        self.started_at = time.monotonic()
        self.first_byte_at = 0.0
        self.relay: Relay | None = None
        self.is_over = False
        self.kept: list[bytes] = []
        self._parts: list[bytes] = []
        self._size = 0
        self._is_passing = False
        self._hides = len(target.secret) >= LEAST_HIDDEN
        self._held = b""  # what may be the beginning of the key

    def send(self, request: bytes, address: Address) -> None:
        """Ask."""
        call = address.send(request, self)
        if not self.is_over:
            self.call = call

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self.is_over = True
        call, self.call = self.call, None
        if call is not None:
            call.cancel()

    @property
    def size(self) -> int:
        """Bytes of the body that have come so far, or were made of it."""
        return self._size

    @property
    def is_kept_whole(self) -> bool:
        """Whether ``kept`` is all that was passed on."""
        return self._size <= MOST_KEPT

    @property
    def waited_seconds(self) -> float | None:
        """How long it has waited so far without a byte; ``None`` once one has come."""
        return None if self.head is not None else time.monotonic() - self.started_at

    # what the address tells

    def on_head(self, head: ResponseHead) -> None:
        """The response begins; the client hears of it with the first byte of the body."""
        self.head = head
        self.first_byte_at = time.monotonic()
        if head.status in REDIRECT:
            self._fail(f"the provider answered {head.status} and sends us elsewhere")

    def on_data(self, data: bytes) -> None:
        """A part of the body."""
        if self.is_over:
            return
        if self._hides:
            data, self._held = without(self.target.secret, self._held + data)
            if not data:
                return
        self._take(data)

    def _take(self, data: bytes) -> None:
        if self.relay is not None:
            self._pass_on(data)
        elif self._is_passing:
            self._keep(data)
            self._asker.goes_on(self, data)
        elif self._size == 0 and self._is_stream():
            relay = self._asker.opens(self)
            if relay is not None:
                self.relay = relay
                self._pass_on(data)
        else:
            self._gather(data)

    def on_end(self, *, is_delimited: bool) -> None:
        """The response is over."""
        if self._held and not self.is_over:
            held, self._held = self._held, b""
            self._take(held)
        if self.is_over:
            return
        self.call = None
        if self.relay is not None:
            self.is_over = True
            is_whole = self.relay.close(is_delimited=is_delimited)
            self._asker.ends(self, is_whole=is_whole)
        elif self._is_passing:
            self.is_over = True
            self._asker.ends(self, is_whole=is_delimited)
        elif self._is_stream():
            self._fail("the provider's stream ended before it began")
        elif not is_delimited and not self._parts:
            self._fail("the provider ended the connection without an answer")
        else:
            self.is_over = True
            parts = self._parts
            self._asker.answers(self, parts[0] if len(parts) == 1 else b"".join(parts))

    def on_failure(self, reason: str, *, was_sent: bool) -> None:  # noqa: ARG002 - nothing hangs on it
        """The connection failed; what has come to its own end before is whole all the same."""
        if self.is_over:
            return
        self.call = None
        if self.relay is not None and self.relay.close(is_delimited=False):
            self.is_over = True
            self._asker.ends(self, is_whole=True)
        else:
            self._fail(reason)

    def _fail(self, reason: str) -> None:
        self.cancel()
        self._asker.fails(self, reason)

    def _is_stream(self) -> bool:
        head = self.head
        if head is None or head.status not in GOOD:
            return False
        return head.kind.startswith(EVENTS) or head.kind.lower().startswith(EVENTS)

    def _pass_on(self, data: bytes) -> None:
        assert self.relay is not None
        try:
            made = self.relay.feed(data)
        except ProviderResponseError as error:
            self._fail(str(error))
            return
        if made:
            self._keep(made)
            self._asker.goes_on(self, made)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= MOST_KEPT:
            self.kept.append(data)

    def _gather(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size <= MOST_GATHERED:
            return
        if self._asker.passes_on(self):
            self._is_passing = True
            parts, self._parts = self._parts, []
            self.kept = parts
            self._asker.goes_on(self, b"".join(parts))
        elif not self.is_over and self._size > MOST_TRANSLATED:
            self._fail("the provider's answer is too long")
