"""SQLite in WAL mode: one writer at a time, readers beside it, every commit synced to disk."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import QueuePool, StaticPool

from crossmodel.errors import InvalidInputError, StoreError
from crossmodel.store import marks, sealing
from crossmodel.store.base import SqlStore, refuse_text
from crossmodel.store.fts5 import Fts5Tables
from crossmodel.store.fulltext import WordIndex
from crossmodel.store.migration import migrate
from crossmodel.store.search import SearchIndex
from crossmodel.store.vectors import VectorIndex

BUSY_SECONDS: Final = 30
"""How long a writer waits for another process's transaction."""

SCRUB_SECONDS: Final = 2
SCRUB_TRIES: Final = 20
"""How long, and how often, emptying the write-ahead log is tried while others read."""

LOOK_SECONDS: Final = 0.4
"""How often who waits for a change should look: it holds everywhere within a second."""

READERS: Final = 4
"""Snapshots that can be read at once."""

ADVICE: Final = {
    "database is locked": "another process holds it for long; stop that one, or try again",
    "disk is full": "free some space; nothing that was acknowledged is lost",
    "file is not a database": "the path names some other file",
    "readonly database": "the file and its folder must be writable, and whoever writes must "
    "write in transact, not in read; crossmodel verify FILE --trust KEYS only reads",
    "unable to open database file": "the folder must exist and be writable",
    "malformed": "restore the file from a backup",
}
"""What to do, by a piece of SQLite's message."""


class SqliteStore(SqlStore):
    """The port ``Store`` on one SQLite file, or in memory."""

    @classmethod
    async def open(cls, url: str, *, embedder: str | None = None) -> Self:
        """Open ``sqlite:///FILE`` or ``sqlite:///:memory:``, with its schema up to date.

        Graphs of many vectors are kept in the folder ``FILE.vectors``, which may be deleted.

        Raises:
            InvalidInputError: if there is no embedder of that name.
            StoreError: if the file cannot be opened, is no store, has moved elsewhere, or is newer
                than this version.
        """
        path = url.removeprefix("sqlite:///")
        shared = path in {"", ":memory:"}
        if not shared and not Path(path).parent.is_dir():
            raise StoreError(f"cannot open {path}: its folder does not exist; create it first")
        folder = None if shared else Path(f"{path}.vectors")
        vectors = VectorIndex(embedder, folder) if embedder is not None else None
        writer = connect(path, StaticPool)
        # an in-memory database lives in one connection, so its readers queue with its writer
        reader = writer if shared else connect(path, QueuePool)
        store = cls(
            writer,
            reader.execution_options(reading=True),
            SearchIndex(WordIndex(Fts5Tables()), vectors),
            vectors,
            readers=0 if shared else READERS,
        )
        await store._open(store._prepare)
        return store

    async def wait_for_change(self, seconds: float) -> None:
        """Wait a moment: nobody tells of changes, and to look costs next to nothing."""
        await asyncio.sleep(min(seconds, LOOK_SECONDS))

    async def scrub(self) -> bool:
        """Move the write-ahead log into the database and empty its file.

        Readers of older snapshots hold it off: it is tried for two seconds, False if in vain. What
        is owed then, or after a crash, is made good when the store is next opened.
        """
        return await self._run(self._writing, self._scrub)

    def _prepare(self) -> None:
        with self._explained(), self._writer.begin() as connection:
            moved_to = sealing.moved_to(connection)
            if moved_to is not None:
                raise _moved(f"{self._writer.url.database}: {sealing.MOVED}{moved_to}")
            migrate(connection)
            owed = marks.get_mark(connection, marks.SCRUB)
        if owed is not None:
            self._scrub()

    def _scrub(self) -> bool:
        with self._explained(), self._writer.begin() as connection:
            owed = marks.get_mark(connection, marks.SCRUB)
        is_done = self._truncate_log()
        if is_done and owed is not None:
            with self._explained(), self._writer.begin() as connection:
                marks.settle_scrub(connection, owed)
        return is_done

    def _truncate_log(self) -> bool:
        with self._explained(), closing(self._writer.raw_connection()) as connection:
            execute = connection.cursor().execute
            execute(f"PRAGMA busy_timeout = {SCRUB_SECONDS * 1000 / SCRUB_TRIES:.0f}")
            try:
                for _ in range(SCRUB_TRIES):
                    busy, *_pages = execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                    if not busy:
                        return True
            finally:
                execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
        return False

    def _describe(self, error: exc.DBAPIError) -> str:
        return describe(error, str(self._writer.url.database))


def reopen(path: Path) -> bool:
    """Let a file be written again that was closed when its store moved; False if it was not closed.

    Raises:
        StoreError: if there is no such file, or it cannot be written.
    """
    if not path.is_file():
        raise StoreError(f"cannot open {path}: there is no such file")
    engine = connect(str(path), StaticPool)
    try:
        with engine.begin() as connection:
            was_closed = sealing.moved_to(connection) is not None
            sealing.unseal(connection)
    except exc.DBAPIError as error:
        raise StoreError(describe(error, str(path))) from None
    finally:
        engine.dispose()
    return was_closed


def describe(error: exc.DBAPIError, path: str) -> str:
    """What SQLite says and what to do, without what the rows held."""
    message = str(error.orig)
    advice = next((a for piece, a in ADVICE.items() if piece in message), "")
    said = f"{path}: SQLite says: {message}"
    return f"{said}; {advice}" if advice else said


def connect(path: str, pool: type[sa.Pool]) -> sa.Engine:
    """Connections to a file. With the execution option ``reading`` they begin snapshots."""
    options: dict[str, Any] = {"check_same_thread": False, "timeout": BUSY_SECONDS}
    url = sa.URL.create("sqlite", database=path)  # a path may hold what a URL would misread
    # hide_parameters: errors must not show rows
    engine = sa.create_engine(url, poolclass=pool, connect_args=options, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not the driver
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        if connection.info.get("reading") is not reading:  # SQLite forgets prepared statements
            connection.exec_driver_sql(f"PRAGMA query_only = {reading:d}")
            connection.info["reading"] = reading
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    @sa.event.listens_for(engine, "handle_error")
    def _refused(context: sa.ExceptionContext) -> None:
        """Values that never reached the database: the caller's mistake, not the store's."""
        error = context.original_exception
        refuse_text(error)
        if isinstance(error, OverflowError):
            raise InvalidInputError("a whole number does not fit in 64 bits") from None
        if str(error).startswith(sealing.MOVED):
            raise _moved(f"{path}: {error}") from None

    return engine


def _moved(said: str) -> StoreError:
    return StoreError(f"{said}: name that in store.url, or crossmodel migrate --reopen the file")
