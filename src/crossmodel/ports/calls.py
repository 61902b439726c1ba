"""Whom the loop calls on: models, clocks, whoever is told, whoever shares out work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from crossmodel.domain.completion import Completion, CompletionRequest
from crossmodel.domain.events import Event

Item = TypeVar("Item")
Result = TypeVar("Result")


class Clock(Protocol):
    """Tells the time in UTC."""

    def __call__(self) -> datetime:
        """The present moment."""
        ...


class Hook(Protocol):
    """Is told of what happens. It must be quick, and hand what takes time to somebody else.

    It is called on the event loop or in a thread, wherever the event happens. What it raises is
    counted, and loses nothing but itself.
    """

    def __call__(self, event: Event, /) -> None:
        """Something happened."""
        ...


class TokenCounter(Protocol):
    """Counts a text's tokens as one model does, or gives a bound that never undercounts."""

    def __call__(self, text: str, /) -> int:
        """How many tokens ``text`` has, at most."""
        ...


class Spread(Protocol):
    """Does the same work on many items, wherever there is room; the built-in ``map`` does it here.

    Results come in the order of the items, some ahead of whoever takes them but not all: what the
    caller does with one holds the others back. ``work`` must depend on its item alone and do no
    harm when it is done twice, since it is done again where a machine or process is lost. It and
    the items have to be picklable.
    """

    def __call__(
        self, work: Callable[[Item], Result], items: Sequence[Item], /
    ) -> Iterable[Result]:
        """What ``work`` makes of each item; the first error that it raises is raised."""
        ...


class Provider(Protocol):
    """Somebody who runs models."""

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer, or raise a ``ProviderError``; never hangs past the row's time limit."""
        ...

    def token_counter(self, model: str) -> TokenCounter | None:
        """The model's own tokenizer, if there is one here."""
        ...

    async def close(self) -> None:
        """Let go of connections and memory; safe to call twice."""
        ...
