"""Handing records over to the writer process: microseconds to hand over, milliseconds to wait."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from crossmodel.errors import WitnessError
from crossmodel.witness.handing_over.spool import SEGMENT_BYTES, Position, Progress, Spool

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.002
"""How long a record waits for others before they are written to the spool together."""

POLL_SECONDS: Final = 0.001
"""How often those who wait look how far the writer has got."""

WATCH_SECONDS: Final = 0.25
"""How often it is looked whether a writer lives, while something is left for it to do."""

STALL_SECONDS: Final = 60.0
"""How long a writer that lives may write nothing before those who wait are told."""

MOST_FAILURES: Final = 5
"""How often in a row the writer may end without having written anything, likewise."""

MOST_DELAY_SECONDS: Final = 5.0

Start = Callable[[], int]
"""Starts a writer process; its number."""


class WriterKeeper:
    """Sees to it that a writer lives: starts one where none is, more slowly each time it fails."""

    def __init__(self, start: Start) -> None:
        self.failures = 0
        self._start = start
        self._child: int | None = None
        self._not_before = 0.0

    def look(self, *, is_alive: bool) -> None:
        """Start a writer unless one lives, is starting, or has failed just now."""
        ended = self._reap()
        if is_alive or self._child is not None:
            return
        now = time.monotonic()
        if ended is not None and ended != 0:
            self._fail(now)
        if now >= self._not_before:
            try:
                self._child = self._start()
            except OSError:
                logger.exception("the writer process cannot be started")
                self._fail(now)

    def succeed(self) -> None:
        """Note that the writer has got on since."""
        self.failures = 0

    def _fail(self, now: float) -> None:
        self.failures += 1
        self._not_before = now + min(0.05 * 2**self.failures, MOST_DELAY_SECONDS)

    def _reap(self) -> int | None:
        """The exit status of a writer of ours that has ended since."""
        if self._child is None:
            return None
        try:
            child, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:  # somebody else has waited for it
            self._child = None
            return 0
        if child == 0:
            return None
        self._child = None
        return status


class Handover:
    """One producer's way to the writer, inside one event loop.

    Args:
        spool: where records go.
        start: starts a writer process; called where none lives.
    """

    def __init__(self, spool: Spool, start: Start) -> None:
        self.spool = spool
        self._keeper = WriterKeeper(start)
        self._loop = asyncio.get_running_loop()
        self._flushing: asyncio.TimerHandle | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._polling: asyncio.TimerHandle | None = None
        self._waiting: deque[tuple[Position, asyncio.Future[None]]] = deque()
        self._coming: list[asyncio.Future[None]] = []
        self._seen = Progress(Position(0, 0))
        self._seen_at = time.monotonic()
        self._refused = 0
        self._is_failing = False
        self._attend()  # a writer needs a moment to start, and may find what others have left

    def append(self, body: bytes) -> None:
        """Hand a record over: it outlives this process within two milliseconds.

        Raises:
            WitnessError: if the spool cannot be written; the record has not been taken then.
        """
        self.spool.append(body)
        if self._flushing is None:
            self._flushing = self._loop.call_later(FLUSH_SECONDS, self._flush_in_time)

    async def append_durably(self, body: bytes) -> None:
        """Hand a record over and wait until it would outlive the machine: see :meth:`settle`."""
        self.spool.append(body)
        await self.settle()

    async def settle(self) -> None:
        """Wait until everything that was handed over is durable.

        Raises:
            WitnessError: if the spool cannot be written, a record could not be kept, or the writer
                fails again and again; nothing is lost then, and it may be called again.
        """
        waiter: asyncio.Future[None] = self._loop.create_future()
        if not self._coming:  # all who come in one round of the loop share a write
            self._loop.call_soon(self._flush_for_waiting)
        self._coming.append(waiter)
        await waiter

    async def close(self) -> None:
        """Settle, and let go of the spool; what could not be settled is written by a later writer.

        Raises:
            WitnessError: as :meth:`settle` does; the spool is let go of all the same.
        """
        try:
            await self.settle()
        finally:
            for timer in (self._flushing, self._watching, self._polling):
                if timer is not None:
                    timer.cancel()
            self.spool.close()

    @property
    def waiting_bytes(self) -> int:
        """About how much was handed over and is not durable in the store yet."""
        written, done = self.spool.written, self.spool.progress().position
        whole = (written.segment - done.segment) * SEGMENT_BYTES
        return max(0, whole + written.offset - done.offset)

    def _flush_in_time(self) -> None:
        self._flushing = None
        try:
            self.spool.flush()
        except WitnessError:
            if not self._is_failing:
                logger.exception("records wait in memory; the next one to be handed over is told")
            self._is_failing = True
            self._flushing = self._loop.call_later(WATCH_SECONDS, self._flush_in_time)
            return
        self._is_failing = False
        self._attend()

    def _flush_for_waiting(self) -> None:
        coming, self._coming = self._coming, []
        try:
            end = self.spool.flush()
        except WitnessError as error:
            for waiter in coming:
                if not waiter.done():
                    waiter.set_exception(WitnessError(str(error)))
            return
        if not self._waiting:
            self._seen_at = time.monotonic()
        self._waiting += [(end, waiter) for waiter in coming]
        if self._look().position < end:
            self._attend()
        if self._polling is None:
            self._poll()

    def _attend(self) -> None:
        """Wake the writer, or start one; look again later, whether it still lives."""
        self._keeper.look(is_alive=self.spool.wake())
        if self._watching is None:
            self._watching = self._loop.call_later(WATCH_SECONDS, self._watch)

    def _watch(self) -> None:
        self._watching = None
        if self._look().position < self.spool.written:
            self._attend()

    def _look(self) -> Progress:
        progress = self.spool.progress()
        if progress != self._seen:
            self._seen = progress
            self._seen_at = time.monotonic()
            self._keeper.succeed()
        return progress

    def _poll(self) -> None:
        """Tell those whose records are durable, or all of them that something is wrong."""
        self._polling = None
        progress = self._look()
        trouble = self._trouble(progress)
        while self._waiting and (trouble or self._waiting[0][0] <= progress.position):
            _, waiter = self._waiting.popleft()
            if waiter.done():
                continue  # who waited has left
            if trouble:
                waiter.set_exception(WitnessError(trouble))
            else:
                waiter.set_result(None)
        if self._waiting:
            self._polling = self._loop.call_later(POLL_SECONDS, self._poll)

    def _trouble(self, progress: Progress) -> str:
        """What is to be told to those who wait, if anything."""
        kept = f"nothing is lost: {self.spool.folder} keeps what was handed over"
        log = f"see {self.spool.folder.parent / 'writer.log'}"
        if progress.refused > self._refused:
            count = progress.refused - self._refused
            self._refused = progress.refused
            return f"{count} records could not be written and are kept in refused/; {log}"
        if self._keeper.failures >= MOST_FAILURES:
            return f"the writer process has failed {self._keeper.failures} times; {log}; {kept}"
        if time.monotonic() - self._seen_at > STALL_SECONDS:
            return f"the writer has written nothing for {STALL_SECONDS:.0f} s; {log}; {kept}"
        return ""
