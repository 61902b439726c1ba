"""SQLite in WAL mode: one writer at a time, readers beside it, every commit synced to disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import QueuePool, StaticPool

from crossmodel.errors import (
    CrossModelError,
    InvalidInputError,
    StoreConflictError,
    StoreError,
)
from crossmodel.ports import Transaction
from crossmodel.store import backfill, marks
from crossmodel.store.fulltext import Fts5Index
from crossmodel.store.group import Tell, Waiting, Work, run_together
from crossmodel.store.migration import migrate
from crossmodel.store.search import SearchIndex
from crossmodel.store.transaction import SqlTransaction
from crossmodel.store.vectors import VectorIndex

Result = TypeVar("Result")

BUSY_SECONDS: Final = 30
"""How long a writer waits for another process's transaction."""

SCRUB_SECONDS: Final = 2
SCRUB_TRIES: Final = 20
"""How long, and how often, emptying the write-ahead log is tried while others read."""

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


class SqliteStore:
    """The port ``Store`` on one SQLite file, or in memory."""

    def __init__(
        self, writer: sa.Engine, reader: sa.Engine, vectors: VectorIndex | None, *, shared: bool
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._vectors = vectors
        self._search = SearchIndex(Fts5Index(), vectors)
        self._closing = False
        self._waiting = Waiting()
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="crossmodel-writer")
        # an in-memory database lives in one connection, so its readers queue with its writer
        self._reading = (
            self._writing
            if shared
            else ThreadPoolExecutor(READERS, thread_name_prefix="crossmodel-reader")
        )

    @classmethod
    async def open(cls, url: str, *, embedder: str | None = None) -> Self:
        """Open ``sqlite:///FILE`` or ``sqlite:///:memory:``, with its schema up to date.

        Graphs of many vectors are kept in the folder ``FILE.vectors``, which may be deleted.

        Raises:
            InvalidInputError: if there is no embedder of that name.
            StoreError: if the file cannot be opened, is no store, or is newer than this version.
        """
        path = url.removeprefix("sqlite:///")
        shared = path in {"", ":memory:"}
        if not shared and not Path(path).parent.is_dir():
            raise StoreError(f"cannot open {path}: its folder does not exist; create it first")
        folder = None if shared else Path(f"{path}.vectors")
        vectors = VectorIndex(embedder, folder) if embedder is not None else None
        writer = _engine(path, StaticPool)
        reader = writer if shared else _engine(path, QueuePool)
        store = cls(writer, reader.execution_options(reading=True), vectors, shared=shared)
        try:
            await store._run(store._writing, store._prepare)
        except BaseException:
            await store.close()
            raise
        if vectors is not None:
            store._writing.submit(store._fill_vectors, vectors)
        return store

    async def transact(self, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` in a write transaction; durable when this returns.

        Works that wait while another one is made durable become durable together.
        """
        waiting = Work(work)
        self._waiting.add(waiting)
        try:
            self._writing.submit(self._write_waiting)
        except RuntimeError:
            if self._waiting.remove(waiting):
                raise StoreError("the store is closed") from None
        result: Result = await asyncio.wrap_future(waiting.future)
        return result

    async def read(self, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` on one consistent snapshot; writing in it is an error."""

        def within() -> Result:
            with _explained(self._reader), self._reader.begin() as connection:
                return self._run_work(connection, work)[0]

        return await self._run(self._reading, within)

    async def scrub(self) -> bool:
        """Move the write-ahead log into the database and empty its file.

        Readers of older snapshots hold it off: it is tried for two seconds, False if in vain. What
        is owed then, or after a crash, is made good when the store is next opened.
        """
        return await self._run(self._writing, self._scrub)

    async def close(self) -> None:
        """Let go of the file; safe to call twice."""

        def stop() -> None:
            self._closing = True
            for pool in {self._writing, self._reading}:
                pool.shutdown(wait=True)
            if self._vectors is not None:
                self._vectors.close()
            self._reader.dispose()
            self._writer.dispose()

        await asyncio.to_thread(stop)

    def _prepare(self) -> None:
        with _explained(self._writer), self._writer.begin() as connection:
            migrate(connection)
            owed = marks.get_mark(connection, marks.SCRUB)
        if owed is not None:
            self._scrub()

    def _scrub(self) -> bool:
        with _explained(self._writer), self._writer.begin() as connection:
            owed = marks.get_mark(connection, marks.SCRUB)
        is_done = self._truncate_log()
        if is_done and owed is not None:
            with _explained(self._writer), self._writer.begin() as connection:
                marks.settle_scrub(connection, owed)
        return is_done

    def _truncate_log(self) -> bool:
        with _explained(self._writer), closing(self._writer.raw_connection()) as connection:
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

    def _fill_vectors(self, vectors: VectorIndex, after: int = 0) -> None:
        """One batch of the vectors that are missing; the next queues behind other writers."""
        if self._closing:
            return
        with self._reader.begin() as connection:
            if after == 0 and not backfill.are_missing(connection, vectors):
                return
            seqs = backfill.missing(connection, vectors, after)
        if not seqs:
            vectors.look_again()
            return
        with self._writer.begin() as connection:
            backfill.fill(connection, vectors, seqs)
        with suppress(RuntimeError):  # closed meanwhile: the next start goes on
            self._writing.submit(self._fill_vectors, vectors, seqs[-1])

    def _write_waiting(self) -> None:
        """The works that wait, in one transaction; each caller hears when all are durable."""
        works = self._waiting.take()
        if not works:
            return  # they shared the transaction before
        try:
            with _explained(self._writer), self._writer.begin() as connection:
                tells = run_together(connection, works, self._write_one)
        except BaseException as error:  # noqa: BLE001 - the callers get it
            for work in works:
                work.future.set_exception(error if len(works) == 1 else _copied(error))
            return
        for work, tell in zip(works, tells, strict=True):
            try:
                tell()
            except Exception as error:  # noqa: BLE001 - one caller's trouble is not the next one's
                work.future.set_exception(error)

    def _write_one(self, connection: sa.Connection, work: Work) -> Tell:
        with _explained(self._writer):
            result, erased = self._run_work(connection, work.run)

        def tell() -> None:
            for tenant, seqs in erased:
                self._search.forget(tenant, seqs)
            work.future.set_result(result)

        return tell

    def _run_work(
        self, connection: sa.Connection, work: Callable[[Transaction], Result]
    ) -> tuple[Result, Sequence[tuple[str, Sequence[int]]]]:
        """What a work returns, and which insights it erased."""
        transaction = SqlTransaction(connection, self._search)
        try:
            return work(transaction), transaction.erased
        except StopIteration as error:
            # a future cannot carry it (PEP 479): the caller would wait for ever
            raise RuntimeError("the work raised StopIteration") from error

    @staticmethod
    async def _run(pool: ThreadPoolExecutor, call: Callable[[], Result]) -> Result:
        try:
            future = pool.submit(call)
        except RuntimeError:
            raise StoreError("the store is closed") from None
        return await asyncio.wrap_future(future)


def _engine(path: str, pool: type[sa.Pool]) -> sa.Engine:
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
        if isinstance(error, CrossModelError):
            raise error
        if isinstance(error, UnicodeEncodeError):
            raise InvalidInputError(
                "a name or id holds half of a surrogate pair, which is no character: remove it"
            ) from None
        if isinstance(error, OverflowError):
            raise InvalidInputError("a whole number does not fit in 64 bits") from None

    return engine


def _copied(error: BaseException) -> BaseException:
    """An error of its own for each of several callers."""
    return StoreError(str(error)) if isinstance(error, CrossModelError) else error


@contextmanager
def _explained(engine: sa.Engine) -> Iterator[None]:
    """The database's errors as ours, with what to do and without what the rows held."""
    try:
        yield
    except exc.DBAPIError as error:
        message = str(error.orig)
        advice = next((a for piece, a in ADVICE.items() if piece in message), "")
        said = f"{engine.url.database}: SQLite says: {message}"
        kind = StoreConflictError if isinstance(error, exc.IntegrityError) else StoreError
        raise kind(f"{said}; {advice}" if advice else said) from None
    except exc.SQLAlchemyError as error:
        raise StoreError(f"the store refused this: {type(error).__name__}") from error
