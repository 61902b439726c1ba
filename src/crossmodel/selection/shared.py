"""Budgets that several processes share: each spends in memory what it has leased of them.

Nothing here asks anybody: :meth:`SharedBudgets.asks` says what to ask the store for, and
:meth:`SharedBudgets.take` takes the answer. What is leased counts as spent to everybody else until
it is given back, so that no order of events, no clock and no crash can overspend a budget.

How much lies idle is decided by how much a process leases. That is twice what its calls took up in
the busier of the last two turns, and never more than an eighth (:data:`SHARE`) of what is left. So
after two turns without a call nothing is leased any more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from crossmodel.domain import checks
from crossmodel.domain.config import CostOptimizationConfig
from crossmodel.domain.leases import FRESH_SECONDS, SHARE, BudgetAsk, BudgetGrant, Demand, Wanted
from crossmodel.domain.period import utc_now
from crossmodel.domain.traffic import NANO
from crossmodel.ports import Clock
from crossmodel.selection.cost import (
    ROUNDING,
    Account,
    BudgetAlert,
    CostOptimizer,
    Reservation,
    Standing,
    place_of,
)

MOST_USD: Final = 9e9
"""A larger budget is shared as if it were this large: its billionths fit in 64 bits."""

DUST: Final = 1e-3
"""Billionths of a USD that sums may be off by without being counted up."""


@dataclass(slots=True, eq=False)
class _Part:
    """What this process has of one budget in the present period, in billionths of a USD.

    Attributes:
        limit: the budget's, in USD, when it was last asked for.
        granted: what may be committed here.
        elsewhere: what others have committed or leased, as of the last renewal.
        left: what nobody had then; known until ``left_until``, in monotonic seconds.
        fair: what may be held unused at most.
        demand: how much of it calls take up, in USD.
    """

    limit: float = 0.0
    granted: int = 0
    elsewhere: int = 0
    left: int = 0
    left_until: float = -math.inf
    fair: int = 0
    demand: Demand = field(default_factory=Demand)

    @property
    def usd(self) -> float:
        """What may be committed here, in USD."""
        return self.granted / NANO

    @property
    def want(self) -> int:
        """How much to have at hand."""
        return int(min(self.demand.ahead, MOST_USD) * NANO)

    def begin(self) -> None:
        """A period begins, of which nothing is granted yet."""
        self.granted = self.elsewhere = self.left = self.fair = 0
        self.left_until = -math.inf
        self.demand.base = self.demand.peak = 0.0


class SharedBudgets(CostOptimizer):
    """A :class:`~crossmodel.selection.cost.CostOptimizer` of one process among several.

    Args:
        config: as there.
        clock: as there: names the period.
        on_alert: is called by the one process whose lease lets a budget cross the threshold; what
            is leased counts as committed.
        monotonic: seconds.
        on_low: is called when less than half of what is wanted is at hand; often, and by any thread
            that reserves.
    """

    def __init__(
        self,
        config: CostOptimizationConfig | None = None,
        *,
        clock: Clock = utc_now,
        on_alert: Callable[[BudgetAlert], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        on_low: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config, clock=clock, on_alert=on_alert)
        self._monotonic = monotonic
        self.on_low = on_low
        self._parts: dict[Account, _Part] = {}
        self._active: dict[Account, None] = {}  # ordered, unlike a set
        self._low: dict[Account, None] = {}

    def committed(self, budget: str, *, tenant: str | None = None, key: str | None = None) -> float:
        """USD spent or reserved here, or leased elsewhere as of the last renewal."""
        mine = super().committed(budget, tenant=tenant, key=key)
        with self._lock:
            account = self._accounts.get(place_of(budget, tenant, key))
            if account is None or account.period != self._today().periods[budget]:
                return mine
            return mine + self._part(account).elsewhere / NANO

    def standings(self) -> list[Standing]:
        """How every budget stands; what others have committed is as of the last renewal."""
        standings = super().standings()
        with self._lock:
            return [
                replace(each, committed=each.committed + part.elsewhere / NANO)
                if (account := self._accounts.get((each.scope, each.owner, each.budget)))
                and account.period == each.period
                and (part := self._parts.get(account))
                else each
                for each in standings
            ]

    def restore(
        self, budget: str, spent_usd: float, *, tenant: str | None = None, key: str | None = None
    ) -> None:
        """Do nothing: what was spent before is known to the store, which leases budgets out."""

    def reserve(
        self, amount_usd: float, *, tenant: str | None = None, key: str | None = None
    ) -> Reservation:
        """Set money aside for a call that will cost at most ``amount_usd``.

        Raises:
            BudgetExceededError: if less than that is leased; nothing is set aside.
            InvalidInputError: if the amount is negative or not finite.
        """
        amount = float(checks.not_negative("amount_usd", amount_usd))
        limits = self._limits(tenant, key)
        if not limits:
            return Reservation(amount)
        is_low = False
        with self._lock:
            periods = self._today().periods
            for account, limit in limits:
                part = self._enter(account, periods)
                part.limit = limit
                if amount > min(limit, part.usd) - account.committed + limit * ROUNDING:
                    everywhere = account.committed + part.elsewhere / NANO
                    refusal = self._refusal(account, limit, everywhere, amount)
                    refusal.is_passing = True
                    raise refusal
            for account, _ in limits:
                part = self._parts[account]
                account.committed += amount
                part.demand.see(account.committed)
                self._active[account] = None
                if (part.usd - account.committed) * NANO < part.want / 2:
                    self._low[account] = None
                    is_low = True
        if is_low:
            self.on_low()
        return Reservation(amount, limits, periods)

    def settle(self, reservation: Reservation, actual_usd: float) -> None:
        """Replace what was set aside by what the call did cost (0 if it failed).

        Raises:
            InvalidInputError: if it is settled already, or the cost is negative or not finite.
        """
        super().settle(reservation, actual_usd)
        with self._lock:
            for account, _ in reservation.limits:
                self._active[account] = None

    def may_pass(self, wanted: Wanted) -> bool:
        """Whether a renewal may let a call go on that was refused: not if that is known to fail."""
        now = self._monotonic()
        with self._lock:
            periods = self._today().periods
            for account, limit in self._limits(wanted.tenant, wanted.key):
                part = self._enter(account, periods)
                unused = part.granted - _up(account.committed)
                if wanted.usd > limit + limit * ROUNDING:
                    return False
                if now < part.left_until and _up(wanted.usd) > part.left + max(unused, 0):
                    return False
        return True

    def asks(
        self, waiting: Iterable[Wanted] = (), *, is_turn: bool = False, is_end: bool = False
    ) -> dict[Account, BudgetAsk]:
        """What to ask the store for; from now on no more is held than the asks say.

        Args:
            waiting: calls that wait for the answer.
            is_turn: whether a turn is over: all budgets that calls have to do with are looked at,
                and what is not wanted any more is given back.
            is_end: whether everything is to be given back that is not committed.
        """
        with self._lock:
            today = self._today()
            needs: dict[Account, list[int]] = {}
            for each in waiting:
                for account, limit in self._limits(each.tenant, each.key):
                    self._enter(account, today.periods).limit = limit
                    needs.setdefault(account, []).append(_up(each.usd))
            looked_at = {**self._low, **needs, **(self._active if is_turn or is_end else {})}
            self._low.clear()
            asks: dict[Account, BudgetAsk] = {}
            for account in looked_at:
                part = self._enter(account, today.periods)
                needed = needs.get(account, [])
                if needed:
                    part.demand.expect(sum(needed) / NANO)
                    self._active[account] = None
                elif is_turn:
                    part.demand.turn(account.committed)
                ask = self._ask(account, part, today.start, needed, is_end=is_end)
                if ask is not None:
                    asks[account] = ask
            return asks

    def take(self, asks: Mapping[Account, BudgetAsk], grants: Sequence[BudgetGrant]) -> None:
        """Take what the store has granted, in the order of the asks."""
        threshold, crossed = self.config.cost_alert_threshold, []
        fresh_until = self._monotonic() + FRESH_SECONDS
        with self._lock:
            for (account, ask), grant in zip(asks.items(), grants, strict=True):
                if account.period != ask.period:
                    continue  # a new one has begun meanwhile
                part = self._parts[account]
                part.granted = grant.granted
                part.elsewhere = grant.committed - grant.granted
                part.left = max(ask.limit - grant.committed, 0)
                part.left_until = fresh_until
                unused = max(part.granted - _up(account.committed), 0)
                part.fair = (part.left + unused) // SHARE
                alert_at = threshold * ask.limit
                if grant.committed_before < alert_at <= grant.committed:
                    crossed.append(
                        BudgetAlert(str(account), ask.period, part.limit, grant.committed / NANO)
                    )
        for alert in crossed:
            self._on_alert(alert)

    def periods(self) -> Mapping[str, str]:
        """The present period of each budget."""
        with self._lock:
            return self._today().periods

    def learn(self, budget: str, period: str, committed: Mapping[tuple[str, str], int]) -> None:
        """Know what all have committed, by scope and owner in billionths of a USD; to be shown."""
        with self._lock:
            periods = self._today().periods
            if periods[budget] != period:
                return
            for (scope, owner), usd in committed.items():
                part = self._enter(self._account(scope, owner, budget), periods)
                part.elsewhere = max(usd - part.granted, 0)

    def _ask(
        self, account: Account, part: _Part, day: datetime, needs: list[int], *, is_end: bool
    ) -> BudgetAsk | None:
        """What to ask for of one budget; ``None`` if nothing need change."""
        committed = _up(account.committed)
        want = 0 if is_end else part.want
        unused = max(part.granted - committed, 0)
        kept = min(unused, want, part.fair)
        hold = committed + kept
        if hold == part.granted and kept >= want // 2 and not needs:
            if not hold - committed and not want:
                self._active.pop(account, None)
            return None
        part.granted = hold
        starts = day.date() if account.budget == "daily_budget" else day.date().replace(day=1)
        limit = int(min(part.limit, MOST_USD) * NANO + DUST)
        place = account.scope, account.owner, account.budget, account.period
        return BudgetAsk(*place, starts, limit, hold, kept, needs, want)

    def _enter(self, account: Account, periods: Mapping[str, str]) -> _Part:
        part = self._part(account)
        if account.period != periods[account.budget]:
            account.enter(periods[account.budget])
            part.begin()
        return part

    def _part(self, account: Account) -> _Part:
        part = self._parts.get(account)
        if part is None:
            part = self._parts[account] = _Part()
        return part


def _up(usd: float) -> int:
    """USD in billionths, rounded up."""
    return math.ceil(min(usd, MOST_USD) * NANO - DUST)
