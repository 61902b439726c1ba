"""Budgets: money is reserved before a call and settled after it, so it cannot be overspent."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from crossmodel.domain import checks
from crossmodel.domain.config import CostOptimizationConfig
from crossmodel.domain.leases import Wanted
from crossmodel.domain.period import as_utc, utc_now
from crossmodel.errors import BudgetExceededError, InvalidInputError
from crossmodel.ports import Clock

PERIOD_OF_BUDGET: Final[dict[str, str]] = {"daily_budget": "%Y-%m-%d", "monthly_budget": "%Y-%m"}
"""How each budget names the period that a moment falls into; periods are UTC days and months."""

EVERYONE: Final = ""
"""The owner of the budgets that all calls share."""

ANY_OTHER: Final = "*"
"""Stands in a configuration for every tenant, or key, that is not named."""

ROUNDING: Final = 1e-12
"""Share of a budget by which sums may pass it: 0.1 three times are a little more than 0.3."""

LEAST_WAIT: Final = 0.001
"""Seconds to wait at least, where waiting helps."""

_NONE: Final[Mapping[str, str]] = {}

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Account:
    """One budget of everyone, a tenant or a key, and what it has committed in USD in a period.

    What was committed in any period but the present one does not count any more.
    """

    scope: str
    owner: str
    budget: str
    period: str = ""
    committed: float = 0.0

    def __str__(self) -> str:
        return f"{self.budget} of {self.scope} {self.owner!r}" if self.scope else self.budget

    def enter(self, period: str) -> None:
        """Begin that period with nothing, unless it has begun."""
        if self.period != period:
            self.period, self.committed = period, 0.0


@dataclass(frozen=True, slots=True)
class BudgetAlert:
    """A budget's spending crossed the alert threshold. Amounts are in USD."""

    budget: str
    period: str
    limit: float
    committed: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands in its current period; amounts are in USD.

    ``scope`` is ``"key"``, ``"tenant"``, or empty for everybody's, and ``owner`` the key's or
    tenant's name. ``committed`` is spent or set aside for calls that are out.
    """

    scope: str
    owner: str
    budget: str
    period: str
    limit: float
    committed: float

    @property
    def left(self) -> float:
        """What may still be set aside."""
        return max(self.limit - self.committed, 0.0)


Limits = Sequence[tuple[Account, float]]
"""Budgets, each with its limit in USD."""


@dataclass(slots=True, eq=False)
class Reservation:
    """Money set aside for one call, in USD: in these budgets, for these of their periods.

    One that is lost without being settled stays committed until the period is over: the call may
    have been paid for.
    """

    amount: float
    limits: Limits = ()
    periods: Mapping[str, str] = field(default_factory=dict)
    open: bool = True


class CostOptimizer:
    """Keeps spending within the budgets of ``config``; thread-safe.

    There are budgets for all calls together, for each tenant and for each client key; a call is
    charged to all that concern it, or to none. ``on_alert`` is called once for each time that a
    budget's spending crosses ``cost_alert_threshold``; without one, the alert goes to the log.

    Budgets in ``config`` are looked up at each call, so that changes take effect at once. Without
    ``enable_cost_optimization`` they do not hold; those of :meth:`set_key_budgets` do, since they
    are part of what a key is allowed to do.

    Attributes:
        config: as given.
        renew: waits until more is leased of budgets that several processes share, for a call that
            found too little; ``None`` where one process has them all.
        refresh: learns what others have committed of them, for those who look at :meth:`standings`;
            likewise.
    """

    def __init__(
        self,
        config: CostOptimizationConfig | None = None,
        *,
        clock: Clock = utc_now,
        on_alert: Callable[[BudgetAlert], None] | None = None,
    ) -> None:
        self.config = config or CostOptimizationConfig()
        self.renew: Callable[[Wanted], Awaitable[None]] | None = None
        self.refresh: Callable[[], Awaitable[None]] | None = None
        self._clock = clock
        self._on_alert = on_alert or _log_alert
        self._lock = threading.Lock()
        self._accounts: dict[tuple[str, str, str], Account] = {}
        self._of_keys: dict[str, Limits] = {}
        self._day = _Day.of(clock())

    @property
    def weight_factor(self) -> float:
        """What the cost weight of the score is multiplied with."""
        enabled = self.config.enable_cost_optimization
        return self.config.cost_weight_factor if enabled else 1.0

    def set_key_budgets(self, name: str, budgets: Mapping[str, float]) -> None:
        """Give a client key budgets of its own, in USD, or with none of them take them away.

        They go before what the configuration says of the same budget of keys. What it has committed
        so far in this period still counts.

        Raises:
            InvalidInputError: if there is no such budget, or it is negative or not finite.
        """
        CostOptimizationConfig(key_budgets={name: dict(budgets)})  # refuses what is no budget
        if budgets:
            self._of_keys[name] = [
                (self._account("key", name, budget), usd) for budget, usd in budgets.items()
            ]
        else:
            self._of_keys.pop(name, None)

    def committed(self, budget: str, *, tenant: str | None = None, key: str | None = None) -> float:
        """USD spent or reserved in the budget's current period."""
        with self._lock:
            account = self._accounts.get(place_of(budget, tenant, key))
            if account is None or account.period != self._today().periods[budget]:
                return 0.0
            return account.committed

    def standings(self) -> list[Standing]:
        """How every budget stands: everybody's, then tenants' and then keys', by name.

        Of those that ``"*"`` stands for, whoever has spent anything that is known of.
        """
        seen = list(self._accounts)
        tenants = {owner for scope, owner, _ in seen if scope == "tenant"}
        keys = {owner for scope, owner, _ in seen if scope == "key"}
        limits = [*self._limits(None, None)]
        for scope, owners in (
            ("tenant", tenants | set(self.config.tenant_budgets)),
            ("key", keys | set(self.config.key_budgets)),
        ):
            for owner in sorted(owners - {ANY_OTHER}):
                of = self._limits(**{"tenant": None, "key": None, scope: owner})
                limits += [(account, limit) for account, limit in of if account.scope == scope]
        with self._lock:
            periods = self._today().periods
            return [
                Standing(
                    account.scope,
                    account.owner,
                    account.budget,
                    period := periods[account.budget],
                    limit,
                    account.committed if account.period == period else 0.0,
                )
                for account, limit in limits
            ]

    def restore(
        self, budget: str, spent_usd: float, *, tenant: str | None = None, key: str | None = None
    ) -> None:
        """Go on in the current period from what was spent before, as after a restart.

        Where more than that is committed already, it stays.
        """
        checks.not_negative("spent_usd", spent_usd)
        with self._lock:
            account = self._account(*place_of(budget, tenant, key))
            account.enter(self._today().periods[budget])
            account.committed = max(account.committed, spent_usd)

    def reserve(
        self, amount_usd: float, *, tenant: str | None = None, key: str | None = None
    ) -> Reservation:
        """Set money aside for a call that will cost at most ``amount_usd``.

        Raises:
            BudgetExceededError: if a budget's period has less than that left; nothing is set aside.
            InvalidInputError: if the amount is negative or not finite.
        """
        if type(amount_usd) is not float or not 0.0 <= amount_usd < math.inf:  # quicker than asking
            amount_usd = float(checks.not_negative("amount_usd", amount_usd))
        limits = self._limits(tenant, key)
        if not limits:
            return Reservation(amount_usd, (), _NONE)
        crossed = None
        with self._lock:
            periods = self._today().periods
            for account, limit in limits:
                if account.period != periods[account.budget]:
                    account.enter(periods[account.budget])
                if amount_usd > limit - account.committed + limit * ROUNDING:
                    raise self._refusal(account, limit, account.committed, amount_usd)
            threshold = self.config.cost_alert_threshold
            for account, limit in limits:
                before = account.committed
                account.committed = after = before + amount_usd
                if before < threshold * limit <= after:
                    alert = BudgetAlert(str(account), account.period, limit, after)
                    crossed = [*(crossed or ()), alert]
        for alert in crossed or ():
            self._on_alert(alert)
        return Reservation(amount_usd, limits, periods)

    def settle(self, reservation: Reservation, actual_usd: float) -> None:
        """Replace what was set aside by what the call did cost (0 if it failed).

        Raises:
            InvalidInputError: if it is settled already, or the cost is negative or not finite.
        """
        if type(actual_usd) is not float or not 0.0 <= actual_usd < math.inf:
            actual_usd = float(checks.not_negative("actual_usd", actual_usd))
        with self._lock:
            if not reservation.open:
                raise InvalidInputError("this reservation is settled already")
            reservation.open = False
            for account, _ in reservation.limits:
                # else its period is over and forgotten
                if account.period == reservation.periods[account.budget]:
                    committed = account.committed + actual_usd - reservation.amount
                    account.committed = max(committed, 0.0)

    def _limits(self, tenant: str | None, key: str | None) -> Limits:
        """The budgets that a call is charged to."""
        config = self.config
        own = self._of_keys.get(key, ()) if key is not None else ()
        if not config.enable_cost_optimization or not (
            config.budget_constraints or config.tenant_budgets or config.key_budgets
        ):
            return own
        found = [
            (self._account("", EVERYONE, budget), limit)
            for budget, limit in config.budget_constraints.items()
        ]
        if tenant is not None:
            for budget, limit in _of(config.tenant_budgets, tenant).items():
                found.append((self._account("tenant", tenant, budget), limit))
        if key is not None:
            named = {account.budget for account, _ in own}
            for budget, limit in _of(config.key_budgets, key).items():
                if budget not in named:
                    found.append((self._account("key", key, budget), limit))
        found += own
        return found

    def _account(self, scope: str, owner: str, budget: str) -> Account:
        place = scope, owner, budget
        account = self._accounts.get(place)
        # of two threads that both find none, one makes the account of both
        return account or self._accounts.setdefault(place, Account(*place))

    def _today(self) -> _Day:
        now = self._clock()
        if not self._day.start <= now < self._day.end:
            self._day = _Day.of(now)
        return self._day

    def _refusal(
        self, account: Account, limit: float, committed: float, amount_usd: float
    ) -> BudgetExceededError:
        left = max(limit - committed, 0.0)
        wait = (self._day.ends[account.budget] - self._clock()).total_seconds()
        return BudgetExceededError(
            f"{account} of {limit:g} USD has {left:g} USD left in {account.period}; this call may "
            f"cost {amount_usd:g} USD",
            scope=account.scope,
            # it may end in this very moment; a whole period's budget may be too small
            retry_after_seconds=max(wait, LEAST_WAIT) if amount_usd <= limit else None,
        )


@dataclass(frozen=True, slots=True)
class _Day:
    """A day in UTC and its names, which take far longer to make than all else of a reservation."""

    start: datetime
    end: datetime
    periods: Mapping[str, str]
    ends: Mapping[str, datetime]

    @classmethod
    def of(cls, moment: datetime) -> _Day:
        """The day that the moment is in."""
        start = as_utc(moment).replace(hour=0, minute=0, second=0, microsecond=0)
        end = start + timedelta(days=1)
        month_end = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        return cls(
            start,
            end,
            {budget: start.strftime(form) for budget, form in PERIOD_OF_BUDGET.items()},
            {"daily_budget": end, "monthly_budget": month_end},
        )


def _of(budgets: Mapping[str, Mapping[str, float]], owner: str) -> Mapping[str, float]:
    return budgets[owner] if owner in budgets else budgets.get(ANY_OTHER, {})


def place_of(budget: str, tenant: str | None, key: str | None) -> tuple[str, str, str]:
    """Scope, owner and name of that budget of a key, or else a tenant, or else everyone."""
    if key is not None:
        return "key", key, budget
    return ("", EVERYONE, budget) if tenant is None else ("tenant", tenant, budget)


def _log_alert(alert: BudgetAlert) -> None:
    logger.warning(
        "%s of %g USD: %g USD committed in %s",
        alert.budget,
        alert.limit,
        alert.committed,
        alert.period,
    )
