"""Bringing a database's schema up to date; alembic is loaded only when there is something to do."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

from crossmodel.errors import StoreError
from crossmodel.store import fresh

HEAD: Final = "0015"
"""The newest revision under ``migrations/versions``; a test holds it to alembic's own answer."""

SCRIPTS: Final = Path(__file__).parent / "migrations"


def migrate(connection: sa.Connection) -> None:
    """Bring the schema up to date inside the connection's transaction.

    Raises:
        StoreError: if a newer version of CrossModel has written the database.
    """
    current = _revision(connection)
    if current == HEAD:
        return
    if current is not None and current > HEAD:
        raise StoreError(
            f"the store has schema {current}, newer than {HEAD} of this version: upgrade crossmodel"
        )
    is_new = connection.dialect.name == "sqlite" and fresh.is_empty(connection)
    if not (is_new and fresh.create_schema(connection, HEAD)):
        run_migrations(connection)


def run_migrations(connection: sa.Connection) -> None:
    """Run the missing revisions inside the connection's transaction."""
    from alembic import command  # noqa: PLC0415 - slow to import, and most starts need none of it
    from alembic.config import Config  # noqa: PLC0415 - likewise

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return version


def _write_fresh() -> None:
    """Write anew what new databases are made by."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        run_migrations(connection)
        fresh.FILE.write_text(fresh.script(connection, HEAD), "utf-8")


if __name__ == "__main__":
    _write_fresh()
