"""What was spent, by day, tenant and client key: budgets go on from here after a restart.

The sums are kept beside the outcomes, in the transaction that keeps those: a gateway that has
answered for a month must not read a million outcomes before it starts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from crossmodel.domain.selection import Outcome
from crossmodel.store import schema

_INSERT: Final[Mapping[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_NAMES: Final = ("day", "tenant", "key")
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
                dict(zip(_NAMES, at, strict=True)) | {"usd": usd}
                for at, usd in sorted(sums.items())
            ]
            self._connection.execute(upsert(self._connection.dialect.name), rows)

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


@cache
def upsert(dialect: str) -> Any:
    """The statement that adds to a sum, or begins it, on a database of that dialect."""
    table = schema.spending
    insert = _INSERT[dialect](table)
    return insert.on_conflict_do_update(
        index_elements=list(_NAMES), set_={"usd": table.c.usd + insert.excluded.usd}
    )
