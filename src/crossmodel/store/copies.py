"""Somebody else's store, opened to be read: nothing is created, migrated or written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import StaticPool

from crossmodel.errors import ConfigurationError, StoreError
from crossmodel.ports import LogTransaction
from crossmodel.store import schema
from crossmodel.store.log import LogTables
from crossmodel.store.migration import HEAD

OLDEST: Final = "0005"
"""The first schema whose log is read as it is today's."""

MAX_LENGTH: Final = 64 * 1024 * 1024
"""Largest text, blob or row in bytes that is read of somebody else's file."""

_SQLITE: Final = "sqlite:///"
_VERSION: Final = "alembic_version"
_TABLES: Final = (
    _VERSION,
    *(
        table.name
        for table in (
            schema.log_leaves,
            schema.log_signatures,
            schema.log_nodes,
            schema.checkpoints,
            schema.commitments,
        )
    ),
)
"""All that is read."""


@contextmanager
def open_copy(url: str) -> Iterator[LogTransaction]:
    """The log of a store, as one snapshot that can only be read.

    ``url`` is ``sqlite:///FILE``, or the path of the file itself.

    Raises:
        ConfigurationError: if no adapter knows the URL.
        StoreError: if it cannot be read, or has a schema that this version does not read.
    """
    if "://" in url and not url.startswith(_SQLITE):
        raise ConfigurationError("a copy is read from SQLite: name sqlite:///FILE", path="store")
    path = Path(url.removeprefix(_SQLITE))
    if not path.is_file():
        raise StoreError(f"cannot read {path}: there is no such file")
    engine = sa.create_engine(
        "sqlite://", creator=lambda: _connect(path), poolclass=StaticPool, hide_parameters=True
    )
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            _check_tables(connection, path)
            _check_schema(connection, path)
            yield LogTables(connection)
    except exc.DBAPIError as error:
        raise StoreError(f"cannot read {path}: SQLite says: {error.orig}") from None
    finally:
        engine.dispose()


def _connect(path: Path) -> sqlite3.Connection:
    # without a write-ahead log beside it nobody has it open, and SQLite need not make one
    ahead = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if ahead.is_file() and ahead.stat().st_size else "mode=ro&immutable=1"
    uri = f"{path.resolve().as_uri()}?{mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_LENGTH)
    with closing(connection.execute("PRAGMA query_only = ON")):
        return connection


def _check_tables(connection: sa.Connection, path: Path) -> None:
    """Whether what is read is stored: a view can say another thing each time, or have no end."""
    found = connection.exec_driver_sql("SELECT name, type, rootpage FROM sqlite_master").all()
    known = [(str(name).lower(), kind, page) for name, kind, page in found]  # as SQLite compares
    for table in _TABLES:
        made = [(kind, page) for name, kind, page in known if name == table]
        if not made:
            raise StoreError(f"{path} is no store of crossmodel: it has no table {table}")
        columns = connection.exec_driver_sql(f"PRAGMA table_xinfo({table})").mappings()
        # what has no page of its own is made up as it is read, and so are hidden columns
        if any(kind != "table" or not page for kind, page in made) or any(
            column["hidden"] for column in columns
        ):
            raise StoreError(f"{path}: {table} is no plain table, so nothing that it says is kept")


def _check_schema(connection: sa.Connection, path: Path) -> None:
    revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    if not isinstance(revision, str) or revision < OLDEST:
        raise StoreError(
            f"{path} has schema {revision}, older than {OLDEST}: open a copy of it once with "
            "crossmodel, which brings it up to date"
        )
    if revision > HEAD:
        raise StoreError(
            f"{path} has schema {revision}, newer than {HEAD} of this version: upgrade crossmodel"
        )
