"""Budgets: money is reserved before a call and settled after it, so it cannot be overspent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
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

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BudgetAlert:
    """A budget's spending crossed the alert threshold. Amounts are in USD."""

    budget: str
    period: str
    limit: float
    committed: float


@dataclass(slots=True, eq=False)
class Reservation:
    """Money set aside for one call, in USD. ``periods`` holds what it was charged to."""

    amount: float
    periods: dict[str, str]
    open: bool = True


class CostOptimizer:
    """Keeps spending within ``config.budget_constraints``; thread-safe.

    ``on_alert`` is called once for each time that a budget's spending crosses
    ``cost_alert_threshold``; without one, the alert goes to the log.
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
        self._committed: dict[tuple[str, str], float] = {}

    @property
    def weight_factor(self) -> float:
        """What the cost weight of the score is multiplied with."""
        enabled = self.config.enable_cost_optimization
        return self.config.cost_weight_factor if enabled else 1.0

    def committed(self, budget: str) -> float:
        """USD spent or reserved in the budget's current period."""
        with self._lock:
            return self._committed.get((budget, self._period(budget, self._clock())), 0.0)

    def restore(self, budget: str, spent_usd: float) -> None:
        """Start the current period with what was spent before, as after a restart."""
        checks.not_negative("spent_usd", spent_usd)
        with self._lock:
            self._committed[budget, self._period(budget, self._clock())] = spent_usd

    def reserve(self, amount_usd: float) -> Reservation:
        """Set money aside for a call that will cost at most ``amount_usd``.

        Raises:
            BudgetExceededError: if a budget's period has less than that left; nothing is set aside.
            InvalidInputError: if the amount is negative or not finite.
        """
        checks.not_negative("amount_usd", amount_usd)
        alerts = []
        with self._lock:
            now = self._clock()
            budgets = self.config.budget_constraints if self.config.enable_cost_optimization else {}
            periods = {budget: self._period(budget, now) for budget in budgets}
            for budget, period in periods.items():
                left = budgets[budget] - self._committed.get((budget, period), 0.0)
                if amount_usd > left:
                    raise BudgetExceededError(
                        f"{budget} of {budgets[budget]:g} USD has {max(left, 0.0):g} USD left in "
                        f"{period}; this call may cost {amount_usd:g} USD"
                    )
            for budget, period in periods.items():
                alert = self._charge(budget, period, amount_usd)
                if alert:
                    alerts.append(alert)
        for alert in alerts:
            self._on_alert(alert)
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
            for key in reservation.periods.items():
                if key in self._committed:  # else its period is over and forgotten
                    self._committed[key] += actual_usd - reservation.amount

    def _charge(self, budget: str, period: str, amount: float) -> BudgetAlert | None:
        for key in [k for k in self._committed if k[0] == budget and k[1] < period]:
            del self._committed[key]  # periods that are over: nobody asks for them again
        before = self._committed.get((budget, period), 0.0)
        after = before + amount
        self._committed[budget, period] = after
        limit = self.config.budget_constraints[budget]
        bound = self.config.cost_alert_threshold * limit
        crossed = before < bound <= after
        return BudgetAlert(budget, period, limit, after) if crossed else None

    @staticmethod
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
