"""Rows of one connection, in parts that one statement takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import Any, Final, TypeVar

import sqlalchemy as sa

T = TypeVar("T")

Processor = Callable[[Any], Any]
"""Makes a value that a driver takes of one of ours."""

CHUNK: Final = 500
"""Rows or parameters per statement: SQLite allows 32,766 parameters, PostgreSQL 65,535."""


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The items in their order, ``size`` at a time."""
    listed = list(items)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def exact_bytes(stored: object) -> bytes:
    """What stands in a column of bytes, as bytes whoever wrote it.

    SQLite gives back text or a number where somebody has written some past us.
    """
    return stored if isinstance(stored, bytes) else str(stored).encode("utf-8", "surrogatepass")


@cache
def _insertion(
    table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect
) -> tuple[str, dict[int, Processor]]:
    """The statement that inserts tuples, and what makes a database's value of which column."""
    quoted = dialect.identifier_preparer.quote
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    columns, marks = ", ".join(map(quoted, names)), ", ".join([mark] * len(names))
    processors: dict[int, Processor] = {}
    for position, name in enumerate(names):
        kind = table.c[name].type
        if isinstance(kind, sa.TypeDecorator):  # over types that drivers take as they are
            processors[position] = partial(kind.process_bind_param, dialect=dialect)
        elif isinstance(kind, sa.Boolean) and (process := _processor(kind, dialect)) is not None:
            processors[position] = process
    return f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ({marks})", processors  # noqa: S608 - our own names


def _processor(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Processor | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


class Rows:
    """Reading and writing rows on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def _one(self, table: sa.Table, **key: Any) -> dict[str, Any] | None:
        where = [table.c[name] == value for name, value in key.items()]
        row = self._connection.execute(sa.select(table).where(*where)).mappings().first()
        return None if row is None else dict(row)

    def _insert(self, table: sa.Table, rows: Iterable[Any]) -> None:
        listed = list(rows)
        if listed:
            self._connection.execute(sa.insert(table), listed)

    def _insert_tuples(
        self, table: sa.Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert many rows, each with the values of the named columns, and no dictionary each."""
        if not rows:
            return
        insert, processors = _insertion(table, tuple(names), self._connection.dialect)
        if processors:
            columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
            for position, processor in processors.items():
                columns[position] = map(processor, columns[position])
            rows = list(zip(*columns, strict=True))
        self._connection.exec_driver_sql(insert, rows)
