"""Delivering to one sink: in order, with back-off while it is dead, never twice what it took."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from crossmodel.domain.alerts import Delivery
from crossmodel.errors import StoreError
from crossmodel.telemetry.alerts.outbox import Outbox
from crossmodel.telemetry.alerts.policy import AlertPolicy
from crossmodel.telemetry.alerts.sink import AlertSink, SinkError
from crossmodel.telemetry.alerts.tracking import clean
from crossmodel.telemetry.threads import call_in_thread

logger = logging.getLogger(__name__)

FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 300.0
"""A sink that fails is left alone for one second, then for twice as long each time, up to this."""

JITTER: Final = 0.2
"""The waits are longer by up to this share, so that processes do not all come at once."""

LONGEST_ASKED_SECONDS: Final = 3600.0
"""A receiver may ask to be left alone for at most this long."""

CLAIM_SLACK_SECONDS: Final = 10.0
"""How much longer than the sink's own time limit a delivery stays ours."""

STORE_SECONDS: Final = 5.0
"""After how long a store that failed is asked again."""


@dataclass(slots=True)
class SinkCounts:
    """What one sink was sent since the start.

    Attributes:
        delivered: notifications that it took.
        failed: attempts that it did not take.
        given_up: notifications that it will not be sent again.
        last_error: why the last attempt failed; empty if it did not.
    """

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    last_error: str = ""


class SinkWorker:
    """Delivers to one sink, one notification at a time."""

    def __init__(
        self, sink: AlertSink, outbox: Outbox, policy: AlertPolicy, clock: Callable[[], datetime]
    ) -> None:
        self.sink = sink
        self.counts = SinkCounts()
        self._outbox = outbox
        self._policy = policy
        self._clock = clock
        self._failures = 0
        self._not_before: datetime | None = None
        self._hanging: Future[None] | None = None
        self._taken = ""  # the last one that the sink took, in case the outbox does not hear of it

    @property
    def is_dead(self) -> bool:
        """Whether it has failed since it last took something."""
        return self._failures > 0

    async def step(self) -> datetime | None:
        """Deliver what is due; returns when to come again, ``None`` if nothing is left to do.

        One notification a call: others get their turn.
        """
        now = self._clock()
        if self._not_before is not None:
            farthest = now + timedelta(seconds=LONGEST_ASKED_SECONDS)  # a clock may be set back
            self._not_before = min(self._not_before, farthest)
            if now < self._not_before:
                return self._not_before
        until = now + timedelta(seconds=self.sink.time_limit_seconds + CLAIM_SLACK_SECONDS)
        try:
            delivery, again_at = await self._outbox.claim(self.sink.name, now, until)
            if delivery is None:
                return again_at
            await self._attempt(delivery)
        except StoreError as error:
            logger.warning("what sink %s took cannot be noted yet: %s", self.sink.name, error)
            self._not_before = self._clock() + timedelta(seconds=STORE_SECONDS)
        return self._not_before or self._clock()

    async def _attempt(self, delivery: Delivery) -> None:
        if delivery.notification.id != self._taken:
            error = await self._deliver(delivery)
            if error is not None:
                await self._fail(delivery, error)
                return
            self._taken = delivery.notification.id
            self.counts.delivered += 1
            self.counts.last_error = ""
        self._failures, self._not_before = 0, None
        await self._outbox.settle(delivery, self._clock())

    async def _deliver(self, delivery: Delivery) -> SinkError | None:
        """What went wrong; ``None`` once the sink has taken it."""
        if self._hanging is not None and not self._hanging.done():
            return SinkError("the attempt before this one has not ended yet")
        sink, limit = self.sink, self.sink.time_limit_seconds
        call = self._hanging = call_in_thread(
            lambda: sink.deliver(delivery.notification), name=f"crossmodel-sink-{sink.name}"
        )
        try:
            async with asyncio.timeout(limit):
                await asyncio.shield(asyncio.wrap_future(call))
        except TimeoutError:
            return SinkError(f"it took more than {limit:g} s")
        except SinkError as error:
            return error
        except Exception as error:  # noqa: BLE001 - of a sink that somebody else wrote
            return SinkError(type(error).__name__)  # its text may hold anything
        return None

    async def _fail(self, delivery: Delivery, error: SinkError) -> None:
        now, notification = self._clock(), delivery.notification
        self.counts.failed += 1
        self.counts.last_error = reason = clean(str(error))
        age = (now - notification.created_at).total_seconds()
        if error.is_final or age >= self._policy.give_up_seconds:
            self.counts.given_up += 1
            self._failures, self._not_before = 0, None
            logger.error(
                "sink %s will not be told: %s: %s", self.sink.name, notification.title, reason
            )
            await self._outbox.settle(delivery, now, error=reason)
            return
        if not self._failures:
            logger.warning("sink %s fails, and is tried again: %s", self.sink.name, reason)
        wait = min(FIRST_WAIT_SECONDS * 2.0 ** min(self._failures, 16), LONGEST_WAIT_SECONDS)
        wait *= 1 + JITTER * random.random()  # noqa: S311 - nothing secret
        asked = error.retry_after_seconds or 0.0
        self._failures += 1
        self._not_before = now + timedelta(seconds=max(wait, min(asked, LONGEST_ASKED_SECONDS)))
        await self._outbox.settle(delivery, now, error=reason, again_at=self._not_before)
