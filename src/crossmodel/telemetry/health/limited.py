"""Calls with a time limit: what hangs is given up, and not begun again while it hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from crossmodel.telemetry.threads import call_in_thread

MOST_AT_ONCE: Final = 32
"""Calls that run at the same time, besides those that hang: of each name one at most."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """What came of a call.

    Attributes:
        value: what it returned; ``None`` if it did not.
        error: what it raised, or :class:`TimeoutError` if it was given up.
        seconds: how long it took; or has been hanging, since it was begun.
    """

    value: T | None
    error: BaseException | None
    seconds: float


@dataclass(slots=True)
class _Call(Generic[T]):
    future: Future[tuple[T, float]]
    began_at: float
    deadline: float


class TimeLimited(Generic[T]):
    """Makes calls by name. For one caller at a time.

    Args:
        name: of its threads.
        stopping: once it is done, nothing is waited for any more.
    """

    def __init__(self, name: str, stopping: Future[None] | None = None) -> None:
        self._name = name
        self.stopping = stopping or Future()
        self._hanging: dict[str, _Call[T]] = {}

    @property
    def hanging(self) -> list[str]:
        """The names of the calls that were given up and have not ended."""
        return [name for name, call in self._hanging.items() if not call.future.done()]

    def run(self, calls: Mapping[str, tuple[Callable[[], T], float]]) -> dict[str, Ended[T]]:
        """Make calls side by side, each with its limit in seconds; what came of each.

        What still hangs from before is not made again: it counts as given up at once.
        """
        for name in [each for each, call in self._hanging.items() if call.future.done()]:
            del self._hanging[name]
        ended: dict[str, Ended[T]] = {}
        waiting = [name for name in calls if name not in self._hanging]
        for name in calls.keys() & self._hanging.keys():
            ended[name] = _given_up(self._hanging[name])
        while waiting:
            part, waiting = waiting[:MOST_AT_ONCE], waiting[MOST_AT_ONCE:]
            ended |= self._run({name: calls[name] for name in part})
            if self.stopping.done():
                break
        return {name: ended[name] for name in calls if name in ended}

    def _run(self, calls: Mapping[str, tuple[Callable[[], T], float]]) -> dict[str, Ended[T]]:
        running = {name: self._begin(*calls[name]) for name in calls}
        ended: dict[str, Ended[T]] = {}
        while running and not self.stopping.done():
            left = min(call.deadline for call in running.values()) - time.monotonic()
            futures: list[Future[Any]] = [call.future for call in running.values()]
            wait([*futures, self.stopping], max(0.0, left), FIRST_COMPLETED)
            now = time.monotonic()
            for name, call in list(running.items()):
                if call.future.done():
                    ended[name] = _result(call)
                elif call.deadline <= now:
                    self._hanging[name] = call
                    ended[name] = _given_up(call)
                else:
                    continue
                del running[name]
        self._hanging |= running  # we were told to stop
        return ended

    def _begin(self, call: Callable[[], T], seconds: float) -> _Call[T]:
        def timed() -> tuple[T, float]:
            began = time.perf_counter()
            return call(), time.perf_counter() - began

        now = time.monotonic()
        return _Call(call_in_thread(timed, name=self._name), now, now + seconds)


def _result(call: _Call[T]) -> Ended[T]:
    error = call.future.exception()
    if error is not None:
        return Ended(None, error, time.monotonic() - call.began_at)
    value, seconds = call.future.result()
    return Ended(value, None, seconds)


def _given_up(call: _Call[T]) -> Ended[T]:
    seconds = time.monotonic() - call.began_at
    return Ended(None, TimeoutError(f"no answer for {seconds:.1f} s"), seconds)
