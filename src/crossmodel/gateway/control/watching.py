"""The watch over a running gateway: its checks, its alerts, and the thread that performs them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Final

from crossmodel.assembly import CrossModel
from crossmodel.balancing import CircuitState
from crossmodel.domain.operations import HealthStatus
from crossmodel.domain.period import utc_now
from crossmodel.gateway.control.figures import TrafficWindow
from crossmodel.gateway.control.ports import ModelState, Operations
from crossmodel.gateway.metrics import Metrics
from crossmodel.monitoring import (
    PROBE_SHARE,
    ModelProbes,
    Probes,
    Untold,
    alert_manager,
    health_checks,
    look_at_store,
)
from crossmodel.telemetry.alerts.manager import AlertManager
from crossmodel.telemetry.health.availability import ModelProbe
from crossmodel.telemetry.health.loop_lag import LoopLag
from crossmodel.telemetry.health.monitor import CrossModelConsciousnessHealthMonitor
from crossmodel.telemetry.health.stored import StoreFigures

FRESH_SECONDS: Final = 5.0
"""For how long an answer counts: however often somebody asks, models are probed no oftener."""


class Watch:
    """Made inside the gateway's event loop; the checks run in threads of their own."""

    def __init__(self, cm: CrossModel, operations: Operations, metrics: Metrics) -> None:
        self._cm = cm
        self._operations = operations
        self._loop = asyncio.get_running_loop()
        self._lag = LoopLag(self._loop)
        health = cm.settings.health
        self._probes = ModelProbes(timeout_seconds=health.time_limit_seconds * PROBE_SHARE)
        self.alerts: AlertManager | None = None
        self.monitor = CrossModelConsciousnessHealthMonitor(
            health_checks(
                cm.settings,
                probes=self._models,
                store=self._store,
                figures=TrafficWindow(metrics, health.window_seconds),
                loop_lag=self._lag,
            ),
            alert_manager=Untold(),
            time_limit_seconds=health.time_limit_seconds,
        )
        self._performing: asyncio.Task[HealthStatus] | None = None

    def start(self) -> None:
        """Look again and again from now on, and tell of it as the settings say.

        Raises:
            ConfigurationError: if a sink cannot be used.
        """
        self.alerts = alert_manager(self._cm.settings, self._cm.engine.store)
        self.monitor.alert_manager = self.alerts
        self.alerts.start()
        self._lag.start()
        self.monitor.start_monitoring(self._cm.settings.health.interval_seconds)

    async def stop(self) -> None:
        """End; what could not be delivered is in the store."""
        self._lag.stop()
        if self._performing is not None:
            await asyncio.wait([self._performing])
        await asyncio.to_thread(self.monitor.stop_monitoring)
        if self.alerts is not None:
            await asyncio.to_thread(self.alerts.close)

    async def status(self) -> HealthStatus:
        """What was found last, if it is fresh or the watch goes on; else what is found now."""
        last = self.monitor.last_status
        fresh = timedelta(seconds=FRESH_SECONDS)
        if last is not None and (self.monitor.is_monitoring or utc_now() - last.checked_at < fresh):
            return last
        if self._performing is None or self._performing.done():
            work = asyncio.to_thread(self.monitor.perform_health_check)
            self._performing = asyncio.create_task(work)
        return await asyncio.shield(self._performing)

    def _models(self) -> Probes:
        """Probes of the models that are configured and enabled now. Called in a check's thread."""

        async def look() -> list[ModelState]:
            return [state for state in self._operations.models() if state.is_enabled]

        settings = self._cm.settings
        limit = settings.health.time_limit_seconds * PROBE_SHARE
        # a loop that does not turn is a finding of the check
        states = asyncio.run_coroutine_threadsafe(look(), self._loop).result(limit)
        asking = self._probes.of(settings.providers, [state.spec for state in states])
        return {
            state.spec.id: _with_state(state, asking[state.spec.id])
            for state in states
            if state.spec.id in asking
        }

    def _store(self) -> StoreFigures:
        """Called in a check's thread, with an event loop of its own: it must not wait for ours."""
        figures = asyncio.run(look_at_store(self._cm.engine.store))
        counts = self._operations.counts()  # plain numbers
        return replace(figures, handed_over=counts.records_handed_over, lost=counts.records_lost)


def _with_state(state: ModelState, ask: ModelProbe) -> ModelProbe:
    """Down is also whoever answers probes and no requests: all of whose breakers are open."""

    def probe() -> object:
        if all(each.circuit is CircuitState.OPEN for each in state.endpoints) and state.endpoints:
            return "requests to it fail: its circuit breaker is open"
        return ask()

    return probe
