"""Where alerts and promises are kept: in the store, or in memory where there is none."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from crossmodel.domain.alerts import Alert, Delivery, Notification, Silence
from crossmodel.errors import StoreError
from crossmodel.ports import Store, Transaction

logger = logging.getLogger(__name__)

MOST_IN_MEMORY: Final = 1000
"""Notifications that wait for one sink in memory; the oldest are lost first, and it is logged."""

Promise = tuple[Notification, Collection[str]]
"""A notification and the sinks that it is for."""


class Outbox(Protocol):
    """As :class:`~crossmodel.ports.AlertTransaction` has them, each call durable by itself."""

    async def restore(self, instance: str, since: datetime) -> list[Alert]:
        """What an instance goes on with."""
        ...

    async def commit(self, alerts: Sequence[Alert], promises: Sequence[Promise] = ()) -> None:
        """Keep alerts as they are now, and promises: all of it, or nothing."""
        ...

    async def silences(self, at: datetime) -> Sequence[Silence]:
        """Those that last."""
        ...

    async def claim(
        self, sink: str, now: datetime, until: datetime
    ) -> tuple[Delivery | None, datetime | None]:
        """The sink's next delivery, or when to ask again."""
        ...

    async def settle(
        self,
        delivery: Delivery,
        at: datetime,
        *,
        error: str = "",
        again_at: datetime | None = None,
    ) -> None:
        """Say how an attempt went."""
        ...

    async def prune(self, before: datetime, told_before: datetime) -> None:
        """Forget alerts that were over, and notifications of, before then."""
        ...


class StoreOutbox:
    """In a store: it outlives the process, and several processes share it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def restore(self, instance: str, since: datetime) -> list[Alert]:
        """What an instance goes on with."""
        return await self._store.read(lambda tx: tx.alerts_of(instance, since))

    async def commit(self, alerts: Sequence[Alert], promises: Sequence[Promise] = ()) -> None:
        """Keep alerts and promises in one transaction."""

        def work(tx: Transaction) -> None:
            tx.put_alerts(alerts)
            for notification, sinks in promises:
                tx.add_notification(notification, sinks)

        await self._store.transact(work)

    async def silences(self, at: datetime) -> Sequence[Silence]:
        """Those that last."""
        return await self._store.read(lambda tx: tx.silences(at))

    async def claim(
        self, sink: str, now: datetime, until: datetime
    ) -> tuple[Delivery | None, datetime | None]:
        """The sink's next delivery, or when to ask again."""
        return await self._store.transact(lambda tx: tx.claim_delivery(sink, now, until))

    async def settle(
        self,
        delivery: Delivery,
        at: datetime,
        *,
        error: str = "",
        again_at: datetime | None = None,
    ) -> None:
        """Say how an attempt went."""
        await self._store.transact(
            lambda tx: tx.settle_delivery(delivery, at, error=error, again_at=again_at)
        )

    async def prune(self, before: datetime, told_before: datetime) -> None:
        """Forget alerts that were over, and notifications of, before then."""
        await self._store.transact(lambda tx: tx.prune_alerts(before, told_before))


@dataclass(slots=True)
class _Waiting:
    delivery: Delivery
    due_at: datetime


@dataclass(slots=True)
class MemoryOutbox:
    """In memory: it ends with the process, and is bounded."""

    _waiting: dict[str, deque[_Waiting]] = field(default_factory=dict)

    async def restore(self, instance: str, since: datetime) -> list[Alert]:  # noqa: ARG002 - the port's
        """Nothing: there was no earlier process."""
        return []

    async def commit(self, alerts: Sequence[Alert], promises: Sequence[Promise] = ()) -> None:  # noqa: ARG002 - the port's
        """Keep promises; the alerts are in memory as it is."""
        for notification, sinks in promises:
            for sink in sinks:
                of = self._waiting.setdefault(sink, deque())
                if len(of) >= MOST_IN_MEMORY:
                    gone = of.popleft().delivery.notification
                    logger.error("sink %s will never be told: %s", sink, gone.title)
                of.append(_Waiting(Delivery(notification, sink), notification.created_at))

    async def silences(self, at: datetime) -> Sequence[Silence]:  # noqa: ARG002 - the port's
        """None: they are kept in a store, or by the dispatcher."""
        return ()

    async def claim(
        self, sink: str, now: datetime, until: datetime
    ) -> tuple[Delivery | None, datetime | None]:
        """The sink's next delivery, or when to ask again."""
        of = self._waiting.get(sink)
        if not of:
            return None, None
        if of[0].due_at > now:
            return None, of[0].due_at
        of[0].due_at = until
        return of[0].delivery, None

    async def settle(
        self,
        delivery: Delivery,
        at: datetime,  # noqa: ARG002 - the port's
        *,
        error: str = "",
        again_at: datetime | None = None,
    ) -> None:
        """Say how an attempt went."""
        of = self._waiting.get(delivery.sink)
        if not of or of[0].delivery.notification.id != delivery.notification.id:
            return  # too many came since: it was dropped
        if error and again_at is not None:
            of[0].delivery = replace(delivery, attempts=delivery.attempts + 1)
            of[0].due_at = again_at
        else:
            of.popleft()

    async def prune(self, before: datetime, told_before: datetime) -> None:
        """Nothing: it is bounded by number."""


class SparedOutbox:
    """An outbox that goes on in memory while the store fails: that may be what is to be told.

    What could not be kept is kept as soon as the store takes something again.

    Attributes:
        is_failing: whether the store refused the last time.
    """

    def __init__(self, kept: StoreOutbox) -> None:
        self.is_failing = False
        self._kept = kept
        self._spare = MemoryOutbox()
        self._owed: dict[str, Alert] = {}
        self._silences: Sequence[Silence] = ()

    async def restore(self, instance: str, since: datetime) -> list[Alert]:
        """What an instance goes on with; nothing if the store does not say."""
        try:
            return await self._kept.restore(instance, since)
        except StoreError as error:
            self._fail(error)
            return []

    async def commit(self, alerts: Sequence[Alert], promises: Sequence[Promise] = ()) -> None:
        """Keep alerts and promises, those that are owed before others."""
        owed = self._owed | {alert.id: alert for alert in alerts}
        try:
            await self._kept.commit(list(owed.values()), promises)
        except StoreError as error:
            self._fail(error)
            self._owed = owed
            await self._spare.commit(alerts, promises)
        else:
            self._owed = {}
            self.is_failing = False

    async def silences(self, at: datetime) -> Sequence[Silence]:
        """Those that last, as the store said last."""
        try:
            self._silences = await self._kept.silences(at)
        except StoreError as error:
            self._fail(error)
        return [each for each in self._silences if each.until > at]

    async def claim(
        self, sink: str, now: datetime, until: datetime
    ) -> tuple[Delivery | None, datetime | None]:
        """The sink's next delivery, or when to ask again; those in memory come first."""
        delivery, again_at = await self._spare.claim(sink, now, until)
        if delivery is not None:
            return delivery, None
        try:
            kept, kept_at = await self._kept.claim(sink, now, until)
        except StoreError as error:
            self._fail(error)
            return None, again_at
        return kept, None if kept else min((t for t in (again_at, kept_at) if t), default=None)

    async def settle(
        self,
        delivery: Delivery,
        at: datetime,
        *,
        error: str = "",
        again_at: datetime | None = None,
    ) -> None:
        """Say how an attempt went, where it is kept."""
        await self._spare.settle(delivery, at, error=error, again_at=again_at)
        await self._kept.settle(delivery, at, error=error, again_at=again_at)

    async def prune(self, before: datetime, told_before: datetime) -> None:
        """Forget alerts that were over, and notifications of, before then."""
        try:
            await self._kept.prune(before, told_before)
        except StoreError as error:
            self._fail(error)

    def _fail(self, error: StoreError) -> None:
        if not self.is_failing:
            logger.error("alerts are kept in memory alone until the store is well: %s", error)
        self.is_failing = True
