"""Spans of time, always in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crossmodel.errors import InvalidInputError


def utc_now() -> datetime:
    """The present moment, timezone-aware."""
    return datetime.now(UTC)


def as_utc(moment: datetime) -> datetime:
    """``moment`` in UTC; a naive one is taken to be UTC already, as ``datetime.utcnow()`` is."""
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class TimePeriod:
    """From ``start`` to ``end``, both included.

    Raises:
        InvalidInputError: if ``end`` lies before ``start``.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", as_utc(self.start))
        object.__setattr__(self, "end", as_utc(self.end))
        if self.end < self.start:
            raise InvalidInputError(
                f"a period cannot end ({self.end}) before it starts ({self.start})"
            )

    @classmethod
    def last(cls, duration: timedelta, *, now: datetime | None = None) -> TimePeriod:
        """The ``duration`` up to ``now``."""
        end = as_utc(now) if now is not None else utc_now()
        return cls(end - duration, end)

    @classmethod
    def last_24_hours(cls) -> TimePeriod:
        """The day up to now."""
        return cls.last(timedelta(hours=24))

    @classmethod
    def last_7_days(cls) -> TimePeriod:
        """The week up to now."""
        return cls.last(timedelta(days=7))

    @classmethod
    def last_30_days(cls) -> TimePeriod:
        """The thirty days up to now."""
        return cls.last(timedelta(days=30))

    @property
    def duration(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    def contains(self, moment: datetime) -> bool:
        """Whether ``moment`` lies within it."""
        return self.start <= as_utc(moment) <= self.end
