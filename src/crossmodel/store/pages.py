"""Pages of what people leaf through, newest first, each as quick as the first one.

A page goes on after a row that was seen (keyset paging): nothing is counted, and no row before it
is read again. Where no index knows what is asked for, one page looks at so many rows at most; it
may come back short then, with where to go on.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from crossmodel.domain import checks
from crossmodel.domain.insight import Standing
from crossmodel.domain.records import SelectionRecord, TransferRecord
from crossmodel.store import schema

LOOKED_AT: Final = 20_000
"""Rows that one page looks at, at most, where no index knows which of them are wanted."""


class Pages:
    """The pages of one connection's tenants."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insights(
        self,
        tenant: str,
        *,
        before: int | None,
        limit: int,
        insight_type: str | None,
        standing: str | None,
    ) -> tuple[sa.Select[Any], int | None]:
        """What selects a page of insights, and what to go on before; ``None`` after the last.

        Raises:
            InvalidInputError: if the limit is out of range, or there is no such standing.
        """
        checks.at_least("limit", limit, 1)
        table = schema.insights
        mine = [table.c.tenant == tenant]
        wanted: list[sa.ColumnElement[bool]] = []
        if standing is not None:
            checks.one_of("standing", standing, Standing)
            stands = table.c.standing == standing
            if standing == Standing.ACTIVE:
                wanted.append(stands)
            else:  # SQLite takes a partial index where its own condition stands in the query
                mine += [stands, table.c.standing != sa.literal_column("'active'")]
        if insight_type is not None:
            wanted.append(table.c.insight_type == insight_type)
        seqs, more = self._page(table.c.seq, mine, wanted, before, limit)
        return sa.select(table).where(table.c.seq.in_(seqs)).order_by(table.c.seq.desc()), more

    def selections(
        self, tenant: str, *, before: str | None, limit: int, model_id: str | None
    ) -> tuple[list[SelectionRecord], str | None]:
        """A page of selections, and what to go on before; ids sort by time.

        Raises:
            InvalidInputError: if the limit is out of range.
        """
        checks.at_least("limit", limit, 1)
        table = schema.selections
        mine = [table.c.tenant == tenant]
        wanted = [] if model_id is None else [table.c.model_id == model_id]
        ids, more = self._page(table.c.request_id, mine, wanted, before, limit)
        query = sa.select(table).where(*mine, table.c.request_id.in_(ids))
        rows = self._connection.execute(query.order_by(table.c.request_id.desc())).mappings()
        return [
            SelectionRecord(**{**row, "alternatives": tuple(row["alternatives"])}) for row in rows
        ], more

    def uses(self, tenant: str, insight_id: str, limit: int) -> list[TransferRecord]:
        """The latest transfers of an insight, among the tenant's latest 20,000 transfers.

        Raises:
            InvalidInputError: if the limit is out of range.
        """
        checks.at_least("limit", limit, 1)
        table = schema.transfers
        mine = [table.c.tenant == tenant]
        # it stands there as JSON: the quotes keep one id from being found in a longer one
        ids_in_json = sa.type_coerce(table.c.insight_ids, sa.Text)
        named = ids_in_json.contains(f'"{insight_id}"', autoescape=True)
        ids, _ = self._page(table.c.request_id, mine, [named], None, limit)
        query = sa.select(table).where(*mine, table.c.request_id.in_(ids))
        rows = self._connection.execute(query.order_by(table.c.request_id.desc())).mappings()
        found = (
            TransferRecord(**{**row, "insight_ids": tuple(row["insight_ids"])}) for row in rows
        )
        return [record for record in found if insight_id in record.insight_ids]

    def _page(
        self,
        key: sa.Column[Any],
        mine: list[sa.ColumnElement[bool]],
        wanted: list[sa.ColumnElement[bool]],
        before: Any,
        limit: int,
    ) -> tuple[list[Any], Any]:
        """The keys of a page, and where to go on.

        ``mine`` is what an index knows, ``wanted`` what is asked for besides.
        """
        where = mine if before is None else [*mine, key < before]
        floor = None
        if wanted:
            window = sa.select(key).where(*where).order_by(key.desc())
            floor = self._connection.scalar(window.offset(LOOKED_AT - 1).limit(1))
            where = [*where, *wanted] if floor is None else [*where, *wanted, key >= floor]
        query = sa.select(key).where(*where).order_by(key.desc()).limit(limit + 1)
        keys = list(self._connection.scalars(query))
        if len(keys) > limit:
            return keys[:limit], keys[limit - 1]
        return keys, floor
