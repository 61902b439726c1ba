"""What was spent today and this month, of how much."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from crossmodel.dashboard.markup import NONE, badge, empty, share, table, tag, usd
from crossmodel.dashboard.view import View, put
from crossmodel.desk import Budget

PATH: Final = "/budgets"
TITLE: Final = "Budgets"


async def build(view: View) -> None:
    """Every budget that whoever looks may see."""
    session = view.session
    found = await view.cm.budgets(everyones=session.runs_everything, tenant=view.tenant)
    alert_at = view.cm.settings.model_selector.cost_optimization.cost_alert_threshold
    put(
        tag("h1", TITLE),
        tag(
            "p",
            "By what the store knows: what calls that are out at present may cost is set aside by "
            "the gateway, and not in it yet. Days and months are those of UTC.",
        ),
        table(
            "In the present day and month",
            ("Whose", "Period", "Spent", "Limit", "Left", "Used"),
            [_row(each, alert_at) for each in found],
            numeric={2, 3, 4},
        ),
    )
    if all(each.limit_usd is None for each in found):
        put(
            empty(
                "There are no limits.",
                "Set some in the settings, for everybody, for tenants and for keys:",
                "[model_selector.cost_optimization.budget_constraints]\n"
                "daily_budget = 10.0\nmonthly_budget = 200.0",
            )
        )


def _row(budget: Budget, alert_at: float) -> tuple[object, ...]:
    if budget.limit_usd is None:
        return budget.owner, budget.period, usd(budget.spent_usd), "none", NONE, NONE
    used = budget.spent_usd / budget.limit_usd if budget.limit_usd else 1.0
    return (
        budget.owner,
        budget.period,
        usd(budget.spent_usd),
        usd(budget.limit_usd),
        usd(max(0.0, budget.limit_usd - budget.spent_usd)),
        _used(used, alert_at),
    )


def _used(used: float, alert_at: float) -> Markup:
    if used >= 1:
        return badge(f"{share(used)}: used up", "bad")
    return badge(share(used), "doubtful" if used >= alert_at else "good")
