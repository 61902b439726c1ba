"""What requests came to, summed up by stretch of time, tenant and model.

Sums are added in the transaction that keeps what they are of. At first they are of minutes; what is
old is moved into hours, and then into days, so that a year of traffic takes no more room than its
days. All rows are in one table, and nothing is ever in two of them: sums that come late simply make
a minute's row again, which is moved in its turn.

Tenants may be many, and their sums must neither be many rows a minute nor be thrown together with
anybody else's. So a minute has room for ``MOST_ROWS`` pairs of tenant and model. Whoever comes too
late for that is counted in the hour's rows at once, and then in the day's: those pairs have coarser
figures, and right ones. Within a day a tenant has room for ``MOST_MODELS`` models; those beyond are
counted as one that is called ``other``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from crossmodel.domain.period import TimePeriod
from crossmodel.domain.traffic import (
    BUCKETS,
    DAY,
    HOUR,
    MINUTE,
    SPANS,
    SUMS,
    Traffic,
    TrafficKey,
    TrafficSums,
)
from crossmodel.store import schema

MOST_ROWS: Final = {MINUTE: 100, HOUR: 500}
"""Pairs of tenant and model that a minute, and an hour, has rows for."""

MOST_MODELS: Final = 100
"""Models that a tenant's day has rows for."""

OTHER: Final = "other"
"""The model that the models beyond are counted as."""

KEPT: Final = {MINUTE: timedelta(days=2), HOUR: timedelta(days=90)}
"""How long sums stay in rows of a minute, and of an hour."""

STEPS: Final = (60, 300, 900, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY, 28 * DAY)
"""What a course in time may be divided into, in seconds."""

Rows = dict[TrafficKey, TrafficSums]

_KEY: Final = ("tenant", "span", "start", "model_id")
_COLUMNS: Final = (*SUMS, *schema.LATENCY_COLUMNS)
_VALUES: Final = attrgetter(*SUMS)
_LAST: Final = datetime.max.replace(microsecond=0, tzinfo=schema.EPOCH.tzinfo)
_TOTALS: Final = ", ".join(f"sum({name})" for name in _COLUMNS)

_COUNT: Final = (
    "SELECT count(*) FROM "
    "(SELECT 1 FROM traffic WHERE span = {span:d} AND start = {start:d} LIMIT {most:d}) AS found"
)
_NAMES: Final = (
    "SELECT tenant, model_id FROM traffic "
    "WHERE span = {span:d} AND start = {start:d} LIMIT {most:d}"
)
_MODELS_OF: Final = sa.text(
    "SELECT model_id FROM traffic WHERE tenant = :tenant AND span = :span AND start = :start "
    "LIMIT :most"
)
_OLDEST: Final = "SELECT min(start) FROM traffic WHERE span = {span:d}"
_TAKE: Final = (
    "DELETE FROM traffic WHERE span = {span:d} AND start >= {start:d} AND start < {stop:d} "  # noqa: S608 - our own names
    f"RETURNING tenant, model_id, {', '.join(_COLUMNS)}"
)
_AT: Final = sa.text(
    "SELECT 1 FROM traffic WHERE tenant = :tenant AND span = :span AND start = :start LIMIT 1"
)
_WITHIN: Final = (
    "FROM traffic WHERE tenant = :tenant AND span = :span AND start >= :start AND start < :stop"
)
_ANY: Final = sa.text(f"SELECT 1 {_WITHIN} LIMIT 1")
_STEPS: Final = sa.text(
    f"SELECT start - start % :step AS step, model_id, {_TOTALS} {_WITHIN} GROUP BY 1, 2"
)


@cache
def _addition(mark: str) -> str:
    """The statement that makes a row, or adds to the one that is there."""
    names = (*_KEY, *_COLUMNS)
    added = ", ".join(f"{name} = traffic.{name} + excluded.{name}" for name in _COLUMNS)
    return (
        f"INSERT INTO traffic ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))}) "  # noqa: S608 - likewise
        f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {added}"
    )


class TrafficTable:
    """The sums of one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._run = connection.exec_driver_sql

    def add(self, sums: Mapping[TrafficKey, TrafficSums]) -> None:
        """Add to the sums of minutes, or where those have no room to those of hours and days."""
        self._place(MINUTE, dict(sums))

    def of_period(self, tenant: str, period: TimePeriod, *, most_steps: int) -> Traffic:
        """The sums of a tenant's rows that lie in the period, or reach into it.

        The period is widened to hold them whole. Steps are as short as they can be so that there
        are at most ``most_steps``, and none is shorter than one of the rows.
        """
        start = self._widened(tenant, _seconds(period.start), up=False)
        stop = self._widened(tenant, max(start, _seconds_up(period.end)), up=True)
        within = {"tenant": tenant, "start": start, "stop": stop}
        spans = [
            span
            for span in SPANS
            if self._connection.execute(_ANY, within | {"span": span}).first() is not None
        ]
        shortest = max(spans, default=MINUTE)
        long_enough = (each for each in STEPS if (stop - start) // each + 2 <= most_steps)
        step = max(shortest, next(long_enough, STEPS[-1]))
        found: dict[tuple[int, str], TrafficSums] = {}
        for span in spans:
            rows = self._connection.execute(_STEPS, within | {"span": span, "step": step})
            for at, model_id, *values in rows:
                _add_to(found, (int(at), model_id), _sums(values))
        return Traffic(TimePeriod(_moment(start), _moment(stop)), step, dict(sorted(found.items())))

    def roll_up(self, now: datetime) -> bool:
        """Move the oldest hour of minutes, or day of hours, that is due; whether one was.

        What is moved is due as a whole: no row of it is younger than it may be.
        """
        for span, coarser in ((MINUTE, HOUR), (HOUR, DAY)):
            oldest = self._run(_OLDEST.format(span=span)).scalar()
            due = _seconds(now - KEPT[span]) // coarser * coarser
            if oldest is None or oldest >= due:
                continue
            start = int(oldest) // coarser * coarser
            place = {"span": span, "start": start, "stop": start + coarser}
            # taken and read in one: what another process moves meanwhile is not moved twice
            moved: Rows = {}
            for tenant, model_id, *values in self._run(_TAKE.format(**place)).all():
                _add_to(moved, TrafficKey(start, tenant, model_id), _sums(values))
            busiest = sorted(moved, key=lambda key: (-moved[key].requests, key))
            self._place(coarser, {key: moved[key] for key in busiest})
            return True
        return False

    def _place(self, span: int, sums: Rows) -> None:
        """Add sums to rows of a span; those that have no room there to those of the next one."""
        if span == DAY:
            self._write(span, self._folded(sums))
            return
        mine: Rows = {}
        left: Rows = {}
        coarser = SPANS[SPANS.index(span) + 1]
        by_start: dict[int, Rows] = {}
        for key, each in sums.items():
            by_start.setdefault(key.start, {})[key] = each
        for start, rows in by_start.items():
            has_room = self._room(span, start, len(rows))
            for key, each in rows.items():
                if has_room(key):
                    mine[key] = each
                else:
                    _add_to(left, key._replace(start=start // coarser * coarser), _copied(each))
        self._write(span, mine)
        if left:
            self._place(coarser, left)

    def _room(self, span: int, start: int, wanted: int) -> Callable[[TrafficKey], bool]:
        """Tells, pair by pair, which have a row in that stretch or may still get one."""
        most = MOST_ROWS[span]
        place = {"span": span, "start": start, "most": most}
        if (self._run(_COUNT.format(**place)).scalar() or 0) + wanted <= most:
            return lambda _key: True
        known = {tuple(row) for row in self._run(_NAMES.format(**place))}

        def has_room(key: TrafficKey) -> bool:
            if len(known) < most:
                known.add((key.tenant, key.model_id))
            return (key.tenant, key.model_id) in known

        return has_room

    def _folded(self, sums: Rows) -> Rows:
        """The same, with models that a tenant's day has no room for counted as one."""
        folded: Rows = {}
        known: dict[tuple[int, str], set[str]] = {}
        for key, each in sums.items():
            at = key.start, key.tenant
            if at not in known:
                known[at] = self._models_of(key)
            if len(known[at]) < MOST_MODELS:
                known[at].add(key.model_id)
            named = key if key.model_id in known[at] else key._replace(model_id=OTHER)
            _add_to(folded, named, _copied(each))
        return folded

    def _models_of(self, key: TrafficKey) -> set[str]:
        asked = {"tenant": key.tenant, "span": DAY, "start": key.start, "most": MOST_MODELS + 1}
        return set(self._connection.execute(_MODELS_OF, asked).scalars())

    def _write(self, span: int, sums: Rows) -> None:
        if not sums:
            return
        mark = "?" if self._connection.dialect.paramstyle == "qmark" else "%s"
        rows = [
            (key.tenant, span, key.start, key.model_id, *_VALUES(each), *each.latencies)
            for key, each in sorted(sums.items())  # so that two writers do not wait for each other
        ]
        self._run(_addition(mark), rows)

    def _widened(self, tenant: str, moment: int, *, up: bool) -> int:
        """The moment, or the end of the longest of the tenant's rows that it lies within."""
        for span in reversed(SPANS):
            start = moment // span * span
            asked = {"tenant": tenant, "span": span, "start": start}
            if start < moment and self._connection.execute(_AT, asked).first() is not None:
                return start + span if up else start
        return moment


def _add_to(rows: dict[Any, TrafficSums], key: Any, sums: TrafficSums) -> None:
    """Add to a row; sums that become a row may be added to later."""
    known = rows.get(key)
    if known is None:
        rows[key] = sums
    else:
        known.add(sums)


def _copied(sums: TrafficSums) -> TrafficSums:
    return replace(sums, latencies=list(sums.latencies))


def _sums(values: Iterable[Any]) -> TrafficSums:
    """A row's columns; PostgreSQL adds up whole numbers to decimals."""
    numbers = [int(value) for value in values]
    named = dict(zip(SUMS, numbers[:-BUCKETS], strict=True))
    return TrafficSums(latencies=numbers[-BUCKETS:], **named)


def _seconds(moment: datetime) -> int:
    return max(0, (moment - schema.EPOCH) // timedelta(seconds=1))


def _seconds_up(moment: datetime) -> int:
    return max(0, -((schema.EPOCH - moment) // timedelta(seconds=1)))


def _moment(seconds: int) -> datetime:
    return schema.EPOCH + timedelta(seconds=min(seconds, _seconds(_LAST)))
