"""A SQLite store that has moved elsewhere: it is read still, and nobody writes it.

Triggers see to that in the database itself, so it holds for every process that has it open, in the
middle of whatever that does.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from crossmodel.store import schema

MOVED: Final = "this store has moved to "
"""How the message begins that whoever writes is given."""

_ACTIONS: Final = ("INSERT", "UPDATE", "DELETE")
_END: Final = "'); END"


def seal(connection: sa.Connection, place: str) -> None:
    """Refuse every write from the end of this transaction on, saying that the store is there."""
    said = f"{MOVED}{place}".replace("'", "''")
    for table in schema.metadata.tables:
        for action in _ACTIONS:
            connection.exec_driver_sql(
                f'CREATE TRIGGER "{_trigger(table, action)}" BEFORE {action} ON "{table}" '
                f"BEGIN SELECT RAISE(ABORT, '{said}{_END}"
            )


def unseal(connection: sa.Connection) -> None:
    """Let the store be written again."""
    for table in schema.metadata.tables:
        for action in _ACTIONS:
            connection.exec_driver_sql(f'DROP TRIGGER IF EXISTS "{_trigger(table, action)}"')


def moved_to(connection: sa.Connection) -> str | None:
    """Where the store has moved; ``None`` if it is here."""
    name = _trigger(schema.log_leaves.name, _ACTIONS[0])
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name")
    said = connection.scalar(query, {"name": name})
    if said is None:
        return None
    return str(said).partition(MOVED)[2].removesuffix(_END).replace("''", "'")


def _trigger(table: str, action: str) -> str:
    return f"moved_{table}_{action.lower()}"
