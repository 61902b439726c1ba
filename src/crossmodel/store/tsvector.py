"""Words of insights in PostgreSQL: a ``tsvector`` for each insight, under a GIN index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import sqlalchemy as sa

from crossmodel.store import schema
from crossmodel.store.fulltext import Judged, Rows, Texts, numbers
from crossmodel.store.wanted import JUDGED
from crossmodel.store.words import indexed, tenant_code

MOST_BYTES: Final = 500_000
"""What the distinct words of an insight may take: a ``tsvector`` holds less than a megabyte."""


class TsvectorTables:
    """The port ``WordTables`` on the table ``insight_words``.

    It says which insights have a word. How often they have it is counted in their texts, which are
    in ``insights`` already: a second copy of them would make every search read twice the pages.
    """

    _insert = sa.text(
        "INSERT INTO insight_words (insight_seq, words) "
        "VALUES (:seq, array_to_tsvector(CAST(:words AS text[])))"
    )
    _delete = sa.text("DELETE FROM insight_words WHERE insight_seq = ANY(:seqs)")
    _rows: Final = (
        "(SELECT string_agg(CAST(insight_seq AS text), ',') FROM insight_words "
        "WHERE words @@ CAST(%s AS tsquery))"
    )
    _some = sa.text(
        "SELECT insight_seq FROM insight_words WHERE words @@ CAST(:words AS tsquery) LIMIT :most"
    )
    _few = sa.text("SELECT set_config('gin_fuzzy_search_limit', CAST(:most AS text), true)")
    _insights = schema.insights.c
    _read = sa.select(_insights.seq, _insights.tenant, _insights.content, _insights.scope).where(
        _insights.seq == sa.any_(sa.bindparam("seqs", type_=sa.ARRAY(sa.BigInteger)))
    )
    _judge = sa.select(_insights.seq, *JUDGED).where(
        _insights.seq == sa.any_(sa.bindparam("seqs", type_=sa.ARRAY(sa.BigInteger)))
    )

    def add(self, connection: sa.Connection, texts: Texts) -> None:
        """Keep which words insights have."""
        rows = [{"seq": seq, "words": _distinct(f"{c} {s}")} for seq, c, s in texts]
        connection.execute(self._insert, rows)

    def remove(self, connection: sa.Connection, seqs: Sequence[int]) -> None:
        """Take insights out; the store's ``scrub`` drops what the index still holds of them."""
        connection.execute(self._delete, {"seqs": list(seqs)})

    def holders(self, connection: sa.Connection, words: Sequence[str]) -> list[Rows]:
        """The insights that have each of the words; as text, which is read the quickest."""
        query = "SELECT " + ", ".join([self._rows] * len(words))
        return [numbers(each) for each in connection.exec_driver_sql(query, tuple(words)).one()]

    def some(self, connection: sa.Connection, words: Sequence[str], most: int) -> Rows:
        """Any insights that have all of the words.

        Of very common words the index gives a random part: to collect all takes as long as there
        are insights.
        """
        connection.execute(self._few, {"most": 20 * most})
        found = connection.scalars(self._some, {"words": " & ".join(words), "most": most}).all()
        connection.execute(self._few, {"most": 0})
        return np.array(found, dtype=np.int64)

    def read(self, connection: sa.Connection, seqs: Sequence[int]) -> Texts:
        """The words of insights, from their texts."""
        rows = connection.execute(self._read, {"seqs": list(seqs)})
        return [
            (seq, indexed(code, content), indexed(code, scope))
            for seq, tenant, content, scope in rows
            for code in [tenant_code(tenant)]
        ]

    def judge(self, connection: sa.Connection, seqs: Sequence[int]) -> Judged:
        """Row number, tenant, trust and standing of insights."""
        rows = connection.execute(self._judge, {"seqs": list(seqs)})
        return [(seq, tenant, trust, standing) for seq, tenant, trust, standing in rows]


def _distinct(text: str) -> list[str]:
    """The words of a text, each once, as many as an index takes."""
    words: list[str] = []
    size = 0
    for word in dict.fromkeys(text.split()):
        size += len(word) + 8
        if size > MOST_BYTES:
            break
        words.append(word)
    return words
