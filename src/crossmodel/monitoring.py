"""Settings become checks that look at things, and alerts that reach people."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossmodel.domain.alerts import Notification, Severity
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.operations import HealthCheckResult, HealthStatus
from crossmodel.domain.period import utc_now
from crossmodel.errors import ConfigurationError
from crossmodel.ports import Store, Transaction
from crossmodel.providers.probing import ProviderProbe
from crossmodel.settings import ProviderSettings, Settings, SinkSettings
from crossmodel.store import open_store
from crossmodel.telemetry.alerts.manager import AlertManager
from crossmodel.telemetry.alerts.messages import trial
from crossmodel.telemetry.alerts.sink import AlertSink, SinkError
from crossmodel.telemetry.alerts.sinks.log import LogSink
from crossmodel.telemetry.health.availability import ModelAvailabilityHealthCheck, ModelProbe
from crossmodel.telemetry.health.check import HealthCheck
from crossmodel.telemetry.health.error_rate import ErrorRateHealthCheck
from crossmodel.telemetry.health.figures import FiguresSource, no_figures
from crossmodel.telemetry.health.monitor import CrossModelConsciousnessHealthMonitor
from crossmodel.telemetry.health.performance import PerformanceHealthCheck
from crossmodel.telemetry.health.resources import ResourceUtilizationHealthCheck
from crossmodel.telemetry.health.stored import StoreFigures, StoreHealthCheck
from crossmodel.telemetry.threads import call_in_thread

MARK: Final = "health.store"
"""The mark that is set to see whether the store can be written."""

PROBE_SHARE: Final = 0.8
"""Of a check's time limit that one probe may take: a probe that hangs is no check that hangs."""

Probes = dict[str, ModelProbe]


def health_checks(
    settings: Settings,
    *,
    probes: Callable[[], Probes] | Probes,
    store: Callable[[], StoreFigures],
    figures: FiguresSource = no_figures,
    loop_lag: Callable[[], float] | None = None,
) -> list[HealthCheck]:
    """The checks, as the section ``[health]`` wants them."""
    health = settings.health
    return [
        ModelAvailabilityHealthCheck(
            probes,
            required=health.required_models or None,
            probe_seconds=health.time_limit_seconds * PROBE_SHARE,
        ),
        PerformanceHealthCheck(
            figures,
            max_latency_p95_ms=health.max_latency_p95_ms,
            min_success_rate=health.min_success_rate,
            minimum_requests=health.minimum_requests,
        ),
        ErrorRateHealthCheck(
            figures,
            max_error_rate=health.max_error_rate,
            minimum_requests=health.minimum_requests,
        ),
        ResourceUtilizationHealthCheck(
            max_cpu=health.max_cpu,
            max_memory=health.max_memory,
            max_disk=health.max_disk,
            max_file_descriptors=health.max_file_descriptors,
            max_loop_lag_ms=health.max_loop_lag_ms,
            folders=[folder_of(settings.store.url)],
            loop_lag=loop_lag,
        ),
        StoreHealthCheck(
            store,
            max_write_ms=health.max_write_ms,
            max_lag_seconds=health.max_log_lag_seconds,
        ),
    ]


class ModelProbes:
    """A probe for each model, by its id; providers keep theirs while their rows stay the same."""

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._made: dict[ProviderSettings, ProviderProbe] = {}

    def of(self, providers: Iterable[ProviderSettings], models: Iterable[ModelSpec]) -> Probes:
        """Those of these models; of one whose provider is on its way out there is none."""
        rows = {row.id: row for row in providers}
        self._made = {row: self._made.get(row) or self._probe(row) for row in rows.values()}
        return {
            model.id: self._made[rows[model.provider]] for model in models if model.provider in rows
        }

    def _probe(self, row: ProviderSettings) -> ProviderProbe:
        return ProviderProbe(
            row.kind,
            provider_id=row.id,
            base_urls=row.base_urls or ((row.base_url,) if row.base_url else ()),
            api_key=os.environ.get(row.api_key_env, "") if row.api_key_env else "",
            model_path=row.model_path,
            timeout_seconds=min(self._timeout, row.timeout_seconds),
        )


async def look_at_store(store: Store) -> StoreFigures:
    """Write a little durably, read a little, and see how far the log is.

    Raises:
        StoreError: if the store does not take or give.
    """
    began = time.perf_counter()
    moment = int(time.time())
    await store.transact(lambda tx: tx.set_mark(MARK, moment))
    written = time.perf_counter()

    def read(tx: Transaction) -> tuple[int, int]:
        head = tx.latest_checkpoint()
        return tx.log_size(), head.size if head is not None else 0

    size, signed = await store.read(read)
    ended = time.perf_counter()
    return StoreFigures((written - began) * 1000, (ended - written) * 1000, size, signed)


def check_once(settings: Settings) -> HealthStatus:
    """What the checks find now, for a process that has no gateway: nobody is told.

    A store that is not there yet is no trouble, and is not made.
    """

    async def look() -> StoreFigures:
        store = await open_store(settings.store.url)
        try:
            return await look_at_store(store)
        finally:
            await store.close()

    def probe() -> StoreFigures:
        path = Path(settings.store.url.removeprefix("sqlite:///"))
        if settings.store.url.startswith("sqlite:///") and not path.exists():
            return StoreFigures(note=f"{path} is not there yet")
        return asyncio.run(look())

    limit = settings.health.time_limit_seconds
    probes = ModelProbes(timeout_seconds=limit * PROBE_SHARE)
    monitor = CrossModelConsciousnessHealthMonitor(
        health_checks(settings, probes=probes.of(settings.providers, settings.models), store=probe),
        alert_manager=Untold(),
        time_limit_seconds=limit,
    )
    return monitor.perform_health_check()


@dataclass(frozen=True, slots=True)
class Untold:
    """Takes results where nobody is told of them."""

    def send_alert(self, check_result: HealthCheckResult) -> None:
        """Leave it."""


def try_sinks(settings: Settings) -> dict[str, str]:
    """Tell every sink that this is a test; what went wrong with each, empty where nothing did.

    Raises:
        ConfigurationError: naming the sink that cannot be used.
    """
    alerts = settings.alerts
    notification = trial(alerts.instance or platform.node(), utc_now())
    return {
        sink.name: _trial_error(sink, notification)
        for sink in alert_sinks(alerts.sinks) or [LogSink()]
    }


def _trial_error(sink: AlertSink, notification: Notification) -> str:
    call = call_in_thread(lambda: sink.deliver(notification), name="crossmodel-sink")
    try:
        call.result(sink.time_limit_seconds)
    except SinkError as error:
        return str(error)
    except TimeoutError:
        return f"it took more than {sink.time_limit_seconds:g} s"
    return ""


def folder_of(url: str) -> Path:
    """The folder that a store is in; the working folder where it is elsewhere."""
    path = url.removeprefix("sqlite:///")
    return Path() if path in {url, "", ":memory:"} else Path(path).parent


def alert_manager(settings: Settings, store: Store | None) -> AlertManager:
    """Alerts as the sections ``[alerts]`` and ``[[alerts.sinks]]`` want them.

    Raises:
        ConfigurationError: naming the sink that cannot be used.
    """
    alerts = settings.alerts
    sinks = alert_sinks(alerts.sinks) or [LogSink()]
    return AlertManager(sinks, store=store, policy=alerts, instance=alerts.instance)


def alert_sinks(rows: Sequence[SinkSettings]) -> list[AlertSink]:
    """The sinks of the settings.

    Raises:
        ConfigurationError: naming the one that cannot be used.
    """
    return [_sink(row, f"alerts.sinks[{position}]") for position, row in enumerate(rows)]


def _sink(row: SinkSettings, path: str) -> AlertSink:
    severity, seconds = Severity(row.least_severity), row.timeout_seconds
    try:
        if row.kind == "webhook":
            from crossmodel.telemetry.alerts.sinks.webhook import WebhookSink  # noqa: PLC0415 - if used

            return WebhookSink(
                row.name,
                row.url or _variable(row.url_env, f"{path}.url_env"),
                secret=_variable(row.secret_env, f"{path}.secret_env"),
                least_severity=severity,
                time_limit_seconds=seconds,
            )
        if row.kind == "email":
            from crossmodel.telemetry.alerts.sinks.mail import MailSink  # noqa: PLC0415 - likewise

            return MailSink(
                row.name,
                row.host,
                port=row.port or (465 if row.tls == "tls" else 587),
                sender=row.sender,
                recipients=row.recipients,
                tls=row.tls,
                username=_variable(row.username_env, f"{path}.username_env"),
                password=_variable(row.password_env, f"{path}.password_env"),
                least_severity=severity,
                time_limit_seconds=seconds,
            )
        if row.kind == "command":
            from crossmodel.telemetry.alerts.sinks.command import CommandSink  # noqa: PLC0415 - likewise

            return CommandSink(
                row.name, row.command, least_severity=severity, time_limit_seconds=seconds
            )
    except ConfigurationError as error:
        raise error if error.path else ConfigurationError(str(error), path=path) from None
    return LogSink(row.name, severity)


def _variable(name: str, path: str) -> str:
    """A secret from the environment; empty if no variable is named."""
    if not name:
        return ""
    value = os.environ.get(name, "")
    if not value:
        raise ConfigurationError(f"the environment variable {name} is not set", path=path)
    return value
