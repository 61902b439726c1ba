"""How late an event loop is: the time that everything in it waits for something that blocks."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

PERIOD_SECONDS: Final = 0.25
"""How often it is looked."""

WINDOW: Final = 240
"""Looks that are remembered: a minute."""


class LoopLag:
    """Measures one loop from within. It may be read from any thread.

    A timer that is due every quarter of a second notes how late it came.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._late: deque[float] = deque([0.0], maxlen=WINDOW)
        self._due_at = time.monotonic() + PERIOD_SECONDS
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin. Called from the loop; again is no error."""
        if self._timer is None:
            self._due_at = time.monotonic() + PERIOD_SECONDS
            self._timer = self._loop.call_later(PERIOD_SECONDS, self._look)

    def stop(self) -> None:
        """End. Called from the loop; again is no error."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __call__(self) -> float:
        """The most that it was late within the last minute, in milliseconds; or is just now."""
        overdue = time.monotonic() - self._due_at if self._timer is not None else 0.0
        return max(overdue, *tuple(self._late), 0.0) * 1000

    def _look(self) -> None:
        now = time.monotonic()
        self._late.append(max(0.0, now - self._due_at))
        self._due_at = now + PERIOD_SECONDS
        self._timer = self._loop.call_later(PERIOD_SECONDS, self._look)
