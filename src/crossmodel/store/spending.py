"""What was spent, by day, tenant and client key: budgets go on from here after a restart.

The sums are kept beside the outcomes, in the transaction that keeps those: a gateway that has
answered for a month must not read a million outcomes before it starts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Final

import sqlalchemy as sa

from crossmodel.domain.selection import Outcome
from crossmodel.store import schema

# As text: a turn of its own pays for this by itself, and to make such a query takes longer than to
# run it. SQLite and PostgreSQL say it in the same words.
_ADD: Final = sa.text(
    'INSERT INTO spending (day, tenant, "key", usd) VALUES (:day, :tenant, :key, :usd) '
    'ON CONFLICT (day, tenant, "key") DO UPDATE SET usd = spending.usd + excluded.usd'
)
_FIRST_DAY: Final = schema.EPOCH.toordinal()
_NO_KEY: Final = ""  # part of a primary key, which cannot be NULL; no client key is called so


class Spending:
    """The sums of one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, outcomes: Sequence[tuple[str, Outcome]]) -> None:
        """Add what outcomes did cost, each with its tenant, to the days they were recorded on.

        Rows are touched in the order of their key, so that writers wait for, but never block,
        each other.
        """
        sums: dict[tuple[int, str, str], float] = {}
        for tenant, outcome in outcomes:
            cost = outcome.cost_usd
            if cost and math.isfinite(cost):
                day = (outcome.recorded_at - schema.EPOCH).days
                at = day, tenant, outcome.key or _NO_KEY
                sums[at] = sums.get(at, 0.0) + cost
        if sums:
            rows = [
                {"day": day, "tenant": tenant, "key": key, "usd": usd}
                for (day, tenant, key), usd in sorted(sums.items())
            ]
            self._connection.execute(_ADD, rows)

    def since(self, day: date) -> dict[tuple[str, str | None], float]:
        """What was spent since the beginning of a day in UTC, in USD, by tenant and key."""
        table = schema.spending
        query = (
            sa.select(table.c.tenant, table.c.key, sa.func.sum(table.c.usd))
            .where(table.c.day >= day.toordinal() - _FIRST_DAY)
            .group_by(table.c.tenant, table.c.key)
        )
        rows = self._connection.execute(query)
        return {(tenant, key or None): float(usd) for tenant, key, usd in rows}
