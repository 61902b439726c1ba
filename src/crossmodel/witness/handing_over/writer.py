"""The process that writes what others hand over: many records to a transaction, a signature each.

There is one writer to a spool, by a lock. It lives while a producer does, or has left something.
Where each spool has been read to is kept in the transaction that holds the records, so each record
is written once, whoever is killed and whenever.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from crossmodel.errors import InvalidInputError, StoreConflictError, WitnessError
from crossmodel.locks import locked
from crossmodel.ports import Store, Transaction
from crossmodel.witness.handing_over.drain import Batch, Drain
from crossmodel.witness.handing_over.spool import (
    UNFINISHED,
    WAKE,
    Position,
    is_producer,
    make_fifo,
    name_of,
)

logger = logging.getLogger(__name__)

LOCK: Final = "writer.lock"
REFUSED: Final = "refused"
"""Folder of what could not be written, under the spool's root."""

MOST: Final = 256
"""Records of one transaction: enough to share a commit, and few enough not to wait long for it."""

LOOK_SECONDS: Final = 0.05
"""How often new and dead producers are looked for; who hands something over wakes the writer."""

SIGN_SECONDS: Final = 0.05
"""A busy writer signs no more often: a signature takes as long as many records."""

STALE_SECONDS: Final = 60
"""A folder that has been in the making for so long is left from a crash."""

Apply = Callable[[Transaction, Sequence[bytes]], None]
"""Writes records. ``InvalidInputError`` says that one of them can never be written, as the store's
``StoreConflictError`` does."""


class Checkpoint(Protocol):
    """Signs the head of the log if that is due, or ``now``."""

    def __call__(self, *, now: bool, patient: bool = True) -> Awaitable[bool]:
        """Whether all is signed now; raises ``WitnessError`` if it must not be.

        Where another process signs, ``now`` waits for it, unless it is not ``patient``.
        """
        ...


@contextmanager
def sole_writer(root: Path) -> Iterator[bool]:
    """The lock that a spool's one writer holds; gives False if somebody has it."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(root / LOCK) as lock:
        if lock is not None:
            os.ftruncate(lock, 0)
            os.write(lock, b"%d\n" % os.getpid())  # for whoever wants to know
        yield lock is not None


class Writer:
    """Writes what the producers of one spool hand over, until none is left.

    Args:
        root: the folder of all producers.
        store: where records go.
        apply: writes records in a transaction.
        checkpoint: signs the log's head if that is due, or ``now``.
        most: records of one transaction.
    """

    def __init__(
        self,
        root: Path,
        store: Store,
        apply: Apply,
        checkpoint: Checkpoint,
        *,
        most: int = MOST,
    ) -> None:
        self._root = root
        self._store = store
        self._apply = apply
        self._checkpoint = checkpoint
        self._most = most
        self._one_by_one = 0  # how many records are left of a batch that was refused as a whole
        self._drains: deque[Drain] = deque()
        self._looked_at = 0.0
        self._signed_at = 0.0
        self._woken = asyncio.Event()
        self._signing: asyncio.Task[None] | None = None
        self._batches = 0  # that were written
        self._is_signed = False  # whether a head covers all that was written
        self._is_told = False  # of a head that cannot be signed: once is enough

    async def run(self, *, stay: bool = True) -> None:
        """Write until no producer lives and nothing is left. Call it under the lock.

        Unless it is to ``stay``, it only writes what there is, and waits for nobody.

        Raises:
            StoreError: if the store cannot be written; everything stays in the spool.
        """
        make_fifo(self._root / WAKE)
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC  # for writing too: else it ends with them
        wake = os.open(self._root / WAKE, flags)
        loop = asyncio.get_running_loop()
        loop.add_reader(wake, self._hear, wake)
        try:
            await self._tidy()
            # records that a crash left without a checkpoint: those to come wait for nobody's
            await self._sign(now=True, patient=False)
            while await self._step(stay=stay):
                pass
            if self._signing is not None:
                await self._signing
            await self._sign(now=True)
        finally:
            if self._signing is not None:
                self._signing.cancel()
            loop.remove_reader(wake)
            os.close(wake)
            for drain in self._drains:
                drain.close()

    async def _step(self, *, stay: bool) -> bool:
        """Write what there is, or wait for more; False if nothing can come any more."""
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            await self._look()
        self._woken.clear()
        taken = self._take()
        if taken:
            await self._write(taken)
            self._batches += 1
            self._is_signed = False
            self._sign_meanwhile()
        elif await self._remove_finished():
            await self._look()
        elif not self._drains or not stay:
            return False
        else:
            if not self._is_signed:
                self._sign_meanwhile()  # some are due when time has passed
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), LOOK_SECONDS)
        return True

    def _take(self) -> list[tuple[Drain, Batch]]:
        """The next records, of the producer first who was last before."""
        room = 1 if self._one_by_one else self._most
        taken: list[tuple[Drain, Batch]] = []
        for drain in self._drains:
            batch = drain.take(room)
            if batch is not None:
                taken.append((drain, batch))
                room -= len(batch.bodies)
            if room <= 0:
                break
        self._drains.rotate(-1)
        return taken

    async def _write(self, taken: Sequence[tuple[Drain, Batch]]) -> None:
        bodies = [body for _, batch in taken for body in batch.bodies]
        refused: dict[Drain, int] = {}
        for drain, batch in taken:
            if batch.damaged:
                logger.error("%s: damaged records are passed over", drain.folder)
                refused[drain] = len(batch.damaged)
                self._set_aside(drain, "damaged", batch.damaged)

        def work(tx: Transaction) -> None:
            if bodies:
                self._apply(tx, bodies)
            _pass(tx, taken)

        try:
            await self._store.transact(work)
        except (InvalidInputError, StoreConflictError) as error:
            if len(bodies) > 1:
                self._one_by_one = len(bodies)
                return
            guilty = next(drain for drain, batch in taken if batch.bodies)
            logger.error("%s: a record cannot be written: %s", guilty.folder, error)  # noqa: TRY400 - the error says it all
            self._set_aside(guilty, "refused", bodies)
            await self._store.transact(partial(_pass, taken=taken))
            refused[guilty] = refused.get(guilty, 0) + 1
        self._one_by_one = max(0, self._one_by_one - len(bodies))
        for drain, batch in taken:
            drain.advance(batch.end, refused.get(drain, 0))

    def _set_aside(self, drain: Drain, why: str, pieces: Sequence[bytes]) -> None:
        folder = self._root / REFUSED
        folder.mkdir(mode=0o700, exist_ok=True)
        segment, offset = drain.position
        for number, piece in enumerate(pieces):
            path = folder / f"{drain.producer}-{segment}-{offset}-{number}.{why}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                file.write(piece)

    async def _sign(self, *, now: bool = False, patient: bool = True) -> None:
        """Sign the head if that is due: a log that was edited stays unsigned, and is written on."""
        batches = self._batches
        try:
            is_whole = await self._checkpoint(now=now, patient=patient)
            self._is_signed = is_whole and batches == self._batches  # nothing came meanwhile
        except WitnessError:
            if not self._is_told:
                logger.exception("records stay unsigned: crossmodel verify says what is wrong")
            self._is_told = True

    def _sign_meanwhile(self) -> None:
        """Have the head signed while the next records are written; those who wait do not wait."""
        if self._signing is not None:
            if not self._signing.done():
                return
            self._signing.result()  # if the store failed, so does the writer
        now = time.monotonic()
        if now - self._signed_at >= SIGN_SECONDS:
            self._signed_at = now
            self._signing = asyncio.create_task(self._sign())

    async def _tidy(self) -> None:
        """Remove what a crash left half-made or half-removed."""
        for folder in self._root.glob(f"{UNFINISHED}*"):
            with suppress(FileNotFoundError):  # one that has been finished meanwhile
                if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
        here = {folder.name for folder in self._folders()}
        mine = name_of(self._root)  # other machines have theirs

        def forget(tx: Transaction) -> None:
            for producer in tx.spools():
                if producer.startswith(mine) and producer not in here:
                    tx.forget_spool(producer)

        await self._store.transact(forget)

    async def _look(self) -> None:
        """Take on producers that are new."""
        self._looked_at = time.monotonic()
        known = {drain.producer for drain in self._drains}
        for folder in self._folders():
            if folder.name not in known:
                position = await self._store.read(partial(_position, producer=folder.name))
                self._drains.append(Drain(folder, position))

    async def _remove_finished(self) -> bool:
        """Remove the folders of the dead, of whom nothing is left; whether there were any."""
        finished = [drain for drain in self._drains if drain.is_finished()]
        for drain in finished:
            self._drains.remove(drain)
            drain.remove()  # first: without its row, a folder would be read from the beginning
            await self._store.transact(partial(_forget, producer=drain.producer))
        return bool(finished)

    def _folders(self) -> list[Path]:
        """The producers' folders; what else there is, is nobody's to remove."""
        return [path for path in self._root.iterdir() if is_producer(path.name) and path.is_dir()]

    def _hear(self, wake: int) -> None:
        try:
            os.read(wake, 65536)
        except BlockingIOError:
            return
        self._woken.set()


def _position(tx: Transaction, *, producer: str) -> Position:
    return Position(*tx.spool_position(producer))


def _pass(tx: Transaction, taken: Sequence[tuple[Drain, Batch]]) -> None:
    """Note that what was taken will not be read again."""
    for drain, batch in taken:
        tx.set_spool_position(drain.producer, *batch.end)


def _forget(tx: Transaction, *, producer: str) -> None:
    tx.forget_spool(producer)
