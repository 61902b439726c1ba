"""Sums of scores by what they tell of, in rows that many writers may add to at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import sqlalchemy as sa

from crossmodel.domain import checks
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.store import schema
from crossmodel.store.rows import chunks
from crossmodel.store.upserts import insert

_KEY: Final = ("tenant", "unit", "target_model", "task_type", "arm")


class UpliftTable:
    """The sums of one connection's tenants."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, tenant: str, keys: Iterable[UpliftKey], score: float) -> None:
        """Count a score, 0..1, once for each of the keys.

        Raises:
            InvalidInputError: if the score lies outside of 0..1.
        """
        first = Tally().plus(score)
        self._write(tenant, keys, first, Tally(1, first.total, first.squares))

    def replace(
        self, tenant: str, keys: Iterable[UpliftKey], old_score: float, new_score: float
    ) -> None:
        """Let the last word on a request count, and the one before no more.

        A key that has no scores at all cannot hold the old one: there the new one is counted.

        Raises:
            InvalidInputError: if a score lies outside of 0..1.
        """
        checks.unit_interval("old_score", old_score)
        new = Tally().plus(checks.unit_interval("new_score", new_score))
        self._write(tenant, keys, new, new - Tally().plus(old_score))

    def clear(self, tenant: str, units: Collection[str]) -> None:
        """Forget all scores of these units."""
        table = schema.uplift
        for part in chunks(units):
            mine = table.c.unit.in_(part)
            self._connection.execute(sa.delete(table).where(table.c.tenant == tenant, mine))

    def tallies(
        self,
        tenant: str,
        *,
        unit: str | None = None,
        target_model: str | None = None,
        units: Collection[str] | None = None,
        kind: str | None = None,
    ) -> dict[UpliftKey, Tally]:
        """The sums of a tenant; of one unit, several, a kind, one model, where that is asked."""
        table = schema.uplift
        query = sa.select(table).where(table.c.tenant == tenant)
        if unit is not None:
            query = query.where(table.c.unit == unit)
        if kind is not None:  # the names of a kind stand together in the primary key
            query = query.where(table.c.unit >= f"{kind}:", table.c.unit < f"{kind};")
        if target_model is not None:
            query = query.where(table.c.target_model == target_model)
        if units is None:
            return self._read(query)
        found: dict[UpliftKey, Tally] = {}
        for part in chunks(dict.fromkeys(units)):
            found |= self._read(query.where(table.c.unit.in_(part)))
        return found

    def _write(self, tenant: str, keys: Iterable[UpliftKey], first: Tally, change: Tally) -> None:
        """A row of ``first`` where there is none, and ``change`` where there is."""
        # in one order, so that two writers of the same rows do not wait for each other
        names = sorted({(key.unit, key.target_model, key.task_type, str(key.arm)) for key in keys})
        if not names:
            return
        sums = {"n": first.n, "total": first.total, "squares": first.squares}
        rows = [dict(zip(_KEY, (tenant, *name), strict=True)) | sums for name in names]
        self._connection.execute(upsert(self._connection.dialect.name, change), rows)

    def _read(self, query: sa.Select[Any]) -> dict[UpliftKey, Tally]:
        rows = self._connection.execute(query).mappings()
        return {
            UpliftKey(row["target_model"], row["task_type"], row["unit"], row["arm"]): _tally(row)
            for row in rows
        }


def upsert(dialect: str, change: Tally) -> Any:
    """The statement that makes a row, or adds ``change`` to the one that is there."""
    table = schema.uplift
    return insert(table, dialect).on_conflict_do_update(
        index_elements=list(_KEY),
        set_={
            "n": table.c.n + change.n,
            "total": table.c.total + change.total,
            "squares": table.c.squares + change.squares,
        },
    )


def _tally(row: sa.RowMapping) -> Tally:
    """Sums of scores within 0..1, which rounding may have left a hair outside of what can be."""
    n = row["n"]
    total = min(max(row["total"], 0.0), float(n))
    return Tally(n, total, min(max(row["squares"], total * total / n if n else 0.0), total))
