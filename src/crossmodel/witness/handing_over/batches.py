"""Writing in this process what was handed over: many turns to a transaction, off the request path.

For stores that no writer process can serve: one in memory, a database server, a system without
locks. What waits is in memory, so it does not outlive the process; a store that is gone for longer
than there is room for is an error of ``append``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from crossmodel.errors import InvalidInputError, StoreConflictError, StoreError, WitnessError
from crossmodel.ports import Store

if TYPE_CHECKING:
    from crossmodel.witness.handing_over.writer import (
        Apply,  # beside code that needs locks
        Checkpoint,
    )

logger = logging.getLogger(__name__)

MOST: Final = 256
"""Turns of one transaction."""

MOST_BYTES: Final = 32 * 1024 * 1024
"""What may wait, in bytes."""

MOST_DELAY_SECONDS: Final = 5.0
MOST_FAILURES: Final = 3
"""How often in a row the store may fail before those who wait are told."""


class Batches:
    """An outbox whose turns are written by a task of this event loop.

    Args:
        store: where turns go.
        apply: writes turns in a transaction.
        checkpoint: signs the log's head if that is due.
        most_bytes: what may wait.

    Attributes:
        refused: how many turns could never be written.
    """

    def __init__(
        self,
        store: Store,
        apply: Apply,
        checkpoint: Checkpoint,
        *,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.refused = 0
        self._store = store
        self._apply = apply
        self._checkpoint = checkpoint
        self._most_bytes = most_bytes
        self._bodies: deque[bytes] = deque()
        self._bytes = 0
        self._taken = 0
        self._one_by_one = 0  # how many turns are left of a batch that was refused as a whole
        self._done = 0  # of those that were taken, written or refused
        self._told = 0  # of those that were refused
        self._failures = 0
        self._failed: StoreError | None = None
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def append(self, body: bytes) -> None:
        """Take a turn.

        Raises:
            WitnessError: if too much waits to be written; the turn was not taken then.
        """
        if self._bytes + len(body) > self._most_bytes:
            why = f": {self._failed}" if self._failed is not None else ""
            raise WitnessError(
                f"{len(self._bodies):,} records of {self._bytes:,} bytes wait to be written{why}"
            )
        self._bodies.append(body)
        self._bytes += len(body)
        self._taken += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def settle(self) -> None:
        """Wait until everything that was taken is durable.

        Raises:
            WitnessError: if the store fails again and again, or a turn could not be written;
                whatever can be is tried again.
        """
        if self._done < self._taken:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((self._taken, waiter))
            await waiter
        if self.refused > self._told:
            count, self._told = self.refused - self._told, self.refused
            raise WitnessError(f"{count} records could not be written: the program's log says why")

    async def close(self) -> None:
        """Settle, and write no more.

        Raises:
            WitnessError: as :meth:`settle` does; what was not written by then is lost.
        """
        try:
            await self.settle()
        finally:
            if self._task is not None:
                self._task.cancel()

    @property
    def waiting_bytes(self) -> int:
        """How much was taken and is not in the store yet."""
        return self._bytes

    async def _run(self) -> None:
        try:
            while self._bodies:
                await self._write()
        finally:
            self._task = None

    async def _write(self) -> None:
        bodies = list(islice(self._bodies, 1 if self._one_by_one else MOST))
        try:
            await self._store.transact(lambda tx: self._apply(tx, bodies))
        except (InvalidInputError, StoreConflictError) as error:
            if len(bodies) > 1:
                self._one_by_one = len(bodies)  # to find out which it is
                return
            self.refused += 1
            logger.error("a record cannot be written, and is lost: %s", error)  # noqa: TRY400 - the error says it all
        except StoreError as error:
            await self._fail(error)
            return
        self._one_by_one = max(0, self._one_by_one - 1)
        self._failures, self._failed = 0, None
        for body in bodies:
            self._bodies.popleft()
            self._bytes -= len(body)
        self._done += len(bodies)
        while self._waiting and self._waiting[0][0] <= self._done:
            _resolve(self._waiting.popleft()[1])
        try:
            await self._checkpoint(now=False)
        except (WitnessError, StoreError):
            logger.exception("records stay unsigned: crossmodel verify says what is wrong")

    async def _fail(self, error: StoreError) -> None:
        self._failures += 1
        self._failed = error
        if self._failures == 1:
            logger.error("records wait in memory until the store takes them: %s", error)
        if self._failures >= MOST_FAILURES:
            while self._waiting:
                _resolve(self._waiting.popleft()[1], f"records cannot be written: {error}")
        await asyncio.sleep(min(0.05 * 2**self._failures, MOST_DELAY_SECONDS))


def _resolve(waiter: asyncio.Future[None], trouble: str = "") -> None:
    if waiter.done():
        return  # who waited has left
    if trouble:
        waiter.set_exception(WitnessError(trouble))
    else:
        waiter.set_result(None)
