"""How often what models said came true, as sums that many writers may add to at once."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from crossmodel.domain.reliability import DayBin, Observed
from crossmodel.store import schema
from crossmodel.store.upserts import insert

_KEY: Final = ("tenant", "source_model", "day", "bin")


class ReliabilityTable:
    """The sums of one connection's tenants."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, tenant: str, source_model: str, at: DayBin, change: Observed) -> None:
        """Add to the sums of a day and bin.

        A change without new observations, which mends or takes back what was counted, makes no row.
        """
        table = schema.reliability
        key = dict(zip(_KEY, (tenant, source_model, *at), strict=True))
        sums = {"n": change.n, "confidence": change.confidence, "correct": change.correct}
        added = {name: table.c[name] + value for name, value in sums.items()}
        if change.n > 0:
            fresh = insert(table, self._connection.dialect.name)
            upsert = fresh.on_conflict_do_update(index_elements=list(_KEY), set_=added)
            self._connection.execute(upsert, key | sums)
            return
        mine = [table.c[name] == value for name, value in key.items()]
        self._connection.execute(sa.update(table).where(*mine).values(**added))

    def by_day(
        self, tenant: str, source_model: str | None = None
    ) -> dict[str, dict[DayBin, Observed]]:
        """The sums of each model, or of one, by day and bin."""
        table = schema.reliability
        query = sa.select(table).where(table.c.tenant == tenant, table.c.n > 0)
        if source_model is not None:
            query = query.where(table.c.source_model == source_model)
        found: dict[str, dict[DayBin, Observed]] = {}
        for row in self._connection.execute(query.order_by(*(table.c[name] for name in _KEY))):
            observed = Observed(row.n, row.confidence, row.correct)
            found.setdefault(row.source_model, {})[row.day, row.bin] = observed
        return found

    def by_bin(self, tenant: str, source_model: str) -> dict[int, Observed]:
        """The sums of a model by bin, over all days."""
        table = schema.reliability
        sums = [sa.func.sum(table.c[name]) for name in ("n", "confidence", "correct")]
        query = (
            sa.select(table.c.bin, *sums)
            .where(table.c.tenant == tenant, table.c.source_model == source_model)
            .group_by(table.c.bin)
        )
        return {
            position: Observed(int(n), float(confidence), float(correct))
            for position, n, confidence, correct in self._connection.execute(query)
        }
