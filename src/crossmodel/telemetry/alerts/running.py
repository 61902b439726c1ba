"""Dispatching and sending, at the same time, inside one event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from crossmodel.domain.operations import HealthCheckResult
from crossmodel.telemetry.alerts.dispatch import Dispatcher
from crossmodel.telemetry.alerts.sending import SinkWorker

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 30.0
"""How often, at least, it is looked for what other processes have left and whom silences mute."""

IDLE_SECONDS: Final = 1.0
"""How long nothing must be left to do until there is an offer to end."""

ERROR_SECONDS: Final = 5.0
"""How long a part rests after an error that nobody foresaw."""


class Running:
    """One run, from the start of a thread to its end. Made inside its event loop.

    Args:
        dispatcher: what is run.
        take: gives the results that have come.
        may_end: asked when nothing is left to do, or all was done that can be done at the end;
            if it says so, all of it ends.
        clock: tells the time.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        take: Callable[[], list[HealthCheckResult]],
        may_end: Callable[[], bool],
        clock: Callable[[], datetime],
    ) -> None:
        self._dispatcher = dispatcher
        self._take = take
        self._may_end = may_end
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._senders = [_Sender(worker, clock) for worker in dispatcher.workers]
        self._is_closing = False

    def wake(self) -> None:
        """Something has come. Safe to call from any thread."""
        self._loop.call_soon_threadsafe(self._woken.set)

    def close(self) -> None:
        """Tell and deliver what can be, and end. Safe to call from any thread."""
        self._loop.call_soon_threadsafe(self._close)

    async def run(self) -> None:
        """Go on until all of it may end."""
        tasks = [asyncio.create_task(sender.run()) for sender in self._senders]
        try:
            await self._dispatch(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _dispatch(self, tasks: list[asyncio.Task[None]]) -> None:
        busy_at = time.monotonic()
        while True:
            self._woken.clear()
            next_at = await self._step()
            for sender in self._senders:
                sender.poke()
            if self._is_closing:
                for sender in self._senders:
                    sender.finish()
                await asyncio.gather(*tasks)
                await asyncio.gather(*(sender.drain() for sender in self._senders))
            if self._dispatcher.owes or any(sender.is_busy for sender in self._senders):
                busy_at = time.monotonic()
            is_idle = time.monotonic() - busy_at >= IDLE_SECONDS
            if (is_idle or self._is_closing) and self._may_end():
                return
            most = LOOK_SECONDS if is_idle else IDLE_SECONDS
            await _wait(self._woken, next_at, self._clock, most=most)

    async def _step(self) -> datetime | None:
        try:
            await self._dispatcher.take(self._take())
            return await self._dispatcher.tell(at_once=self._is_closing)
        except Exception:
            logger.exception("alerts could not be told; they are tried again")
            if not self._is_closing:
                await asyncio.sleep(ERROR_SECONDS)
            return None

    def _close(self) -> None:
        self._is_closing = True
        self._woken.set()


class _Sender:
    """Delivers to one sink as things become due."""

    def __init__(self, worker: SinkWorker, clock: Callable[[], datetime]) -> None:
        self.is_busy = True
        self._worker = worker
        self._clock = clock
        self._poked = asyncio.Event()
        self._is_finishing = False

    def poke(self) -> None:
        """There may be something to deliver."""
        self._poked.set()

    def finish(self) -> None:
        """End after what is under way."""
        self._is_finishing = True
        self._poked.set()

    async def run(self) -> None:
        """Deliver on and on."""
        while not self._is_finishing:
            self._poked.clear()
            next_at = await self.drain()
            self.is_busy = next_at is not None
            await _wait(self._poked, next_at, self._clock, most=LOOK_SECONDS)
            self.is_busy = True

    async def drain(self) -> datetime | None:
        """Deliver what can be delivered now; returns when there is more, ``None`` for never."""
        while True:
            next_at = await self._step()
            if next_at is None or next_at > self._clock():
                return next_at

    async def _step(self) -> datetime | None:
        try:
            return await self._worker.step()
        except Exception:
            logger.exception("sink %s could not be served", self._worker.sink.name)
            if not self._is_finishing:
                await asyncio.sleep(ERROR_SECONDS)
            return None


async def _wait(
    event: asyncio.Event, until: datetime | None, clock: Callable[[], datetime], *, most: float
) -> None:
    """Until the event, that moment, or so many seconds have passed."""
    left = most if until is None else (until - clock()).total_seconds()
    try:
        async with asyncio.timeout(max(0.0, min(left, most))):
            await event.wait()
    except TimeoutError:
        return
