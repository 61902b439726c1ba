"""A new SQLite database gets its schema from a file, which is what all migrations come to.

Loading and running them takes a third of a second. The file holds the statements that SQLite itself
keeps of a migrated database, so that both ways lead to the same schema to the letter; a test holds
it to that. After a new migration ``python -m crossmodel.store.migration`` writes it anew; until
then new databases are migrated, as old ones are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

FILE: Final = Path(__file__).with_name("fresh.sql")

_END: Final = ";\n\n"
_STAMP: Final = "INSERT INTO alembic_version (version_num) VALUES ('{}')"
_STATEMENTS: Final = (
    "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'insights\\_fts\\_%' "
    "ESCAPE '\\' ORDER BY rowid"
)
"""Without the tables that FTS5 makes for its own."""


def is_empty(connection: sa.Connection) -> bool:
    """Whether the database has nothing in it yet."""
    return connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").first() is None


def create_schema(connection: sa.Connection, revision: str) -> bool:
    """Make the schema within the transaction; False if the file is not of that revision."""
    statements = FILE.read_text("utf-8").removesuffix(_END).split(_END)
    if statements[-1] != _STAMP.format(revision):
        return False
    for statement in statements:
        connection.exec_driver_sql(statement)
    return True


def script(connection: sa.Connection, revision: str) -> str:
    """The statements that make a database such as this one."""
    found = connection.exec_driver_sql(_STATEMENTS).scalars().all()
    return "".join(statement + _END for statement in (*found, _STAMP.format(revision)))
