"""The steps from results of checks to deliveries, for one event loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from crossmodel.domain.alerts import Alert, AlertState, Silence
from crossmodel.domain.operations import HealthCheckResult
from crossmodel.telemetry.alerts.grouping import Grouping, remind_at
from crossmodel.telemetry.alerts.messages import notification_of
from crossmodel.telemetry.alerts.outbox import Outbox
from crossmodel.telemetry.alerts.policy import AlertPolicy
from crossmodel.telemetry.alerts.sending import SinkWorker
from crossmodel.telemetry.alerts.sink import AlertSink
from crossmodel.telemetry.alerts.tracking import Tracker, history_begins

logger = logging.getLogger(__name__)


KEPT: Final = timedelta(days=400)
"""How long alerts are kept after they were over: reports tell of a year."""

TOLD_KEPT: Final = timedelta(days=30)
"""How long notifications are kept, and silences after they have ended."""

PRUNING: Final = timedelta(days=1)


class Dispatcher:
    """Takes results in, and says when it wants to be called again.

    Whoever calls it may stop at any moment: what was promised is in the outbox, and what was not
    yet is made up for from the alerts that are kept there.

    Attributes:
        alerts: those that last, and those whose end is still to be told; may be read from any
            thread.
        muted: silences of this process alone, beside those of the outbox.
        owes: whether something is untold that only waits for others of its group.
    """

    def __init__(
        self,
        sinks: Sequence[AlertSink],
        outbox: Outbox,
        policy: AlertPolicy,
        *,
        instance: str,
        clock: Callable[[], datetime],
    ) -> None:
        self.alerts: tuple[Alert, ...] = ()
        self.muted: list[Silence] = []
        self.owes = False
        self.tracker = Tracker(policy, instance)
        self.workers = [SinkWorker(sink, outbox, policy, clock) for sink in sinks]
        self._outbox = outbox
        self._policy = policy
        self._instance = instance
        self._clock = clock
        self._grouping = Grouping(policy)
        self._is_restored = False
        self._prune_at: datetime | None = None

    async def take(self, results: Iterable[HealthCheckResult]) -> None:
        """Take results in; alerts that have begun or ended are kept when this returns."""
        await self._restore()
        changed: dict[str, Alert] = {}
        for result in results:
            try:
                found = self.tracker.observe(result, self._clock())
            except Exception:  # of a result that is none: the others must not suffer from it
                logger.exception("a result of %s cannot be understood", result.check_name)
                continue
            changed |= {alert.id: alert for alert in found}
        self.alerts = tuple(self.tracker.alerts())
        if changed:
            await self._outbox.commit(list(changed.values()))

    async def tell(self, *, at_once: bool = False) -> datetime | None:
        """Promise what is to be told by now; returns when to come again, ``None`` for never."""
        await self._restore()
        now = self._clock()
        await self._prune(now)
        untold, next_at = self._untold(now)
        if not untold:
            self.owes = False
            return next_at
        self.muted = [each for each in self.muted if each.until > now]
        silences = [*self.muted, *await self._outbox.silences(now)]
        loud = [each for each in untold if not _is_muted(each, silences)]
        await self._pass_over(untold, loud, now)
        batches, again_at = self._grouping.due(loud, now, at_once=at_once)
        self.owes = again_at is not None
        for batch in batches:
            notification = notification_of(batch, now)
            told = [_told(alert, now) for alert in batch.alerts]
            wanted = [
                worker.sink.name
                for worker in self.workers
                if worker.sink.least_severity.rank <= notification.severity.rank
            ]
            await self._outbox.commit(told, [(notification, wanted)] if wanted else [])
            self._grouping.told(batch, now)
            for alert in told:
                self.tracker.update(alert)
        self.alerts = tuple(self.tracker.alerts())
        ends = [each.until for each in silences if len(loud) < len(untold)]
        return min((at for at in (next_at, again_at, *ends) if at is not None), default=None)

    async def _restore(self) -> None:
        if not self._is_restored:
            since = history_begins(self._policy, self._clock())
            self.tracker.restore(await self._outbox.restore(self._instance, since))
            self._is_restored = True

    async def _prune(self, now: datetime) -> None:
        if self._prune_at is None or now >= self._prune_at:
            self._prune_at = now + PRUNING
            await self._outbox.prune(now - KEPT, now - TOLD_KEPT)

    def _untold(self, now: datetime) -> tuple[list[Alert], datetime | None]:
        """Alerts that somebody should hear of now, and when the next reminder is due."""
        untold, next_at = [], None
        for alert in self.tracker.alerts():
            if alert.told is not alert.state:
                untold.append(alert)
            elif (at := remind_at(alert, self._policy)) is not None:
                if at <= now:
                    untold.append(alert)
                elif next_at is None or at < next_at:
                    next_at = at
        return untold, next_at

    async def _pass_over(
        self, untold: Sequence[Alert], loud: Sequence[Alert], now: datetime
    ) -> None:
        """Let trouble that began and ended in silence rest."""
        heard = {alert.id for alert in loud}
        passed = [
            _told(alert, now)
            for alert in untold
            if alert.id not in heard and alert.state is AlertState.RESOLVED
        ]
        if passed:
            await self._outbox.commit(passed)
            for alert in passed:
                self.tracker.update(alert)


def _is_muted(alert: Alert, silences: Sequence[Silence]) -> bool:
    """Whether somebody wants not to hear of it; who heard of an alarm hears of its end too."""
    if alert.state is AlertState.RESOLVED and alert.told is AlertState.FIRING:
        return False
    return any(silence.mutes(alert) for silence in silences)


def _told(alert: Alert, now: datetime) -> Alert:
    reminders = alert.reminders + (alert.told is alert.state)
    return replace(alert, told=alert.state, told_at=now, reminders=reminders)
