"""Spans of time, always in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from crossmodel.errors import InvalidInputError


def utc_now() -> datetime:
    """The present moment, timezone-aware."""
    return datetime.now(UTC)


def as_utc(moment: datetime) -> datetime:
    """``moment`` in UTC; a naive one is taken to be UTC already, as ``datetime.utcnow()`` is."""
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_LAST: Final = re.compile("([0-9]{1,9})([mhdw])")
_DATE: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


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
    def parse(cls, text: str, *, now: datetime | None = None) -> TimePeriod:
        """``30d`` up to now (``m``, ``h``, ``d``, ``w``), or two ISO 8601 dates: ``2026-10-01..``.

        A date stands for its beginning in UTC, or in the second place for its end; the second may
        be left out, and means now.

        Raises:
            InvalidInputError: if it is neither; the message has examples.
        """
        end = as_utc(now) if now is not None else utc_now()
        try:
            if last := _LAST.fullmatch(text):
                return cls.last(int(last[1]) * _UNITS[last[2]], now=end)
            first, separator, second = text.partition("..")
            if separator:
                return cls(_moment(first), _moment(second, ends=True) if second else end)
        except (ValueError, OverflowError) as error:
            raise InvalidInputError(f"{text!r:.100} is no period: {error}") from error
        raise InvalidInputError(
            f"{text!r:.100} is no period: say 24h, 30d, 2026-10-01..2026-10-31 or 2026-10-01.."
        )

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


def _moment(text: str, *, ends: bool = False) -> datetime:
    moment = as_utc(datetime.fromisoformat(text))
    return moment + _UNITS["d"] if ends and _DATE.fullmatch(text) else moment
