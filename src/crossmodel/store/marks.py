"""Named numbers that outlive a crash: how far upkeep has come, and what it still owes."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from crossmodel.store import schema

SCRUB: Final = "scrub"
"""How many erasures there were since erased bytes were last known to be gone from every file."""

CLIENT_KEYS: Final = "client_keys"
"""How often client keys were changed."""

CHANNEL: Final = "crossmodel"
"""Where PostgreSQL tells of numbers that were counted up."""

MOVING: Final = "moving"
"""Set while a store moves here: nobody opens it before it is whole."""


def get_mark(connection: sa.Connection, name: str) -> int | None:
    """The number of that name."""
    table = schema.marks
    return connection.scalar(sa.select(table.c.value).where(table.c.name == name))


def set_mark(connection: sa.Connection, name: str, value: int | None) -> None:
    """Keep a number, or with ``None`` none."""
    table = schema.marks
    connection.execute(sa.delete(table).where(table.c.name == name))
    if value is not None:
        connection.execute(sa.insert(table), {"name": name, "value": value})


def owe_scrub(connection: sa.Connection) -> None:
    """Note, in the transaction that erases, that bytes of it are still in some file."""
    set_mark(connection, SCRUB, (get_mark(connection, SCRUB) or 0) + 1)


def settle_scrub(connection: sa.Connection, owed: int) -> None:
    """Note that the files hold nothing of the first ``owed`` erasures; of later ones they may."""
    table = schema.marks
    settled = sa.delete(table).where(table.c.name == SCRUB, table.c.value == owed)
    connection.execute(settled)


def count_up(connection: sa.Connection, name: str) -> None:
    """Add one to the number of that name, however many do so at once; who listens is told of it."""
    query = sa.text(
        "INSERT INTO marks (name, value) VALUES (:name, 1) "
        "ON CONFLICT (name) DO UPDATE SET value = marks.value + 1"
    )
    connection.execute(query, {"name": name})
    if connection.dialect.name == "postgresql":  # once it is committed
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, name)))
