"""What people look at of the traffic: decisions and spending."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from crossmodel.domain.client_key import ClientKey
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord
from crossmodel.engine import Engine
from crossmodel.ports import Transaction
from crossmodel.settings import Settings


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget in its present period, a day or a month of UTC.

    Attributes:
        owner: ``everyone``, ``tenant NAME`` or ``key NAME``.
        period: the day or month, as in ISO 8601.
        spent_usd: what was spent in it so far, by what the store knows; what is on its way is not
            in it.
        limit_usd: most that may be spent in it; ``None`` where nobody set a limit.
    """

    owner: str
    period: str
    spent_usd: float
    limit_usd: float | None = None


class TrafficDesk(ABC):
    """The part of :class:`~crossmodel.CrossModel` that is about the traffic of one tenant."""

    settings: Settings

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """The loop itself, with its stages and adapters."""

    async def page_of_selections(
        self,
        *,
        before: str | None = None,
        limit: int = 50,
        model: str | None = None,
        tenant: str | None = None,
    ) -> tuple[list[SelectionRecord], str | None]:
        """Decisions, newest first, and the ``before`` of the next page; ``None`` after the last.

        Each page is as quick as the first. With a ``model`` a page may be short, or empty, with
        more to come.

        Raises:
            InvalidInputError: if the limit is less than 1.
        """
        of = tenant or self.settings.loop.tenant
        return await self.engine.store.read(
            lambda tx: tx.page_of_selections(of, before=before, limit=limit, model_id=model)
        )

    async def budgets(self, *, everyones: bool = False, tenant: str | None = None) -> list[Budget]:
        """What the tenant and its keys have spent today and this month, of how much.

        ``everyones`` adds that of all tenants together: for who runs it for all of them.
        """
        of, today = tenant or self.settings.loop.tenant, utc_now().date()
        starts = {"daily_budget": today, "monthly_budget": today.replace(day=1)}

        def work(
            tx: Transaction,
        ) -> tuple[dict[str, dict[tuple[str, str | None], float]], list[ClientKey]]:
            return {name: tx.spent_usd(at) for name, at in starts.items()}, tx.client_keys()

        spent, keys = await self.engine.store.read(work)
        config = self.settings.model_selector.cost_optimization
        mine = [key for key in keys if key.tenant == of and key.revoked_at is None]
        found = []
        for name, usd in spent.items():
            period = _period(name, today)
            if everyones:
                total, most = math.fsum(usd.values()), config.budget_constraints.get(name)
                found.append(Budget("everyone", period, total, most))
            total = math.fsum(each for (whose, _), each in usd.items() if whose == of)
            most = _limit(config.tenant_budgets, of, name)
            found.append(Budget(f"tenant {of}", period, total, most))
            for key in mine:
                own: float | None = getattr(key, name)
                most = _limit(config.key_budgets, key.name, name) if own is None else own
                spent_by = usd.get((of, key.name), 0.0)
                found.append(Budget(f"key {key.name}", period, spent_by, most))
        return found


def _limit(budgets: Mapping[str, Mapping[str, float]], owner: str, budget: str) -> float | None:
    """That of the owner, or what stands for everyone who is not named."""
    return budgets.get(owner, budgets.get("*", {})).get(budget)


def _period(budget: str, today: date) -> str:
    return today.isoformat() if budget == "daily_budget" else f"{today:%Y-%m}"
