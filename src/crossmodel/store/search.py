"""Search of insights: by their words, and by what they mean where the store has an embedder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

import sqlalchemy as sa

from crossmodel.domain import checks
from crossmodel.domain.insight import Insight
from crossmodel.store import schema
from crossmodel.store.embeddings import Embeddings
from crossmodel.store.rows import chunks
from crossmodel.store.wanted import Wanted
from crossmodel.text.embedding import Vector, open_embedder
from crossmodel.text.ranking import diverse, fused

DEPTH: Final = 30
"""Insights of each ranking that are fused, at least."""

MOST_FOUND: Final = 1_000
"""Insights that one search finds, at most."""


class FullText(Protocol):
    """The database's own index of words, over insights' content and scope."""

    def add(
        self, connection: sa.Connection, tenant: str, insights: Sequence[tuple[int, Insight]]
    ) -> None:
        """Index new insights, each with its row number."""
        ...

    def remove(self, connection: sa.Connection, seqs: Sequence[int]) -> None:
        """Take the insights of those row numbers out of the index."""
        ...

    def find(
        self, connection: sa.Connection, query: str, limit: int, wanted: Wanted
    ) -> dict[int, float]:
        """Row numbers of the best matches, best first, each with a score of more than 0."""
        ...


class SearchIndex:
    """Full text, and vectors if there are any: two rankings, fused. Safe to share among threads."""

    def __init__(self, words: FullText, vectors: Embeddings | None = None) -> None:
        self._words = words
        self._vectors = vectors

    def add(
        self, connection: sa.Connection, tenant: str, insights: Sequence[tuple[int, Insight]]
    ) -> None:
        """Index new insights, each with its row number."""
        self._words.add(connection, tenant, insights)
        if self._vectors is not None:
            self._vectors.add(connection, tenant, insights)

    def find(
        self,
        connection: sa.Connection,
        query: str,
        *,
        limit: int,
        wanted: Wanted,
        diversity: float = 0.0,
    ) -> dict[int, float]:
        """Row numbers of the best matches, best first, each with its relevance 0..1.

        With an embedder, relevance is that of :func:`~crossmodel.text.ranking.fused`; without, the
        score by words ``s`` as ``s / (1 + s)``. With ``diversity`` more than 0, 0..1, places are
        given by :func:`~crossmodel.text.ranking.diverse`.

        Raises:
            InvalidInputError: if ``diversity`` is out of range.
        """
        checks.unit_interval("diversity", diversity)
        limit = min(limit, MOST_FOUND)
        if limit < 1:
            return {}
        depth = max(limit, DEPTH)
        scores = self._words.find(connection, query, depth, wanted)
        if self._vectors is None:
            relevance = {seq: score / (1.0 + score) for seq, score in scores.items()}
        else:
            near = self._vectors.find(connection, query, depth, wanted)
            relevance = fused([list(scores), list(near)])
        if diversity > 0.0:
            order = diverse(relevance, self._vectors_of(connection, relevance), limit, diversity)
        else:
            order = list(relevance)[:limit]
        return {seq: relevance[seq] for seq in order}

    def remove(self, connection: sa.Connection, seqs: Sequence[int]) -> None:
        """Take rows out of the index; once that is committed, ``forget`` them."""
        self._words.remove(connection, seqs)
        table = schema.insight_vectors  # whoever wrote them
        for part in chunks(seqs):
            connection.execute(sa.delete(table).where(table.c.insight_seq.in_(part)))

    def forget(self, tenant: str, seqs: Iterable[int]) -> None:
        """Let go of what is held in memory and in files of erased insights, once committed."""
        if self._vectors is not None:
            self._vectors.forget(tenant, seqs)

    def _vectors_of(
        self, connection: sa.Connection, seqs: Mapping[int, float]
    ) -> dict[int, Vector]:
        """The insights' vectors; of their hashed words, where the store has no embedder."""
        if self._vectors is not None:
            return self._vectors.vectors(connection, seqs)
        table = schema.insights
        query = sa.select(table.c.seq, table.c.content).where(table.c.seq.in_(list(seqs)))
        hashed = open_embedder("hashed")
        return {seq: hashed.embed(content) for seq, content in connection.execute(query)}
