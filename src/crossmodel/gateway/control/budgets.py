"""Budgets: what is committed of each, and what is left."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.operation import Answer, Operation
from crossmodel.gateway.control.parameters import Limit, Offset, Parameters, View
from crossmodel.selection import Standing

Scope = Literal["everyone", "tenant", "key"]
Budget = Literal["daily_budget", "monthly_budget"]

SCOPES: Final[dict[str, Scope]] = {"": "everyone", "tenant": "tenant", "key": "key"}
BUDGETS: Final[dict[str, Budget]] = {
    "daily_budget": "daily_budget",
    "monthly_budget": "monthly_budget",
}


class BudgetView(View):
    """One budget in its current period, a UTC day or month. ``owner`` is empty for everyone's."""

    scope: Scope
    owner: str
    budget: Budget
    period: str
    limit_usd: float
    committed_usd: float
    left_usd: float


class BudgetPage(View):
    """Budgets: everyone's, then those of tenants and of keys, by name.

    ``next_offset`` is that of the next page, if there is one.
    """

    items: list[BudgetView]
    next_offset: int | None


class BudgetPageParams(Parameters):
    """Which page."""

    limit: Limit = 50
    offset: Offset = 0


async def list_budgets(control: Control, params: BudgetPageParams, _body: None) -> BudgetPage:
    """One page of them."""
    optimizer = control.cm.engine.selector.cost_optimizer
    if optimizer.refresh is not None:
        await optimizer.refresh()
    standings = await asyncio.to_thread(optimizer.standings)  # there may be very many
    end = params.offset + params.limit
    return BudgetPage(
        items=[_view(standing) for standing in standings[params.offset : end]],
        next_offset=end if end < len(standings) else None,
    )


def _view(standing: Standing) -> BudgetView:
    return BudgetView(
        scope=SCOPES[standing.scope],
        owner=standing.owner,
        budget=BUDGETS[standing.budget],
        period=standing.period,
        limit_usd=standing.limit,
        committed_usd=standing.committed,
        left_usd=standing.left,
    )


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        "/admin/v1/budgets",
        "listBudgets",
        "What is committed of every budget, and what is left of it.",
        list_budgets,
        BudgetPageParams,
        [Answer(200, "A page of budgets.", BudgetPage)],
    ),
)
