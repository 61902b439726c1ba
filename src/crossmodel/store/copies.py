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
from crossmodel.store.log import LogTables
from crossmodel.store.migration import HEAD

OLDEST: Final = "0005"
"""The first schema whose log is read as it is today's."""

_SQLITE: Final = "sqlite:///"


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
    with closing(connection.execute("PRAGMA query_only = ON")):
        return connection


def _check_schema(connection: sa.Connection, path: Path) -> None:
    if not sa.inspect(connection).has_table("alembic_version"):
        raise StoreError(f"{path} is no store of crossmodel")
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
