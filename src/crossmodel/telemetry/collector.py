"""What was measured: the latest one by one, what is older rolled up by the hour and the day."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from numbers import Real
from typing import Any, Final

from crossmodel.domain import checks
from crossmodel.domain.period import TimePeriod
from crossmodel.telemetry.buckets import DAY, HOUR, Bucket, Observation
from crossmodel.telemetry.names import Names
from crossmodel.telemetry.summary import MOST

MOST_RAW: Final = 10_000
"""Observations that are kept one by one."""

HOURS_SECONDS: Final = 48 * HOUR
"""What is older than this, seen from the newest, is kept by the day."""

MOST_SUMMARIES: Final = 20_000
"""Summaries of all hours and days together; beyond it the oldest day is forgotten. Each takes some
2 kB, so that this is the bound of the memory: some 40 MB, which few systems ever come to."""

MOST_NAMES: Final = 32
MOST_KEYS: Final = 64
"""Kinds of observations, and figures of all of them together; more are folded into one."""

_LATEST: Final = 250_000_000_000.0
"""Seconds since 1970; some time in the year 9892. Later ones are no dates to Python."""

MODEL_KEYS: Final = ("model_id", "source_model", "target_model")
"""Which of an observation's words says what model it is about; the first that is there counts."""


class MetricsCollector:
    """Takes in figures and gives them back by period, in bounded memory. Thread-safe.

    The latest observations are kept one by one (:data:`MOST_RAW` of them), older ones by the hour
    of their time (UTC), those of more than two days ago by the day, and the oldest not at all.

    What is no finite number below :data:`~crossmodel.telemetry.summary.MOST` (NaN, infinities, what
    is neither number nor word) is not taken in, but counted: one figure that was divided by zero
    must neither raise where somebody only measures, nor spoil the means of all others.

    Args:
        most_raw: observations that are kept one by one, at least 1.

    Attributes:
        refused: figures that were not taken in.
    """

    def __init__(self, most_raw: int = MOST_RAW) -> None:
        self.refused = 0
        self._most_raw = checks.at_least("most_raw", most_raw, 1)
        self._raw: deque[Observation] = deque()
        self._buckets: dict[tuple[int, int], Bucket] = {}
        self._newest = 0
        self._size = 0
        self._names = Names(MOST_NAMES)
        self._keys = Names(MOST_KEYS)
        self._lock = threading.Lock()

    def record_metrics(
        self, name: str, metrics: Mapping[str, Any], *, at: float | None = None
    ) -> None:
        """Take in the figures of one thing that happened.

        Args:
            name: of what kind it was, such as ``model_selection``.
            metrics: figures by name; ``True`` counts as 1, ``None`` as not measured. Words are
                passed over, but for the model that it is about.
            at: when it happened, in seconds since 1970; now if ``None`` or no time at all.

        Raises:
            InvalidInputError: if the name is empty.
        """
        checks.text("name", name)
        moment = at if at is not None and 0 <= at <= _LATEST else time.time()
        figures: dict[str, float] = {}
        refused = 0
        for key, value in metrics.items():
            if value is None or isinstance(value, str):
                continue
            figure = _figure(value)
            if figure is None:
                refused += 1
            else:
                figures[str(key)] = figure
        model = next((str(metrics[key]) for key in MODEL_KEYS if metrics.get(key)), "")
        with self._lock:
            self.refused += refused
            known = {self._keys.fold(key): figure for key, figure in figures.items()}
            self._raw.append(Observation(moment, self._names.fold(name), model, known))
            while len(self._raw) > self._most_raw:
                self._roll_up(self._raw.popleft())

    def gather(self, period: TimePeriod, seconds: int) -> list[Bucket]:
        """Everything that happened within a period, in stretches of ``seconds``, oldest first.

        What is kept by the hour or the day is given whole if any of it lies within, in stretches
        of at least that length. They are copies: what comes later does not change them.
        """
        start, end = period.start.timestamp(), period.end.timestamp()
        with self._lock:
            raw = [seen for seen in self._raw if start <= seen.at <= end]
            found: dict[tuple[int, int], Bucket] = {}
            for bucket in self._buckets.values():
                if bucket.start <= end and bucket.end > start:
                    into = _stretch(found, bucket.start, max(seconds, bucket.seconds))
                    into.merge(bucket)
                    into.is_whole = True
        for seen in raw:
            _stretch(found, seen.at, seconds).add(seen)
        return sorted(found.values(), key=lambda bucket: (bucket.start, bucket.seconds))

    def _roll_up(self, seen: Observation) -> None:
        hour = _floor(seen.at, HOUR)
        is_old = hour < self._newest - HOURS_SECONDS
        bucket = _stretch(self._buckets, seen.at, DAY if is_old else HOUR)
        size = len(bucket)
        bucket.add(seen)
        self._size += len(bucket) - size
        if hour > self._newest:
            self._newest = hour
            self._coarsen()
        while self._size > MOST_SUMMARIES and len(self._buckets) > 1:
            self._size -= len(self._buckets.pop(min(self._buckets)))

    def _coarsen(self) -> None:
        """Make days of the hours that are old by now."""
        oldest = self._newest - HOURS_SECONDS
        for key in [key for key in self._buckets if key[1] == HOUR and key[0] < oldest]:
            hour = self._buckets.pop(key)
            _stretch(self._buckets, hour.start, DAY).merge(hour)
        self._size = sum(map(len, self._buckets.values()))


def _stretch(buckets: dict[tuple[int, int], Bucket], at: float, seconds: int) -> Bucket:
    """The bucket of that length that a moment falls into; made if it is not there."""
    key = _floor(at, seconds), seconds
    found = buckets.get(key)
    if found is None:
        found = buckets[key] = Bucket(*key)
    return found


def _floor(at: float, seconds: int) -> int:
    return int(at // seconds) * seconds


def _figure(value: object) -> float | None:
    """A figure that can be reckoned with; ``None`` if it is none."""
    if not isinstance(value, Real):  # numpy's numbers are such, too
        return None
    try:
        figure = float(value)
    except OverflowError:
        return None
    return figure if abs(figure) <= MOST else None  # NaN compares as false
