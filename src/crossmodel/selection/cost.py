"""Budgets: money is reserved before a call and settled after it, so it cannot be overspent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from crossmodel.domain import checks
from crossmodel.domain.config import CostOptimizationConfig
from crossmodel.domain.period import utc_now
from crossmodel.errors import BudgetExceededError, InvalidInputError
from crossmodel.ports import Clock

PERIOD_OF_BUDGET: Final[dict[str, str]] = {"daily_budget": "%Y-%m-%d", "monthly_budget": "%Y-%m"}
"""How each budget names the period that a moment falls into; periods are UTC days and months."""

EVERYONE: Final = ""
"""The owner of the budgets that all calls share."""

ANY_OTHER: Final = "*"
"""Stands in a configuration for every tenant, or key, that is not named."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose budget it is: everyone's, a tenant's or a key's; and which."""

    scope: str
    owner: str
    budget: str

    def __str__(self) -> str:
        return f"{self.budget} of {self.scope} {self.owner!r}" if self.scope else self.budget


@dataclass(frozen=True, slots=True)
class BudgetAlert:
    """A budget's spending crossed the alert threshold. Amounts are in USD."""

    budget: str
    period: str
    limit: float
    committed: float


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """How a budget stands in its current period. Amounts are in USD."""

    account: Account
    period: str
    limit: float
    committed: float


@dataclass(slots=True, eq=False)
class Reservation:
    """Money set aside for one call, in USD. ``periods`` holds what it was charged to."""

    amount: float
    periods: dict[Account, str]
    open: bool = True


class CostOptimizer:
    """Keeps spending within the budgets of ``config``; thread-safe.

    There are budgets for all calls together, for each tenant and for each client key; a call is
    charged to all that concern it, or to none. ``on_alert`` is called once for each time that a
    budget's spending crosses ``cost_alert_threshold``; without one, the alert goes to the log.
    """

    def __init__(
        self,
        config: CostOptimizationConfig | None = None,
        *,
        clock: Clock = utc_now,
        on_alert: Callable[[BudgetAlert], None] | None = None,
    ) -> None:
        self.config = config or CostOptimizationConfig()
        self._clock = clock
        self._on_alert = on_alert or _log_alert
        self._lock = threading.Lock()
        self._committed: dict[Account, tuple[str, float]] = {}

    @property
    def weight_factor(self) -> float:
        """What the cost weight of the score is multiplied with."""
        enabled = self.config.enable_cost_optimization
        return self.config.cost_weight_factor if enabled else 1.0

    def committed(self, budget: str, *, tenant: str | None = None, key: str | None = None) -> float:
        """USD spent or reserved in the budget's current period."""
        account = _account(budget, tenant, key)
        with self._lock:
            return self._in_period(account, self._clock())

    def standings(self) -> list[BudgetStanding]:
        """Every budget: everyone's, then those of tenants and of keys, by name.

        Those that :data:`ANY_OTHER` stands for are there once they have spent something.
        """
        config = self.config
        with self._lock:
            now = self._clock()
            owners = {"tenant": set(config.tenant_budgets), "key": set(config.key_budgets)}
            for account in self._committed:
                owners.get(account.scope, set()).add(account.owner)
            limits = dict(self._limits(None, None))
            for tenant in sorted(owners["tenant"] - {ANY_OTHER}):
                limits |= self._limits(tenant, None)
            for key in sorted(owners["key"] - {ANY_OTHER}):
                limits |= self._limits(None, key)
            return [
                BudgetStanding(
                    account, _period(account.budget, now), limit, self._in_period(account, now)
                )
                for account, limit in limits.items()
            ]

    def restore(
        self, budget: str, spent_usd: float, *, tenant: str | None = None, key: str | None = None
    ) -> None:
        """Start the current period with what was spent before, as after a restart."""
        checks.not_negative("spent_usd", spent_usd)
        account = _account(budget, tenant, key)
        with self._lock:
            self._committed[account] = _period(budget, self._clock()), spent_usd

    def reserve(
        self, amount_usd: float, *, tenant: str | None = None, key: str | None = None
    ) -> Reservation:
        """Set money aside for a call that will cost at most ``amount_usd``.

        Raises:
            BudgetExceededError: if a budget's period has less than that left; nothing is set aside.
            InvalidInputError: if the amount is negative or not finite.
        """
        checks.not_negative("amount_usd", amount_usd)
        alerts = []
        with self._lock:
            now = self._clock()
            limits = dict(self._limits(tenant, key))
            for account, limit in limits.items():
                left = limit - self._in_period(account, now)
                if amount_usd > left:
                    raise BudgetExceededError(
                        f"{account} of {limit:g} USD has {max(left, 0.0):g} USD left in "
                        f"{_period(account.budget, now)}; this call may cost {amount_usd:g} USD"
                    )
            for account, limit in limits.items():
                before = self._in_period(account, now)
                after = before + amount_usd
                period = _period(account.budget, now)
                self._committed[account] = period, after
                if before < self.config.cost_alert_threshold * limit <= after:
                    alerts.append(BudgetAlert(str(account), period, limit, after))
        for alert in alerts:
            self._on_alert(alert)
        periods = {account: _period(account.budget, now) for account in limits}
        return Reservation(amount_usd, periods)

    def settle(self, reservation: Reservation, actual_usd: float) -> None:
        """Replace what was set aside by what the call did cost (0 if it failed).

        Raises:
            InvalidInputError: if it is settled already, or the cost is negative or not finite.
        """
        checks.not_negative("actual_usd", actual_usd)
        with self._lock:
            if not reservation.open:
                raise InvalidInputError("this reservation is settled already")
            reservation.open = False
            for account, period in reservation.periods.items():
                current, committed = self._committed.get(account, (period, reservation.amount))
                if current == period:  # else its period is over and forgotten
                    committed += actual_usd - reservation.amount
                    self._committed[account] = period, max(committed, 0.0)

    def _limits(self, tenant: str | None, key: str | None) -> Iterator[tuple[Account, float]]:
        config = self.config
        if not config.enable_cost_optimization:
            return
        for budget, limit in config.budget_constraints.items():
            yield _account(budget, None, None), limit
        for budget, limit in _of(config.tenant_budgets, tenant).items():
            yield _account(budget, tenant, None), limit
        for budget, limit in _of(config.key_budgets, key).items():
            yield _account(budget, None, key), limit

    def _in_period(self, account: Account, now: datetime) -> float:
        period, committed = self._committed.get(account, ("", 0.0))
        return committed if period == _period(account.budget, now) else 0.0


def _of(budgets: Mapping[str, Mapping[str, float]], owner: str | None) -> Mapping[str, float]:
    return {} if owner is None else budgets.get(owner, budgets.get(ANY_OTHER, {}))


def _account(budget: str, tenant: str | None, key: str | None) -> Account:
    if key is not None:
        return Account("key", key, budget)
    return Account("", EVERYONE, budget) if tenant is None else Account("tenant", tenant, budget)


def _period(budget: str, now: datetime) -> str:
    return now.strftime(PERIOD_OF_BUDGET[budget])


def _log_alert(alert: BudgetAlert) -> None:
    logger.warning(
        "%s of %g USD: %g USD committed in %s",
        alert.budget,
        alert.limit,
        alert.committed,
        alert.period,
    )
