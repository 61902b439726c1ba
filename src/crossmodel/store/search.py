"""Full-text search over insights: what it takes, and SQLite's own (FTS5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

import sqlalchemy as sa

from crossmodel.domain.insight import Insight

MAX_WORDS: Final = 64
"""Distinct words of a query that are looked up; more would cost time and find nothing better."""

MAX_QUERY: Final = 20_000
"""Characters of a query that are read."""

_WORD = re.compile(r"[\w\u0300-\u036f]+")
"""Letters keep the accents that stand beside them, as they do in the index."""


class SearchIndex(Protocol):
    """A full-text index over insights' content and scope."""

    def add(self, connection: sa.Connection, insights: Sequence[tuple[int, Insight]]) -> None:
        """Index new insights, each with its row number."""
        ...

    def remove(self, connection: sa.Connection, seqs: Sequence[int]) -> None:
        """Take insights out so that none of their words is left in the index."""
        ...

    def find(
        self, connection: sa.Connection, tenant: str, query: str, limit: int
    ) -> dict[int, float]:
        """Row numbers of the tenant's best matches, best first, each with its relevance 0..1."""
        ...


class Fts5Index:
    """SQLite's FTS5, ranked by BM25 (Robertson and Zaragoza, 2009)."""

    _insert = sa.text("INSERT INTO insights_fts (rowid, content, scope) VALUES (:seq, :c, :s)")
    _delete = sa.text("DELETE FROM insights_fts WHERE rowid = :seq")
    _merge = sa.text("INSERT INTO insights_fts (insights_fts) VALUES ('optimize')")
    _find = sa.text(
        "SELECT insights_fts.rowid, bm25(insights_fts, 1.0, 0.5) AS score FROM insights_fts "
        "JOIN insights ON insights.seq = insights_fts.rowid "
        "WHERE insights_fts MATCH :query AND insights.tenant = :tenant "
        "ORDER BY score, insights_fts.rowid LIMIT :limit"
    )

    def add(self, connection: sa.Connection, insights: Sequence[tuple[int, Insight]]) -> None:
        """Index new insights, each with its row number."""
        rows = [
            {"seq": seq, "c": _searchable(insight.content), "s": _searchable(insight.scope)}
            for seq, insight in insights
        ]
        connection.execute(self._insert, rows)

    def remove(self, connection: sa.Connection, seqs: Sequence[int]) -> None:
        """Take insights out so that none of their words is left in the index.

        FTS5 notes a deletion beside the old entry; merging the whole index drops both. Its option
        ``secure-delete`` would do so at once, but writes what SQLite before 3.42 cannot read.
        """
        connection.execute(self._delete, [{"seq": seq} for seq in seqs])
        connection.execute(self._merge)

    def find(
        self, connection: sa.Connection, tenant: str, query: str, limit: int
    ) -> dict[int, float]:
        """Row numbers of the tenant's best matches, best first, each with its relevance 0..1.

        BM25 is negative here, and smaller is better; ``s / (1 + s)`` brings it into 0..1.
        """
        words = words_of(query)
        if not words or limit < 1:
            return {}
        # quoted, so that nothing in a word is read as the query language
        match = " OR ".join(f'"{word}"' for word in words)
        rows = connection.execute(self._find, {"query": match, "tenant": tenant, "limit": limit})
        return {seq: max(0.0, -score) / (1.0 + max(0.0, -score)) for seq, score in rows}


def words_of(query: str) -> list[str]:
    """The distinct words of a query, in order, as the index splits them."""
    words = (word.lower() for word in _WORD.findall(_searchable(query[:MAX_QUERY])))
    return list(dict.fromkeys(words))[:MAX_WORDS]


def _searchable(text: str) -> str:
    """Text that every database can index: no lone surrogates, no NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
