"""The door to alerts: makes nobody wait, and works in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import logging
import platform
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from crossmodel.domain.alerts import Alert, Silence
from crossmodel.domain.operations import HealthCheckResult
from crossmodel.domain.period import utc_now
from crossmodel.errors import InvalidInputError
from crossmodel.ports import Store
from crossmodel.telemetry.alerts.dispatch import Dispatcher
from crossmodel.telemetry.alerts.inbox import Inbox
from crossmodel.telemetry.alerts.outbox import MemoryOutbox, SparedOutbox, StoreOutbox
from crossmodel.telemetry.alerts.policy import AlertPolicy
from crossmodel.telemetry.alerts.running import Running
from crossmodel.telemetry.alerts.sending import SinkCounts
from crossmodel.telemetry.alerts.sink import AlertSink
from crossmodel.telemetry.alerts.sinks.log import LogSink

logger = logging.getLogger(__name__)

MOST_SINKS: Final = 32

CLOSE_SECONDS: Final = 5.0
"""How long closing waits for what is on its way."""


class AlertManager:
    """Tells people of trouble, once, and of its end.

    A thread delivers. It starts with the first alert and ends when all is told; after
    :meth:`start` it lives until :meth:`close`, and delivers what earlier processes have left.
    Both may be used as ``with AlertManager(…) as alerts``.

    Args:
        sinks: who is told; left out, the log is.
        store: where alerts outlive the process; without one they are kept in memory.
        policy: when trouble is an alert, and how often it is told.
        instance: names this host or process in alerts, and its alerts in the store: two processes
            that share a store need two names. The name of the machine if empty.
        clock: tells the time.

    Raises:
        InvalidInputError: if there are too many sinks, or two of one name.
    """

    def __init__(
        self,
        sinks: Sequence[AlertSink] | None = None,
        *,
        store: Store | None = None,
        policy: AlertPolicy | None = None,
        instance: str = "",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        told = [LogSink()] if sinks is None else list(sinks)
        names = [sink.name for sink in told]
        if len(told) > MOST_SINKS or len(set(names)) < len(names):
            raise InvalidInputError(
                f"sinks must be at most {MOST_SINKS}, each of a name of its own: {names}"
            )
        self.instance = instance or platform.node() or "crossmodel"
        outbox = MemoryOutbox() if store is None else SparedOutbox(StoreOutbox(store))
        self._dispatcher = Dispatcher(
            told, outbox, policy or AlertPolicy(), instance=self.instance, clock=clock
        )
        self._clock = clock
        self._inbox = Inbox()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running: Running | None = None
        self._is_woken = False
        self._stays = False
        self._closes_at_once = False  # told to close before it had begun

    def send_alert(self, check_result: HealthCheckResult) -> None:
        """Take a result in, healthy or not, and return at once.

        Its findings are all that is wrong with what the check watches: what an earlier result
        named and this one does not is on its way to recovery.

        Raises:
            InvalidInputError: if it is no result.
        """
        if not isinstance(check_result, HealthCheckResult):
            kind = type(check_result).__name__
            raise InvalidInputError(f"check_result must be a HealthCheckResult, not {kind}")
        self._inbox.put(check_result)
        if not self._is_woken:
            self._rouse()

    def send_recovery(self, check_result: HealthCheckResult) -> None:
        """Take in that a check found nothing wrong; the same as :meth:`send_alert`."""
        self.send_alert(check_result)

    def silence(self, silence: Silence) -> None:
        """Let nobody be told of what it mutes, in this process alone, until it ends.

        Those that are kept in the store count for every process that shares it.
        """
        self._dispatcher.muted = [*self._dispatcher.muted, silence]

    def start(self) -> None:
        """Let the thread live until :meth:`close`; again is no error."""
        self._stays = True
        self._rouse()

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> bool:
        """Tell what is to be told, deliver what can be delivered, and let the thread end.

        Returns whether it has within that time. What could not be delivered is in the store, if
        there is one.
        """
        with self._lock:
            thread, self._stays = self._thread, False
            if self._running is not None:
                self._running.close()
            self._closes_at_once = thread is not None and self._running is None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_seconds)
        return thread is None or not thread.is_alive()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def alerts(self) -> list[Alert]:
        """Those that last as far as this process knows, and those whose end is still to be told."""
        return list(self._dispatcher.alerts)

    @property
    def dropped(self) -> int:
        """Results and findings that became no alert since there were too many."""
        return self._inbox.dropped + self._dispatcher.tracker.dropped

    @property
    def delivery_counts(self) -> dict[str, SinkCounts]:
        """What each sink was sent since the start, by its name."""
        return {worker.sink.name: worker.counts for worker in self._dispatcher.workers}

    @property
    def dead_sinks(self) -> list[str]:
        """Sinks that have failed since they last took something."""
        return [worker.sink.name for worker in self._dispatcher.workers if worker.is_dead]

    def _rouse(self) -> None:
        """Let the thread look at what is new; it is started if there is none."""
        with self._lock:
            self._is_woken = True
            if self._thread is None:
                thread = self._thread = threading.Thread(
                    target=self._run, name="crossmodel-alerts", daemon=True
                )
                atexit.register(self.close)  # the alarm of a script that ends at once
                thread.start()
            elif self._running is not None:
                self._running.wake()

    def _run(self) -> None:
        """What the thread does; should it fail, the next result starts another."""
        try:
            asyncio.run(self._work())
        except Exception:
            logger.exception("no alerts are delivered until the next result comes")
            with self._lock:
                self._forget_thread()

    async def _work(self) -> None:
        running = Running(self._dispatcher, self._take, self._may_end, self._clock)
        with self._lock:
            self._running = running
            if self._closes_at_once:
                running.close()
        await running.run()

    def _take(self) -> list[HealthCheckResult]:
        self._is_woken = False  # who comes from here on wakes the thread again
        return self._inbox.take()

    def _may_end(self) -> bool:
        """Whether the thread may end, and then it must."""
        with self._lock:
            self._is_woken = False
            if self._stays or len(self._inbox):
                return False
            self._forget_thread()
            return True

    def _forget_thread(self) -> None:
        atexit.unregister(self.close)  # it would keep the manager alive
        self._thread = self._running = None
        self._is_woken = self._closes_at_once = False
