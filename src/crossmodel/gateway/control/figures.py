"""Figures of traffic over a window, from counters that only grow."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from crossmodel.gateway.metrics import Metrics
from crossmodel.telemetry.conventions import DURATION_BOUNDS_MS
from crossmodel.telemetry.health.figures import ALL, RequestFigures

FAILED: Final = 500
"""Statuses from here on are the gateway's or a model's failures; others are the clients' own."""

P95: Final = 0.95

SNAPSHOT_SECONDS: Final = 1.0
"""How often a snapshot is kept, at most: several checks ask in the same moment."""


@dataclass(slots=True)
class _Counted:
    """What was counted of one model until a moment."""

    errors: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BOUNDS_MS) + 1))


Snapshot = dict[str, _Counted]


class TrafficWindow:
    """Gives the figures of the last ``seconds``. For one thread at a time.

    The counters belong to the event loop; a snapshot of them may miss what is counted in the same
    moment, which the next one has.
    """

    def __init__(
        self, metrics: Metrics, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._metrics = metrics
        self._seconds = seconds
        self._clock = clock
        self._snapshots: deque[tuple[float, Snapshot]] = deque([(clock(), _counted(metrics))])

    def __call__(self) -> Mapping[str, RequestFigures]:
        """The figures by model, and of all together."""
        now, current = self._clock(), _counted(self._metrics)
        while len(self._snapshots) > 1 and self._snapshots[1][0] <= now - self._seconds:
            self._snapshots.popleft()
        before = self._snapshots[0][1]
        if now - self._snapshots[-1][0] >= SNAPSHOT_SECONDS:
            self._snapshots.append((now, current))
        return {model: _figures(of, before.get(model)) for model, of in current.items()}


def _counted(metrics: Metrics) -> Snapshot:
    found: Snapshot = {ALL: _Counted()}
    for (_, model, status), series in list(metrics.series.items()):
        buckets = list(series.duration_buckets)
        for name in {ALL, model}:
            of = found.setdefault(name, _Counted())
            of.errors += sum(buckets) if status >= FAILED else 0
            of.buckets = [a + b for a, b in zip(of.buckets, buckets, strict=True)]
    return found


def _figures(now: _Counted, before: _Counted | None) -> RequestFigures:
    before = before or _Counted()
    buckets = [max(0, a - b) for a, b in zip(now.buckets, before.buckets, strict=True)]
    requests = sum(buckets)
    errors = min(requests, max(0, now.errors - before.errors))
    return RequestFigures(requests, errors, _percentile(buckets, P95) if requests else None)


def _percentile(buckets: list[int], share: float) -> float:
    """The bound below which that share lies, within its bucket by proportion.

    Infinite beyond the last bound.
    """
    wanted = share * sum(buckets)
    for position, reached in enumerate(accumulate(buckets)):
        if reached >= wanted:
            if position == len(DURATION_BOUNDS_MS):
                return math.inf
            low = DURATION_BOUNDS_MS[position - 1] if position else 0.0
            missing = (reached - wanted) / buckets[position] if buckets[position] else 0.0
            return DURATION_BOUNDS_MS[position] - missing * (DURATION_BOUNDS_MS[position] - low)
    return math.inf
