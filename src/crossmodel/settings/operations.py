"""Who is told what happens: telemetry, health, alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from crossmodel.domain import checks
from crossmodel.domain.alerts import Severity
from crossmodel.domain.operations import TARGETS
from crossmodel.errors import InvalidInputError
from crossmodel.telemetry.alerts.policy import AlertPolicy
from crossmodel.telemetry.log_forms import FORMATS, LEVELS


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Who is told what happens, and how.

    Attributes:
        otlp_endpoint: address of an OpenTelemetry collector that speaks OTLP over HTTP, such as
            ``http://127.0.0.1:4318``: it gets traces and metrics. Empty: nobody does.
        headers_env: names the variable that holds headers for it, as ``name=value,name=value``.
        sampling: the share of requests that are traced, 0..1. A request whose caller traces it is
            traced with it.
        service_name: what the traces and metrics are said to be of.
        log_format: ``text`` for people, or ``json``: an object a line.
        log_level: ``debug``, ``info``, ``warning``, ``error`` or ``critical``; the variable
            ``CROSSMODEL_LOG_LEVEL`` overrides it.
    """

    otlp_endpoint: str = ""
    headers_env: str = ""
    sampling: float = 1.0
    service_name: str = "crossmodel"
    log_format: str = "text"
    log_level: str = "warning"

    def __post_init__(self) -> None:
        checks.unit_interval("sampling", self.sampling)
        checks.text("service_name", self.service_name)
        checks.one_of("log_format", self.log_format, FORMATS)
        checks.one_of("log_level", self.log_level, LEVELS)
        if self.otlp_endpoint and not self.otlp_endpoint.startswith(("http://", "https://")):
            raise InvalidInputError("otlp_endpoint must start with http:// or https://")


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """What ``crossmodel health`` and the gateway look at, and what is too much or too little.

    Attributes:
        enabled: whether the gateway watches by itself; it also does where an alert sink is set.
        interval_seconds: how often it looks.
        time_limit_seconds: how long one check may take.
        window_seconds: over how long traffic is judged.
        minimum_requests: of fewer requests within that nothing is said.
        max_error_rate: share of requests that may fail, 0..1.
        min_success_rate: share of requests that should succeed, 0..1.
        max_latency_p95_ms: what 95 % of requests should take no longer than, in milliseconds.
        max_cpu: share of the processors' time that may be in use, more than 0; 1 for no limit.
        max_memory: likewise of the memory.
        max_disk: likewise of the disk that the store is on.
        max_file_descriptors: likewise of those that the process may have.
        max_loop_lag_ms: how late the gateway's event loop may be, in milliseconds.
        max_write_ms: how long a small durable write may take, in milliseconds.
        max_log_lag_seconds: how long the log may fall behind what is handed over to it.
        required_models: those that must answer; that others are down is a warning. All if empty.
    """

    enabled: bool = False
    interval_seconds: float = 60.0
    time_limit_seconds: float = 10.0
    window_seconds: float = 300.0
    minimum_requests: int = 20
    max_error_rate: float = 0.05
    min_success_rate: float = 0.9
    max_latency_p95_ms: float = 30_000.0
    max_cpu: float = 0.95
    max_memory: float = 0.9
    max_disk: float = 0.9
    max_file_descriptors: float = 0.8
    max_loop_lag_ms: float = 500.0
    max_write_ms: float = 2000.0
    max_log_lag_seconds: float = 300.0
    required_models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks.at_least("minimum_requests", self.minimum_requests, 1)
        for name in ("max_error_rate", "min_success_rate"):
            checks.unit_interval(name, getattr(self, name))
        for name in ("max_cpu", "max_memory", "max_disk", "max_file_descriptors"):
            checks.limit(name, checks.unit_interval(name, getattr(self, name)))
        for name in ("interval_seconds", "time_limit_seconds", "window_seconds"):
            checks.at_least(name, checks.limit(name, getattr(self, name)), 0)
        for name in (
            "max_latency_p95_ms", "max_loop_lag_ms", "max_write_ms", "max_log_lag_seconds",
        ):  # fmt: skip
            checks.limit(name, getattr(self, name))


SINK_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "log": (),
    "webhook": ("url",),
    "email": ("host", "sender", "recipients"),
    "command": ("command",),
}
"""The kinds of sinks, and what each needs."""


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """One place where alerts are told.

    Attributes:
        name: by which its deliveries are kept: the same after a restart.
        kind: log, webhook, email or command.
        least_severity: info, warning or critical: what matters less is not told here.
        timeout_seconds: how long one delivery may take.
        url: of a webhook; or ``url_env`` names the variable that holds it, if it holds a token.
        url_env: likewise.
        secret_env: the variable with the secret that signs webhooks, ``whsec_…``; unsigned if
            empty.
        host: of a mail server.
        port: where it listens; 0 for 587, or 465 with ``tls = "tls"``.
        tls: of the way there: starttls, tls or none.
        username_env: the variable with the name to log in by; no login if empty.
        password_env: the variable with the password.
        sender: the address that mail comes from.
        recipients: the addresses that it goes to.
        command: a program and its arguments; no shell reads them.
    """

    name: str
    kind: str
    least_severity: str = "info"
    timeout_seconds: float = 10.0
    url: str = ""
    url_env: str = ""
    secret_env: str = ""
    host: str = ""
    port: int = 0
    tls: str = "starttls"
    username_env: str = ""
    password_env: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks.text("name", self.name)
        checks.one_of("kind", self.kind, SINK_KINDS)
        checks.one_of("least_severity", self.least_severity, Severity)
        checks.at_least("timeout_seconds", checks.limit("timeout_seconds", self.timeout_seconds), 0)
        checks.one_of("tls", self.tls, ("starttls", "tls", "none"))
        if not 0 <= self.port <= 65535:  # noqa: PLR2004 - the largest port
            raise InvalidInputError(f"port must lie within 0..65535, not {self.port}")
        for name in SINK_KINDS[self.kind]:
            if not getattr(self, name) and not (name == "url" and self.url_env):
                raise InvalidInputError(f"{name} is needed by a sink of the kind {self.kind}")
        if bool(self.username_env) != bool(self.password_env):
            raise InvalidInputError("username_env needs password_env, and the other way round")


@dataclass(frozen=True, slots=True)
class AlertSettings(AlertPolicy):
    """When trouble is told, as :class:`~crossmodel.telemetry.alerts.AlertPolicy` has it, and where.

    Attributes:
        instance: names this process in alerts; the machine's name if empty. Processes that share a
            store need different ones.
        sinks: where alerts are told; in the log alone if there are none.
    """

    instance: str = ""
    sinks: tuple[SinkSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class DeploymentSettings:
    """What ``crossmodel deploy`` runs; see :class:`~crossmodel.DeploymentConfig`.

    Attributes:
        target: ``local`` or ``ray``.
        instances: how many gateways.
        state_dir: the folder of a local deployment's state and logs.
        ray_address: of the cluster; ``auto`` finds the one of RAY_ADDRESS or of this machine.
        autoscaling: Ray Serve's ``autoscaling_config``, passed through.
    """

    target: str = "local"
    instances: int = 1
    state_dir: str = ""
    ray_address: str = "auto"
    autoscaling: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.one_of("target", self.target, TARGETS)
        checks.at_least("instances", self.instances, 1)
