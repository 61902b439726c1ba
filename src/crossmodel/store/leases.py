"""Who has leased how much of budgets and rates. A row is locked while it is reckoned with.

**Budgets.** ``budget_periods`` has what is committed of each in each period, which is the sum of
what was granted less what was given back; ``budget_leases`` has what each process was granted. No
grant lets the sum pass the limit, and only the process itself gives back: what a process that died
had leased stays committed until the period is over, since nobody can know how much of it was spent.

**Rates.** ``rate_buckets`` is a token bucket (as in RFC 2697, one bucket): it fills by
``per_second``, and what it holds and what is leased never exceed ``burst`` together. So whatever
is leased and however late it is used, calls take no more than ``burst + per_second * t`` in any
stretch of ``t`` seconds: at its beginning that is at most ``burst``, in the bucket or leased. A
lease of a rate ends :data:`RATE_SECONDS` after its last renewal, and what was left of it is lost;
its process stops using it before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from crossmodel.domain.leases import SHARE, BudgetAsk, BudgetGrant, Grants, RateAsk, RateGrant
from crossmodel.domain.traffic import NANO
from crossmodel.store import schema
from crossmodel.store.upserts import insert

RATE_SECONDS: Final = 10.0
"""How long a lease of a rate is kept without a word of its process."""

KEPT_SECONDS: Final = 86_400.0
"""After how long a bucket that nobody has asked for is forgotten, if it owes nothing."""

SLACK: Final = 1e-9
"""Share of a rate's burst by which sums of it may be off."""

Clock = Callable[[], float]
Amount = TypeVar("Amount", int, float)


class Leases:
    """The leases of one connection.

    Args:
        connection: within a write transaction.
        clock: seconds since 1970, the same for all processes; the database's if ``None``.
    """

    def __init__(self, connection: sa.Connection, clock: Clock | None = None) -> None:
        self._connection = connection
        self._clock = clock or self._database_time

    def lease(self, holder: str, budgets: Sequence[BudgetAsk], rates: Sequence[RateAsk]) -> Grants:
        """Take in what a process says of what it holds, and grant what there is.

        Rows are locked in one order by all, so that nobody waits in a circle.
        """
        of_budgets = {
            place: self._lease_budget(holder, ask)
            for place, ask in sorted({_place_of_budget(ask): ask for ask in budgets}.items())
        }
        of_rates = {
            place: self._lease_rate(holder, ask)
            for place, ask in sorted({_place_of_rate(ask): ask for ask in rates}.items())
        }
        return Grants(
            [of_budgets[_place_of_budget(ask)] for ask in budgets],
            [of_rates[_place_of_rate(ask)] for ask in rates],
        )

    def end(self, holder: str) -> None:
        """Forget a process that holds nothing any more: what it has committed stays so."""
        for table in (schema.budget_leases, schema.rate_leases):
            self._connection.execute(sa.delete(table).where(table.c.holder == holder))

    def forget(self, budget: str, before: str) -> None:
        """Forget the periods of that budget that begin before the one that is named."""
        for table in (schema.budget_leases, schema.budget_periods):
            old = sa.and_(table.c.budget == budget, table.c.period < before)
            self._connection.execute(sa.delete(table).where(old))
        since = self._clock() - KEPT_SECONDS
        buckets, leases = schema.rate_buckets, schema.rate_leases
        self._connection.execute(sa.delete(leases).where(leases.c.ends_at < since))
        idle = sa.and_(buckets.c.at < since, buckets.c.units >= 0.0)
        self._connection.execute(sa.delete(buckets).where(idle))

    def committed(self, budget: str, period: str) -> dict[tuple[str, str], int]:
        """What is committed of that budget in that period, by scope and owner."""
        table = schema.budget_periods
        query = sa.select(table.c.scope, table.c.owner, table.c.committed).where(
            table.c.budget == budget, table.c.period == period
        )
        return {(scope, owner): usd for scope, owner, usd in self._connection.execute(query)}

    def _lease_budget(self, holder: str, ask: BudgetAsk) -> BudgetGrant:
        place = {
            "budget": ask.budget,
            "period": ask.period,
            "scope": ask.scope,
            "owner": ask.owner,
        }
        before = self._committed(place, ask)
        mine = {**place, "holder": holder}
        had = self._figures(schema.budget_leases, mine, "granted")
        granted_before = 0 if had is None else int(had[0])
        # what it was granted and never heard of, or has let go of since, is there again
        left = ask.limit - before + granted_before - ask.hold
        granted = ask.hold + _part(left, ask.unused, ask.needs, ask.want)
        committed = before - granted_before + granted
        if committed != before:
            self._update(schema.budget_periods, place, {"committed": committed})
        if had is None:
            self._insert(schema.budget_leases, {**mine, "granted": granted})
        elif granted != granted_before:
            self._update(schema.budget_leases, mine, {"granted": granted})
        return BudgetGrant(granted, committed, before)

    def _committed(self, place: dict[str, Any], ask: BudgetAsk) -> int:
        """What is committed of a budget, locked; at first what was spent without any lease."""
        table = schema.budget_periods
        found = self._figures(table, place, "committed", lock=True)
        if found is None:
            self._insert_unless_there(table, {**place, "committed": self._spent(ask)})
            found = self._figures(table, place, "committed", lock=True)
            assert found is not None
        return int(found[0])

    def _spent(self, ask: BudgetAsk) -> int:
        table = schema.spending
        day = ask.starts.toordinal() - schema.EPOCH.toordinal()
        query = sa.select(sa.func.sum(table.c.usd)).where(table.c.day >= day)
        if ask.scope:
            query = query.where(table.c[ask.scope] == ask.owner)
        return round((self._connection.scalar(query) or 0.0) * NANO)

    def _lease_rate(self, holder: str, ask: RateAsk) -> RateGrant:
        place = {"key": ask.key, "what": ask.what}
        left, at = self._bucket(place, ask)
        now = self._clock()
        mine = {**place, "holder": holder}
        had = self._figures(schema.rate_leases, mine, "held", "used", "ends_at")
        held, used, ends_at = had or (0.0, 0.0, now)
        is_live = ends_at > now
        left, leased = self._fill(place, ask, left, at, now)
        others = leased - (held if is_live else 0.0)
        hold = ask.hold if is_live else 0.0
        back = held - (ask.used - used) - hold
        left = min(left + (back if is_live else min(back, 0.0)), ask.burst - others - hold)
        granted = _part(left, hold, ask.needs, ask.want, SLACK * ask.burst)
        left -= granted
        self._update(schema.rate_buckets, place, {"units": left, "at": now})
        values = {"held": hold + granted, "used": ask.used, "ends_at": now + RATE_SECONDS}
        if had is None:
            self._insert(schema.rate_leases, {**mine, **values})
        else:
            self._update(schema.rate_leases, mine, values)
        return RateGrant(hold + granted, left)

    def _bucket(self, place: dict[str, Any], ask: RateAsk) -> tuple[float, float]:
        """What is left in a bucket, and since when, locked; a new one is full."""
        table = schema.rate_buckets
        found = self._figures(table, place, "units", "at", lock=True)
        if found is None:
            full = {**place, "units": ask.burst, "at": self._clock()}
            self._insert_unless_there(table, full)
            found = self._figures(table, place, "units", "at", lock=True)
            assert found is not None
        return found[0], found[1]

    def _fill(
        self, place: dict[str, Any], ask: RateAsk, left: float, at: float, now: float
    ) -> tuple[float, float]:
        """What is in a bucket now, and how much of it is leased.

        It fills no further than leases leave room; so it is filled up to the end of each in turn.
        """
        table = schema.rate_leases
        query = sa.select(table.c.ends_at, table.c.held).where(
            *(table.c[name] == value for name, value in place.items()), table.c.ends_at > at
        )
        leases = sorted((ends_at, held) for ends_at, held in self._connection.execute(query))
        leased = math.fsum(held for _, held in leases)
        for ends_at, held in leases:
            if ends_at > now:
                break
            left = min(left + (ends_at - at) * ask.per_second, ask.burst - leased)
            at, leased = ends_at, leased - held
        # a clock may have been put back, and sums of leases round
        filled = left + max(now - at, 0.0) * ask.per_second
        return min(filled, ask.burst - leased), max(leased, 0.0)

    def _figures(
        self, table: sa.Table, place: dict[str, Any], *names: str, lock: bool = False
    ) -> tuple[float, ...] | None:
        query = sa.select(*(table.c[name] for name in names))
        query = query.where(*(table.c[name] == value for name, value in place.items()))
        row = self._connection.execute(query.with_for_update() if lock else query).first()
        return None if row is None else tuple(row)

    def _update(self, table: sa.Table, place: dict[str, Any], values: dict[str, Any]) -> None:
        mine = (table.c[name] == value for name, value in place.items())
        self._connection.execute(sa.update(table).where(*mine).values(values))

    def _insert(self, table: sa.Table, values: dict[str, Any]) -> None:
        self._connection.execute(sa.insert(table), values)

    def _insert_unless_there(self, table: sa.Table, values: dict[str, Any]) -> None:
        statement = insert(table, self._connection.dialect.name).values(values)
        self._connection.execute(statement.on_conflict_do_nothing())

    def _database_time(self) -> float:
        """Of one clock for all processes: the database's, or this machine's, where the file is."""
        if self._connection.dialect.name == "sqlite":
            return time.time()
        now = sa.func.extract("epoch", sa.func.clock_timestamp())
        return float(self._connection.execute(sa.select(now)).scalar_one())


def _part(
    left: Amount, unused: Amount, needs: Sequence[Amount], want: Amount, slack: float = 0.0
) -> Amount:
    """How much of what is left a process gets, at least 0.

    All of its needs that can be met, those before others that came first. If all are met, also what
    it wants at hand besides, up to its share of what is left then. What it has unused helps to meet
    needs only where not enough is left: else calls that come meanwhile would take it from those
    that wait.
    """
    nothing = left - left
    left = max(left, nothing)
    needed, is_enough = nothing, True
    for need in needs:
        if needed + need <= left + unused + slack:
            needed += need
        else:
            is_enough = False
    met = min(needed, left)
    if not is_enough:
        return met
    share = (left - met + unused) // SHARE
    return met + min(max(min(want, share) - unused, nothing), left - met)


def _place_of_budget(ask: BudgetAsk) -> tuple[str, str, str, str]:
    return ask.budget, ask.period, ask.scope, ask.owner


def _place_of_rate(ask: RateAsk) -> tuple[str, str]:
    return ask.key, ask.what
