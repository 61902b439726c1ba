"""Who is told what happens: hooks, none of which can harm whoever tells them."""

from __future__ import annotations

import logging
import threading

from crossmodel.domain.events import Event
from crossmodel.ports import Hook

logger = logging.getLogger(__name__)


class Hooks:
    """Tells every hook of every event, in the order in which they were added. Thread-safe.

    A hook runs where the event happens, mostly on the event loop: it must not wait, and should take
    no more than some microseconds. What it raises is counted and kept from everybody else; one that
    fails often is reported at its 1st, 2nd, 4th, 8th … failure. An empty one is false, so that
    whoever would tell it can save making the record.
    """

    __slots__ = ("_failures", "_hooks", "_lock")

    def __init__(self, *hooks: Hook) -> None:
        self._lock = threading.Lock()
        self._hooks: tuple[Hook, ...] = hooks
        self._failures: dict[Hook, int] = {}

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def __call__(self, event: Event) -> None:
        """Tell all of them."""
        for hook in self._hooks:
            try:
                hook(event)
            except Exception as error:  # noqa: BLE001 - whatever a stranger's code raises
                self._failed(hook, event, error)

    def add(self, hook: Hook) -> None:
        """Tell it from now on, once each time, however often it is added."""
        with self._lock:
            if hook not in self._hooks:
                self._hooks = (*self._hooks, hook)

    def remove(self, hook: Hook) -> None:
        """Tell it no more; one that is not there is no error."""
        with self._lock:
            self._hooks = tuple(each for each in self._hooks if each != hook)
            self._failures.pop(hook, None)

    @property
    def failures(self) -> int:
        """How many events the hooks that are here have lost by failing."""
        with self._lock:
            return sum(self._failures.values())

    def _failed(self, hook: Hook, event: Event, error: Exception) -> None:
        with self._lock:
            failures = self._failures[hook] = self._failures.get(hook, 0) + 1
        if failures & (failures - 1) == 0:  # loud, and no flood
            logger.warning(
                "hook %s has failed %d times, now at a %s: %s",
                getattr(hook, "__qualname__", type(hook).__qualname__),
                failures,
                type(event).__name__,
                type(error).__name__,
            )
