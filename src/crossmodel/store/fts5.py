"""Words of insights in SQLite's FTS5."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from crossmodel.store.fulltext import Judged, Rows, Texts, numbers


class Fts5Tables:
    """The port ``WordTables`` on a table of FTS5."""

    _insert = sa.text("INSERT INTO insights_fts (rowid, content, scope) VALUES (:seq, :c, :s)")
    _delete = sa.text("DELETE FROM insights_fts WHERE rowid = :seq")
    _merge = sa.text("INSERT INTO insights_fts (insights_fts) VALUES ('optimize')")
    _rows: Final = "(SELECT group_concat(rowid) FROM insights_fts WHERE insights_fts MATCH ?)"
    _some: Final = (
        "SELECT group_concat(rowid) FROM (SELECT rowid FROM insights_fts "
        "WHERE insights_fts MATCH ? ORDER BY rowid DESC LIMIT ?)"
    )

    # the index's own table of texts: by way of the index itself, a row costs twice as much
    _read: Final = (
        "SELECT texts.id, c0, c1 FROM json_each(?) CROSS JOIN insights_fts_content AS texts "
        "ON texts.id = value"
    )
    _judge: Final = (
        "SELECT seq, tenant, trust, standing FROM json_each(?) CROSS JOIN insights ON seq = value"
    )

    def add(self, connection: sa.Connection, texts: Texts) -> None:
        """Keep the words of insights."""
        connection.execute(self._insert, [{"seq": q, "c": c, "s": s} for q, c, s in texts])

    def remove(self, connection: sa.Connection, seqs: Sequence[int]) -> None:
        """Take insights out so that none of their words is left in the index.

        FTS5 notes a deletion beside the old entry; merging the whole index drops both. Its option
        ``secure-delete`` would do so at once, but writes what SQLite before 3.42 cannot read.
        """
        connection.execute(self._delete, [{"seq": seq} for seq in seqs])
        connection.execute(self._merge)

    def holders(self, connection: sa.Connection, words: Sequence[str]) -> list[Rows]:
        """The insights that have each of the words; lists as text, as rows cost three times it."""
        query = "SELECT " + ", ".join([self._rows] * len(words))
        found = connection.exec_driver_sql(query, tuple(f'"{word}"' for word in words)).one()
        return [numbers(listed) for listed in found]

    def some(self, connection: sa.Connection, words: Sequence[str], most: int) -> Rows:
        """The newest insights that have all of the words."""
        match = " AND ".join(f'"{word}"' for word in words)
        return numbers(connection.exec_driver_sql(self._some, (match, most)).scalar())

    def read(self, connection: sa.Connection, seqs: Sequence[int]) -> Texts:
        """The words of insights, by their row numbers."""
        return connection.exec_driver_sql(self._read, (json.dumps(list(seqs)),)).all()

    def judge(self, connection: sa.Connection, seqs: Sequence[int]) -> Judged:
        """Row number, tenant, trust and standing of insights."""
        return connection.exec_driver_sql(self._judge, (json.dumps(list(seqs)),)).all()
