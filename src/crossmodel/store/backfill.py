"""Vectors for insights that have none: of stores made before, or by another embedder."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from crossmodel.domain.insight import Insight
from crossmodel.store import schema
from crossmodel.store.embeddings import Embeddings, embedded

BATCH: Final = 500
"""Insights that are given vectors in one transaction, in some 20 ms: writers wait no longer."""


def are_missing(connection: sa.Connection, vectors: Embeddings) -> bool:
    """Whether any insight has no vector by the embedder."""
    table = schema.insight_vectors
    count = sa.select(sa.func.count())
    insights = connection.scalar(count.select_from(schema.insights)) or 0
    have = connection.scalar(count.select_from(table).where(table.c.embedder == vectors.name)) or 0
    return bool(have < insights)


def missing(connection: sa.Connection, vectors: Embeddings, after: int) -> list[int]:
    """The first row numbers above ``after`` of insights that have no vector by the embedder."""
    seq = schema.insights.c.seq
    query = _without(vectors).with_only_columns(seq).where(seq > after)
    return list(connection.scalars(query.order_by(seq).limit(BATCH)))


def fill(connection: sa.Connection, vectors: Embeddings, seqs: list[int]) -> None:
    """Give those of the insights their vector that are still there and still have none."""
    rows = connection.execute(_without(vectors).where(schema.insights.c.seq.in_(seqs))).all()
    found = [row.seq for row in rows]
    table = schema.insight_vectors
    connection.execute(sa.delete(table).where(table.c.insight_seq.in_(found)))
    texts = [
        embedded(
            Insight(row.content, kind=row.kind, scope=row.scope, metadata=row.metadata, id="-")
        )
        for row in rows
    ]
    matrix = vectors.embedder.embed_all(texts)
    vectors.put(connection, [(row.seq, row.tenant) for row in rows], matrix)


def _without(vectors: Embeddings) -> sa.Select[Any]:
    insights, table = schema.insights, schema.insight_vectors
    columns = [
        insights.c[name] for name in ("seq", "tenant", "kind", "scope", "content", "metadata")
    ]
    has = (table.c.insight_seq == insights.c.seq) & (table.c.embedder == vectors.name)
    return (
        sa.select(*columns)
        .select_from(insights.outerjoin(table, has))
        .where(table.c.insight_seq.is_(None))
    )
