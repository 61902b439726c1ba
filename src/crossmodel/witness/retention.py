"""Retention: what people said goes after a while, and the proofs stay.

A record is as old as ``logged_at`` says, which never falls along the log: where the old ones end is
found by bisection. They go in batches, each a transaction that deletes hidden values, appends the
``erasure`` record that names them, and notes how far it has come. Whatever moment a process dies
at, the next run goes on there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from crossmodel.domain.erasure import Erased, RetentionReport
from crossmodel.domain.witness import LogLeaf
from crossmodel.ports import LogTransaction, Transaction
from crossmodel.witness import statement
from crossmodel.witness.ledger import Ledger
from crossmodel.witness.schemas import predicate_type

logger = logging.getLogger(__name__)

KEPT: Final = frozenset(map(predicate_type, ("insight", "erasure", "key-rotation")))
"""Kinds whose hidden values stay: insights until somebody deletes them, and what was done to the
log itself. Those of every other kind go, of kinds that this version does not know too."""

BATCH: Final = 200
"""Records, and source texts, per transaction, for which other writers wait; a turn is never cut in
two."""

DAY: Final = timedelta(days=1)
LEAP: Final = timedelta(days=30)
"""A clock that is further than this ahead of the last run is not believed at once."""

NOTICE: Final = timedelta(days=7)
"""How long it has to say the same until it is."""

LOOK_EVERY: Final = timedelta(hours=1)
"""How often is looked whether a day has passed: a machine may have slept in between."""

_LEAF: Final = "retention.leaf"
_SOURCES: Final = "retention.sources"
_RAN: Final = "retention.ran"
_NOTICED: Final = "retention.noticed"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Retention:
    """Erases what is older than ``period`` by the ledger's clock, now or day by day."""

    ledger: Ledger
    period: timedelta

    async def plan(self) -> RetentionReport:
        """What :meth:`apply` would erase now; nothing is changed."""
        cutoff = self.ledger.clock() - self.period

        def work(tx: Transaction) -> RetentionReport:
            start = tx.get_mark(_LEAF) or 0
            stop = boundary(tx, start, cutoff)
            report = RetentionReport(
                cutoff, sources=tx.count_unused_sources(_sources_reached(tx), cutoff)
            )
            while start < stop:
                start, due = _batch(tx, start, stop)
                report = _counted(report, due, tx.count_values(due))
            return report

        return await self.ledger.store.read(work)

    async def apply(self) -> RetentionReport:
        """Erase what is due, in batches that are durable one by one.

        May be cancelled between any two, or killed at any moment: what is done is done.
        """
        now = self.ledger.clock()
        report = RetentionReport(now - self.period)
        while True:
            report, is_done = await self._next(report, now)
            if is_done:
                break
        if report.leaves or report.values or report.sources:
            is_scrubbed = await self.ledger.store.scrub()
            await self.ledger.seal()  # until then verifiers miss what was erased
            report = replace(report, is_scrubbed=is_scrubbed)
        return report

    async def apply_daily(self) -> RetentionReport | None:
        """Erase what is due, unless that was done within a day (then ``None``).

        After a leap of the clock nothing goes until a week of notice has passed: ``held_until`` of
        the report says when.
        """
        now = self.ledger.clock()
        ran, noticed, newest = await self.ledger.store.read(_last_seen)
        if ran is not None and ran <= now < ran + DAY:
            return None
        seen = ran or newest
        leapt = seen is not None and now - seen > LEAP
        if not leapt or (noticed is not None and noticed + NOTICE <= now):
            return await self.apply()
        plan = await self.plan()
        if not (plan.values or plan.sources):
            return await self.apply()
        if noticed is None or now < noticed:
            noticed = now
            await self.ledger.store.transact(lambda tx: _set_moment(tx, _NOTICED, now))
        held = replace(plan, held_until=noticed + NOTICE)
        logger.warning(
            "the clock says %s, and the last that was seen of it is %s: %d hidden values and %d "
            "sources are due by it, and go on %s; crossmodel retention erases them now, setting "
            "the clock right keeps them",
            now, seen, held.values, held.sources, held.held_until,
        )  # fmt: skip
        return held

    async def keep_applying(self) -> None:
        """Do so once a day until cancelled; whatever fails is logged and tried again."""
        while True:
            wait = LOOK_EVERY
            try:
                report = await self.apply_daily()
                if report is not None and report.held_until is not None:
                    wait = DAY
            except Exception:
                logger.exception("retention did not come to its end and will go on from there")
            await asyncio.sleep(wait.total_seconds())

    async def _next(self, report: RetentionReport, now: datetime) -> tuple[RetentionReport, bool]:
        """One batch: the report with it, and whether it was the last."""
        days = self.period // DAY
        reason = statement.commit(f"retention: older than {days} days")

        def work(tx: Transaction) -> tuple[RetentionReport, bool]:
            cutoff = report.cutoff
            start = tx.get_mark(_LEAF) or 0
            stop = boundary(tx, start, cutoff)
            reached, due = _batch(tx, start, stop) if start < stop else (start, [])
            erased = tx.erase_values(due) if tx.count_values(due) else Erased()
            values = erased.counts.get("commitments", 0)
            sources = tx.erase_unused_sources(_sources_reached(tx), cutoff, BATCH)
            is_done = reached >= stop and sources < BATCH
            leaves: list[int] = []
            if values or sources:
                counts = {"commitments": values, "sources": sources}
                said = statement.erasure_statement(replace(erased, counts=counts), reason, now)
                leaves = self.ledger.put_on_record(tx, said, values)
            if reached > start:
                tx.set_mark(_LEAF, reached)
            if is_done:
                _set_moment(tx, _SOURCES, max(cutoff, _sources_reached(tx)))
                _set_moment(tx, _RAN, now)
                tx.set_mark(_NOTICED, None)
            done = _counted(report, due, values)
            return replace(
                done, sources=done.sources + sources, leaves=(*done.leaves, *leaves)
            ), is_done

        return await self.ledger.store.transact(work)


def boundary(tx: LogTransaction, start: int, cutoff: datetime) -> int:
    """The first record from ``start`` on that the log took at ``cutoff`` or later.

    Those from before the log kept its time are taken to be as old as the next one that has it:
    they stay longer, never shorter.
    """
    low, high = start, tx.log_size()
    while low < high:
        middle = (low + high) // 2
        timed = _next_timed(tx, middle, high)
        if timed is None or timed[1] >= cutoff:
            high = middle
        else:
            low = timed[0] + 1
    return low


def _next_timed(tx: LogTransaction, start: int, stop: int) -> tuple[int, datetime] | None:
    """The first record of ``start <= index < stop`` that says when the log took it, and when."""
    width = 1
    while start < stop:
        for leaf in tx.leaves(start, min(start + width, stop)):
            moment = statement.logged_at(leaf.statement)
            if moment is not None:
                return leaf.index, moment
        start, width = start + width, width * 2
    return None


def _batch(tx: LogTransaction, start: int, stop: int) -> tuple[int, list[LogLeaf]]:
    """The records from ``start`` on that one transaction looks at: how far, and whose values go."""
    due: list[LogLeaf] = []
    last: LogLeaf | None = None
    for leaf in tx.leaves(start, stop):
        if last is not None and leaf.index >= start + BATCH and not _are_of_one_turn(last, leaf):
            return leaf.index, due
        last = leaf
        if _kind(leaf) not in KEPT:
            due.append(leaf)
    return stop, due


def _are_of_one_turn(first: LogLeaf, second: LogLeaf) -> bool:
    """Whether two neighbours may share a value: the log took them at once, about one request."""
    return (first.tenant, first.about) == (second.tenant, second.about) and (
        statement.logged_at(first.statement) == statement.logged_at(second.statement)
    )


def _kind(leaf: LogLeaf) -> str | None:
    """The predicate type of a record; ``None`` for what is none of ours."""
    kind = statement.predicate_type_of(leaf.statement)
    if kind is not None or leaf.payload_type != statement.PAYLOAD_TYPE:
        return kind
    try:  # from before the log kept its time
        document = json.loads(leaf.statement)
    except (ValueError, RecursionError):
        return None
    return document.get("predicateType") if isinstance(document, dict) else None


def _counted(report: RetentionReport, due: Sequence[LogLeaf], values: int) -> RetentionReport:
    moments = [moment for leaf in due if (moment := statement.logged_at(leaf.statement))]
    return replace(
        report,
        records=report.records + len(due),
        values=report.values + values,
        oldest=report.oldest or (moments[0] if moments else None),
        newest=moments[-1] if moments else report.newest,
    )


def _last_seen(tx: Transaction) -> tuple[datetime | None, datetime | None, datetime | None]:
    """When retention last ran, since when it gives notice, and the log's last time."""
    size = tx.log_size()
    newest = next((statement.logged_at(leaf.statement) for leaf in tx.leaves(size - 1, size)), None)
    return _moment(tx, _RAN), _moment(tx, _NOTICED), newest


def _sources_reached(tx: Transaction) -> datetime:
    """Sources from before this moment were looked at."""
    return _moment(tx, _SOURCES) or _EPOCH


def _moment(tx: Transaction, name: str) -> datetime | None:
    value = tx.get_mark(name)
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def _set_moment(tx: Transaction, name: str, moment: datetime) -> None:
    tx.set_mark(name, (moment - _EPOCH) // timedelta(microseconds=1))
