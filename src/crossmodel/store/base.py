"""A store over one SQL database: a thread that writes, threads that read, works that share commits.

What differs from one database to the next, its engines and errors, is in the modules of theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from crossmodel.errors import (
    CrossModelError,
    InvalidInputError,
    StoreConflictError,
    StoreError,
)
from crossmodel.ports import Transaction
from crossmodel.store import backfill
from crossmodel.store.embeddings import Embeddings
from crossmodel.store.group import Tell, Waiting, Work, run_together
from crossmodel.store.search import SearchIndex
from crossmodel.store.transaction import SqlTransaction

Result = TypeVar("Result")


class SqlStore:
    """The port ``Store`` but for ``scrub`` and ``wait_for_change``.

    Args:
        writer: begins transactions that are alone: what they read stays true until they commit.
        reader: begins snapshots; its execution option ``reading`` is set.
        search: finds insights.
        vectors: the vectors that it finds them by, if it does.
        readers: snapshots that can be read at once; 0 if they queue with the writer.
    """

    def __init__(
        self,
        writer: sa.Engine,
        reader: sa.Engine,
        search: SearchIndex,
        vectors: Embeddings | None,
        *,
        readers: int,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._search = search
        self._vectors = vectors
        self._closing = False
        self._waiting = Waiting()
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="crossmodel-writer")
        self._reading = (
            ThreadPoolExecutor(readers, thread_name_prefix="crossmodel-reader")
            if readers
            else self._writing
        )

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
            with self._explained(), self._reader.begin() as connection:
                return self._run_work(connection, work)[0]

        return await self._run(self._reading, within)

    async def close(self) -> None:
        """Let go of the database; safe to call twice."""

        def stop() -> None:
            self._closing = True
            for pool in {self._writing, self._reading}:
                pool.shutdown(wait=True)
            if self._vectors is not None:
                self._vectors.close()
            self._reader.dispose()
            self._writer.dispose()

        await asyncio.to_thread(stop)

    async def _open(self, prepare: Callable[[], None]) -> None:
        """Prepare the database, then give insights the vectors that they lack; or close."""
        try:
            await self._run(self._writing, prepare)
        except BaseException:
            await self.close()
            raise
        if self._vectors is not None:
            self._writing.submit(self._fill_vectors, self._vectors)

    def _fill_vectors(self, vectors: Embeddings, after: int = 0) -> None:
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
            with self._explained(), self._writer.begin() as connection:
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
        with self._explained():
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

    def _describe(self, error: exc.DBAPIError) -> str:
        """What the database says, and what to do, without what the rows held."""
        raise NotImplementedError

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The database's errors as ours."""
        try:
            yield
        except exc.DBAPIError as error:
            kind = StoreConflictError if isinstance(error, exc.IntegrityError) else StoreError
            raise kind(self._describe(error)) from None
        except exc.SQLAlchemyError as error:
            raise StoreError(f"the store refused this: {type(error).__name__}") from error


def refuse_text(error: BaseException) -> None:
    """Errors of ours as they are, and text that no database keeps: the caller's mistake.

    For the event ``handle_error`` of an engine.
    """
    if isinstance(error, CrossModelError):
        raise error
    if isinstance(error, UnicodeEncodeError):
        raise InvalidInputError(
            "a name or id holds half of a surrogate pair, which is no character: remove it"
        ) from None


def _copied(error: BaseException) -> BaseException:
    """An error of its own for each of several callers."""
    return StoreError(str(error)) if isinstance(error, CrossModelError) else error
