"""Results on their way in: taken in microseconds, and bounded."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from crossmodel.domain.operations import HealthCheckResult

MOST_WAITING: Final = 10_000
"""Results that wait in their order, and checks of which the latest waits beyond those."""


class Inbox:
    """Safe to share among threads.

    Attributes:
        dropped: results that were taken by nobody since too many checks sent some.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self.dropped = 0
        self._most = most
        self._waiting: deque[HealthCheckResult] = deque()
        self._beyond: dict[str, HealthCheckResult] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._beyond)

    def put(self, result: HealthCheckResult) -> None:
        """Let a result wait. If too many do, only the latest of each check does."""
        with self._lock:
            if not self._beyond and len(self._waiting) < self._most:
                self._waiting.append(result)
            elif result.check_name in self._beyond or len(self._beyond) < self._most:
                self._beyond[result.check_name] = result
            else:
                self.dropped += 1

    def take(self) -> list[HealthCheckResult]:
        """All that wait, oldest first."""
        with self._lock:
            taken = [*self._waiting, *self._beyond.values()]
            self._waiting.clear()
            self._beyond.clear()
        return taken
