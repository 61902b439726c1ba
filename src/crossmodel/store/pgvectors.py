"""Search of insights by what they mean, in PostgreSQL: pgvector's HNSW over half-precision vectors.

Nothing is held in this process. The index is one for each embedder, over all tenants: those who
have few insights are searched exactly instead, so that nobody's recall hangs on others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import psycopg
import sqlalchemy as sa
from pgvector import HalfVector
from pgvector.psycopg.halfvec import register_halfvec_info
from psycopg.types import TypeInfo

from crossmodel.errors import StoreError
from crossmodel.store.embeddings import UNRELATED, Embeddings
from crossmodel.store.rows import chunks
from crossmodel.store.wanted import Wanted
from crossmodel.text.embedding import Matrix, Vector

EXACT: Final = 2_000
"""Insights of a tenant up to which all vectors are compared."""

M: Final = 16
EF_CONSTRUCTION: Final = 96
EF_SEARCH: Final = 200
"""The graph's parameters (Malkov and Yashunin, 2020); ``benchmarks/store.md``: what they give."""

OLDEST: Final = (0, 8)
"""The first version of pgvector that goes on searching where the neighbours are others'."""

MOST_SCANNED: Final = 60_000
"""Neighbours that are looked at where few of them are the tenant's."""

MOST_CANDIDATES: Final = 4096


class PgVectorIndex(Embeddings):
    """Vectors in the table ``insight_vectors``, as PostgreSQL has it."""

    def __init__(self, embedder: str) -> None:
        super().__init__(embedder)
        self._large: set[str] = set()  # tenants of more than EXACT insights; they rarely shrink

    def prepare(self, connection: sa.Connection) -> None:
        """Make the embedder's index unless it is there; insights that there are take a while."""
        if not has_graph(connection, self.name):  # only here, the embedder is loaded
            make_graph(connection, self.name, self.embedder.dimensions)

    def put(
        self, connection: sa.Connection, insights: Sequence[tuple[int, str]], matrix: Matrix
    ) -> None:
        """Keep vectors of insights, each known by its row number and tenant."""
        rows = [
            {"seq": seq, "tenant": tenant, "embedder": self.name, "vector": HalfVector(row)}
            for (seq, tenant), row in zip(insights, matrix.astype(np.float16), strict=True)
        ]
        if rows:
            connection.execute(_PUT, rows)

    def find(
        self, connection: sa.Connection, query: str, limit: int, wanted: Wanted
    ) -> dict[int, float]:
        """Row numbers of the nearest insights, best first, each with its cosine."""
        vector = self.embedder.embed(query)
        if limit < 1 or not vector.any():
            return {}
        nearest = self._exact() if self._is_small(connection, wanted.tenant) else self._graph()
        of = {"query": HalfVector(vector), "tenant": wanted.tenant}
        count = 2 * limit
        while True:
            rows = connection.execute(nearest, {**of, "count": count}).all()
            near = {
                row.insight_seq: float(row.cosine)
                for row in rows
                if row.cosine >= UNRELATED and wanted.admits(row.tenant, row.trust, row.standing)
            }
            reached_all = len(rows) < count or rows[-1].cosine < UNRELATED
            if len(near) >= limit or reached_all or count >= MOST_CANDIDATES:
                return dict(sorted(near.items(), key=lambda each: (-each[1], each[0]))[:limit])
            count *= 4

    def vectors(self, connection: sa.Connection, seqs: Iterable[int]) -> dict[int, Vector]:
        """The vectors of those of the insights that have one."""
        found: dict[int, Vector] = {}
        for part in chunks(seqs):
            rows = connection.execute(_VECTORS, {"seqs": part, "embedder": self.name})
            found |= {seq: vector.to_numpy().astype(np.float32) for seq, vector in rows}
        return found

    def forget(self, tenant: str, seqs: Iterable[int]) -> None:  # noqa: ARG002 - what the others take
        """Nothing is held here."""
        self._large.discard(tenant)

    def look_again(self) -> None:
        """Nothing is held here."""

    def close(self) -> None:
        """Nothing is held here."""

    def _is_small(self, connection: sa.Connection, tenant: str) -> bool:
        if tenant in self._large:
            return False
        of = {"tenant": tenant, "embedder": self.name, "most": EXACT + 1}
        if (connection.scalar(_COUNT, of) or 0) <= EXACT:
            return True
        self._large.add(tenant)
        return False

    def _exact(self) -> sa.TextClause:
        return sa.text(_EXACT.format(name=self.name, dimensions=self.embedder.dimensions))

    def _graph(self) -> sa.TextClause:
        return sa.text(_GRAPH.format(name=self.name, dimensions=self.embedder.dimensions))


def session(connection: psycopg.Connection[Any]) -> bool:
    """Tell a new connection of the type, and how graphs are searched; False if there is no type."""
    info = TypeInfo.fetch(connection, "halfvec")
    if info is None:
        return False
    register_halfvec_info(connection, info)
    for name, value in (
        ("hnsw.ef_search", EF_SEARCH),
        ("hnsw.iterative_scan", "relaxed_order"),  # go on where the neighbours are others'
        ("hnsw.max_scan_tuples", MOST_SCANNED),
    ):
        connection.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
    return True


def has_graph(connection: sa.Connection, embedder: str) -> bool:
    """Whether there is a graph of an embedder's vectors."""
    name = sa.func.to_regclass(_graph_name(embedder))
    return connection.scalar(sa.select(name)) is not None


def make_graph(connection: sa.Connection, embedder: str, dimensions: int) -> None:
    """Make the graph of an embedder's vectors: for many it takes a while."""
    connection.exec_driver_sql(
        f"CREATE INDEX IF NOT EXISTS {_graph_name(embedder)} ON insight_vectors "
        f"USING hnsw ((vector::halfvec({dimensions})) halfvec_ip_ops) "
        f"WITH (m = {M}, ef_construction = {EF_CONSTRUCTION}) "
        f"WHERE embedder = '{embedder}'"
    )


def _graph_name(embedder: str) -> str:
    return f"ix_insight_vectors_{embedder}"


def check_version(connection: sa.Connection) -> None:
    """Make sure that pgvector can do what is asked of it.

    Raises:
        StoreError: if it is too old.
    """
    version = connection.scalar(_VERSION)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise StoreError(
            f"the database has pgvector {version}, and {'.'.join(map(str, OLDEST))} or newer is "
            "needed: install it, then ALTER EXTENSION vector UPDATE"
        )


_VERSION: Final = sa.text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
_PUT: Final = sa.text(
    "INSERT INTO insight_vectors (insight_seq, tenant, embedder, vector) "
    "VALUES (:seq, :tenant, :embedder, :vector)"
)
_VECTORS: Final = sa.text(
    "SELECT insight_seq, vector FROM insight_vectors "
    "WHERE insight_seq = ANY(:seqs) AND embedder = :embedder"
)
_COUNT: Final = sa.text(
    "SELECT count(*) FROM (SELECT 1 FROM insight_vectors "
    "WHERE tenant = :tenant AND embedder = :embedder LIMIT :most) AS found"
)
_NEAREST: Final = (
    "SELECT near.insight_seq, -near.distance AS cosine, i.tenant, i.trust, i.standing "
    "FROM ({near}) AS near JOIN insights AS i ON i.seq = near.insight_seq "
    "ORDER BY near.distance, near.insight_seq"
)
# the embedder stands in the text: the planner must see that the partial index is meant
_EXACT: Final = _NEAREST.format(
    near="WITH mine AS MATERIALIZED (SELECT insight_seq, vector FROM insight_vectors "
    "WHERE tenant = :tenant AND embedder = '{name}') "
    "SELECT insight_seq, vector <#> CAST(:query AS halfvec({dimensions})) AS distance "
    "FROM mine ORDER BY 2 LIMIT :count"
)
_GRAPH: Final = _NEAREST.format(
    near="SELECT insight_seq, vector::halfvec({dimensions}) <#> "
    "CAST(:query AS halfvec({dimensions})) AS distance "
    "FROM insight_vectors WHERE tenant = :tenant AND embedder = '{name}' "
    "ORDER BY 2 LIMIT :count"
)
