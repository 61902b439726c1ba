"""Rows of one connection, in parts that one statement takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

import sqlalchemy as sa

T = TypeVar("T")

CHUNK: Final = 500
"""Rows or parameters per statement: SQLite allows 32,766 parameters, PostgreSQL 65,535."""


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The items in their order, ``size`` at a time."""
    listed = list(items)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


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
