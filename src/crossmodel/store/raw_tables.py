"""Tables whose rows are tuples of values as databases have them: to be copied exactly."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from pgvector import HalfVector

from crossmodel.store import marks, schema
from crossmodel.store.differences import Row
from crossmodel.store.fulltext import Texts
from crossmodel.store.tsvector import TsvectorTables
from crossmodel.store.words import indexed, tenant_code

AT_ONCE: Final = 1_000
"""Rows that are read at a time."""

_VECTOR: Final = "vector"
"""The column that PostgreSQL has a type for; SQLite keeps its bytes, and those are compared."""


def _raw_type(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Values as they are, but for those that SQLite has no type for."""
    return kind if isinstance(kind, sa.Boolean | sa.Date) else sa.types.NULLTYPE


def _with_bytes(at: int, row: sa.Row[Any]) -> Row:
    """A row with a vector as SQLite keeps it, whoever keeps this one."""
    vector = row[at]
    kept = vector.to_numpy().tobytes() if isinstance(vector, HalfVector) else vector
    return (*row[:at], kept, *row[at + 1 :])


class RawTable:
    """A table on either database, its key first in every row.

    Attributes:
        name: its name.
        names: its columns.
        key: how many of them, from the first on, are the key.
        identifying: the key, and what else no two rows have in common.
    """

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self.name = table.name
        keys = [column.name for column in table.primary_key.columns]
        self.key = len(keys)
        self.names = [*keys, *(column.name for column in table.c if column.name not in keys)]
        unique = {
            column.name
            for constraint in table.constraints
            if isinstance(constraint, sa.UniqueConstraint)
            for column in constraint.columns
        }
        self.identifying = [*keys, *sorted(unique - set(keys))]
        self._raw = sa.table(table.name, *(sa.column(c.name, _raw_type(c.type)) for c in table.c))

    def is_empty(self, connection: sa.Connection) -> bool:
        """Whether there is no row."""
        return connection.scalar(sa.select(sa.literal(1)).select_from(self._raw).limit(1)) is None

    def rows(
        self, connection: sa.Connection, names: Sequence[str] | None = None
    ) -> Generator[Row, None, None]:
        """All rows by their key, in bounded memory; of some columns, if those are named."""
        columns = names or self.names
        options = {"stream_results": True, "yield_per": AT_ONCE}
        query = self._query(connection, columns)
        with connection.execute(query, execution_options=options) as found:
            if _VECTOR in columns:
                yield from map(partial(_with_bytes, columns.index(_VECTOR)), found)
            else:
                yield from map(tuple, found)

    def put(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Insert rows into PostgreSQL, in place of those of the same key."""
        quoted = [f'"{name}"' for name in self.names]
        changes = ", ".join(f"{name} = excluded.{name}" for name in quoted[self.key :])
        connection.exec_driver_sql(
            f'INSERT INTO "{self.name}" ({", ".join(quoted)}) '  # noqa: S608 - our own names
            f"VALUES ({', '.join(['%s'] * len(quoted))}) "
            f"ON CONFLICT ({', '.join(quoted[: self.key])}) "
            f"DO {f'UPDATE SET {changes}' if changes else 'NOTHING'}",
            list(map(self._for_postgres, rows)),
        )
        if self._table is schema.insights:
            words = TsvectorTables()
            words.remove(connection, [row[0] for row in rows])
            words.add(connection, self._words(rows))

    def delete(self, connection: sa.Connection, keys: Sequence[Row]) -> None:
        """Delete rows from PostgreSQL by their keys, and first what refers to them."""
        for table in schema.metadata.tables.values():
            for reference in table.foreign_keys:
                if reference.column.table is self._table:
                    connection.exec_driver_sql(
                        f'DELETE FROM "{table.name}" '  # noqa: S608 - our own names
                        f'WHERE "{reference.parent.name}" = %s',
                        list(keys),
                    )
        if self._table is schema.insights:
            TsvectorTables().remove(connection, [seq for (seq,) in keys])
        named = ", ".join(f'"{name}"' for name in self.names[: self.key])
        connection.exec_driver_sql(
            f'DELETE FROM "{self.name}" WHERE ({named}) = '  # noqa: S608 - our own names
            f"({', '.join(['%s'] * self.key)})",
            list(keys),
        )

    def _query(self, connection: sa.Connection, names: Sequence[str]) -> sa.Select[Any]:
        order: list[sa.ColumnElement[Any]] = [
            # text as SQLite orders it: by its bytes
            sa.collate(self._raw.c[name], "C")
            if connection.dialect.name == "postgresql"
            and isinstance(self._table.c[name].type, sa.Text)
            else self._raw.c[name]
            for name in self.names[: self.key]
        ]
        query = sa.select(*(self._raw.c[name] for name in names)).order_by(*order)
        if self._table is schema.marks:  # that it is on its way is of one side alone
            return query.where(self._raw.c.name != marks.MOVING)
        return query

    def _for_postgres(self, row: Row) -> Row:
        if _VECTOR not in self.names:
            return row
        at = self.names.index(_VECTOR)
        return (*row[:at], HalfVector(np.frombuffer(row[at], dtype=np.float16)), *row[at + 1 :])

    def _words(self, rows: Sequence[Row]) -> Texts:
        at = [self.names.index(name) for name in ("seq", "tenant", "content", "scope")]
        texts: list[tuple[int, str, str]] = []
        for row in rows:
            seq, tenant, *said = (row[index] for index in at)
            code = tenant_code(tenant)
            content, scope = (indexed(code, each.decode("utf-8", "surrogatepass")) for each in said)
            texts.append((seq, content, scope))
        return texts


TABLES: Final = tuple(map(RawTable, schema.metadata.sorted_tables))
"""All tables, those that others refer to before them."""
