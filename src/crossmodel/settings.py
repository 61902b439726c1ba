"""Settings: a TOML file or a dictionary, overlaid by the environment, checked whole before use.

A variable ``CROSSMODEL_SECTION__KEY`` overrides ``key`` of ``[section]``; deeper levels take more
double underscores. Secrets never stand in settings: a key names the variable that holds it.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from crossmodel.balancing.config import LoadBalancerConfig
from crossmodel.domain import checks
from crossmodel.domain.alerts import Severity
from crossmodel.domain.client_key import check_scopes
from crossmodel.domain.config import (
    CrossModelVIFConfig,
    InsightExtractorConfig,
    ModelAssistedConfig,
    ModelSelectorConfig,
)
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.records import DEFAULT_TENANT
from crossmodel.domain.transfer_config import InsightTransferConfig
from crossmodel.errors import ConfigurationError, InvalidInputError
from crossmodel.telemetry.alerts.policy import AlertPolicy

PREFIX: Final = "CROSSMODEL_"
NESTING: Final = "__"
WRITERS: Final = ("auto", "inline", "process")
LOG_FORMATS: Final = ("text", "json")
LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
ROLES: Final = ("viewer", "admin")


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """What a client may do to the gateway. Sizes are in bytes, times in seconds.

    Attributes:
        head_bytes: most bytes of a request's line and headers together.
        headers: most headers of one request.
        body_bytes: most bytes of a request's body.
        head_seconds: how long the head of a request may take.
        body_seconds: how long the body may take after it.
        idle_seconds: how long a connection is kept between requests.
        write_seconds: how long a client may take none of what is sent to it.
        connections: most connections at a time; more are turned away with 503.

    Raises:
        InvalidInputError: naming the field that is out of range.
    """

    head_bytes: int = 32 * 1024
    headers: int = 100
    body_bytes: int = 32 * 1024 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 75.0
    write_seconds: float = 60.0
    connections: int = 10_000

    def __post_init__(self) -> None:
        for name in ("head_bytes", "headers", "body_bytes", "connections"):
            checks.at_least(name, getattr(self, name), 1)
        for name in ("head_seconds", "body_seconds", "idle_seconds", "write_seconds"):
            checks.limit(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Answers that may be given again: of the same tenant, to the very same request.

    Only requests that ask for the likeliest answer (``temperature`` 0) and embeddings have some.

    Attributes:
        enabled: whether any are kept.
        megabytes: what they may take, in memory, more than 0.
        seconds: how long each may be given again, more than 0.
    """

    enabled: bool = False
    megabytes: float = 64.0
    seconds: float = 3600.0

    def __post_init__(self) -> None:
        for name in ("megabytes", "seconds"):
            checks.limit(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where the gateway listens, and what it does besides passing requests on.

    Attributes:
        listen: host and port for clients.
        control: host and port for health, metrics and admin.
        admin_key_env: names the variable that holds the key of the admin API. Empty, whoever
            reaches ``control`` may use that API if it is on the loopback interface, and nobody
            otherwise.
        control_names: host names under which ``control`` is reached, besides ``localhost``,
            addresses and its own: requests under other names are refused (DNS rebinding).
        tls_certificate: a file with the certificate chain in PEM; with it clients speak TLS.
        tls_key: a file with its private key in PEM.
        insights: whether insights of better models are put into requests to cheaper ones.
        learn: whether answers of teachers become insights.
        drain_seconds: how long requests may go on when the gateway is told to end.
        limits: what a client may do.
        cache: whether and how answers are given again.
    """

    listen: str = "127.0.0.1:8080"
    control: str = "127.0.0.1:8081"
    admin_key_env: str = ""
    control_names: tuple[str, ...] = ()
    tls_certificate: str = ""
    tls_key: str = ""
    insights: bool = True
    learn: bool = True
    drain_seconds: float = 30.0
    limits: GatewayLimits = GatewayLimits()
    cache: CacheSettings = CacheSettings()

    def __post_init__(self) -> None:
        for name in ("listen", "control"):
            split_address(getattr(self, name), name)
        checks.limit("drain_seconds", self.drain_seconds)
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise InvalidInputError("tls_certificate needs tls_key, and the other way round")


def split_address(address: str, name: str) -> tuple[str, int]:
    """Host and port of ``host:port``; an IPv6 host may stand in brackets.

    Raises:
        InvalidInputError: if it is none; the message names ``name``.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise InvalidInputError(f"{name} must be host:port, not {address!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where state lives: ``sqlite:///file.db`` (relative to the working folder) or PostgreSQL."""

    url: str = "sqlite:///crossmodel.db"

    def __post_init__(self) -> None:
        if not self.url.startswith(("sqlite:///", "postgresql://")):
            raise InvalidInputError("url must start with sqlite:/// or postgresql://")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One place that runs models.

    Attributes:
        id: what models refer to.
        kind: a row of the provider registry, such as openai, anthropic, local or fake.
        base_url: the kind's own default if empty.
        base_urls: several addresses that serve the same models, among which the gateway balances;
            in place of ``base_url``.
        api_key_env: name of the variable that holds the key; the kind's own default if empty.
        timeout_seconds: most seconds that one call may take, retries included.
        model_path: for ``local``: a GGUF file, or ``smollm2`` for the installed weights.
        threads: for ``local``: processor threads.
    """

    id: str
    kind: str
    base_url: str = ""
    base_urls: tuple[str, ...] = ()
    api_key_env: str = ""
    timeout_seconds: float = 120.0
    model_path: str = "smollm2"
    threads: int = 1

    def __post_init__(self) -> None:
        checks.text("id", self.id)
        checks.text("kind", self.kind)
        if self.base_url and self.base_urls:
            raise InvalidInputError("base_urls stand in place of base_url: give one of them")
        if len(set(self.base_urls)) < len(self.base_urls):
            raise InvalidInputError("base_urls holds an address twice")
        checks.limit("timeout_seconds", self.timeout_seconds)
        checks.at_least("threads", self.threads, 1)


@dataclass(frozen=True, slots=True)
class KeySettings:
    """One client key: ``key_env`` names the variable that holds it. Only its hash is kept.

    ``tenant`` is that of ``[loop]`` if empty. All other limits are as in
    :class:`~crossmodel.domain.client_key.ClientKey`.
    """

    name: str
    key_env: str
    tenant: str = ""
    models: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    burst: int | None = None
    concurrent: int | None = None
    daily_budget: float | None = None
    monthly_budget: float | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        checks.text("key_env", self.key_env)
        check_scopes(self)


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How the loop runs.

    Attributes:
        tenant: whose insights are read and written.
        teacher_quality: answers of models of at least this quality, 0..1, become insights.
        max_output_tokens: most tokens of an answer when the caller sets no limit.
    """

    tenant: str = DEFAULT_TENANT
    teacher_quality: float = 0.8
    max_output_tokens: int = 1024

    def __post_init__(self) -> None:
        checks.text("tenant", self.tenant)
        checks.unit_interval("teacher_quality", self.teacher_quality)
        checks.at_least("max_output_tokens", self.max_output_tokens, 1)


@dataclass(frozen=True, slots=True)
class WitnessSettings:
    """The log's name and keys.

    Attributes:
        origin: names the log in every checkpoint.
        key_dir: where keys are kept that have no signer below; made there if they are missing.
        passphrase_env: the variable that holds the passphrase of the keys in files, and the PIN of
            a hardware module; unset, keys are kept unencrypted.
        rsa_signer: where the RSA key is instead, as a URI: ``env:NAME`` (PKCS#8 in PEM, in a
            variable), ``env:NAME:PASSPHRASE_NAME``, ``file:PATH``, or a key service or hardware
            module such as ``gcpkms:…``, ``awskms:…``, ``azurekms:…``, ``hv:…`` or ``hsm:…``
            (extra ``kms``). Empty: in ``key_dir``.
        rsa_public_key: a file with its public key in PEM, which services need: they are held to it.
        ed25519_signer: likewise for the Ed25519 key; one may be a URI and the other a file.
        ed25519_public_key: likewise.
        writer: with ``process``, turns from which nothing is learned are handed to a process that
            writes many at once, and answers do not wait for it; with ``inline``, this process
            writes them, and an answer of the library is on the record when it is given. ``auto``:
            the gateway hands over where it can, the library writes inline.
    """

    origin: str = "crossmodel.local/log"
    key_dir: str = "crossmodel-keys"
    passphrase_env: str = "CROSSMODEL_KEY_PASSPHRASE"  # noqa: S105 - a variable's name
    rsa_signer: str = ""
    rsa_public_key: str = ""
    ed25519_signer: str = ""
    ed25519_public_key: str = ""
    writer: str = "auto"

    def __post_init__(self) -> None:
        checks.text("origin", self.origin)
        checks.text("key_dir", self.key_dir)
        for name in ("rsa_signer", "ed25519_signer"):
            uri = getattr(self, name)
            if uri and ":" not in uri:  # the value is not shown: it may be the key itself
                raise InvalidInputError(f"{name} must be a URI, such as env:NAME")
        checks.one_of("writer", self.writer, WRITERS)

    @property
    def needs_folder(self) -> bool:
        """Whether one of the keys is kept in ``key_dir``."""
        return not (self.rsa_signer and self.ed25519_signer)


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
        checks.one_of("log_format", self.log_format, LOG_FORMATS)
        checks.one_of("log_level", self.log_level, LOG_LEVELS)
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
class DashboardUser:
    """Somebody who may sign in to the dashboard.

    Attributes:
        name: what they sign in as.
        hash_env: names the variable that holds the hash of their password, which
            ``crossmodel dashboard --hash`` prints.
        role: ``viewer`` looks at everything and changes nothing; ``admin`` may release, quarantine
            and erase insights too.
        tenant: whose data they see; that of ``[loop]`` if empty.
    """

    name: str
    hash_env: str
    role: str = "viewer"
    tenant: str = ""

    def __post_init__(self) -> None:
        checks.text("name", self.name)
        checks.text("hash_env", self.hash_env)
        checks.one_of("role", self.role, ROLES)


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """Where the dashboard listens, and who may look at it.

    Attributes:
        listen: host and port.
        users: who may sign in. Without any, whoever reaches it from this machine is an admin, and
            it listens nowhere else.
        names: host names under which it is reached, besides ``localhost``, addresses and its own:
            requests under other names are refused (DNS rebinding).
        secret_env: names the variable that holds what sessions are signed with, at least 32
            characters; empty, a secret is made at every start, and starting signs everybody out.
        session_hours: how long somebody stays signed in, in hours, more than 0.
        tls_certificate: a file with the certificate chain in PEM; with it browsers speak TLS.
        tls_key: a file with its private key in PEM.
        behind_tls: whether a proxy in front of it speaks TLS: then browsers send the session over
            nothing else.
        gateway: address of the gateway's control plane, such as ``http://127.0.0.1:8081``, for what
            only the running gateway knows; that of ``[gateway] control`` if empty.
    """

    listen: str = "127.0.0.1:8082"
    users: tuple[DashboardUser, ...] = ()
    names: tuple[str, ...] = ()
    secret_env: str = ""
    session_hours: float = 12.0
    tls_certificate: str = ""
    tls_key: str = ""
    behind_tls: bool = False
    gateway: str = ""

    def __post_init__(self) -> None:
        split_address(self.listen, "listen")
        checks.limit("session_hours", self.session_hours)
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise InvalidInputError("tls_certificate needs tls_key, and the other way round")
        if self.gateway and not self.gateway.startswith(("http://", "https://")):
            raise InvalidInputError("gateway must start with http:// or https://")

    @property
    def is_over_tls(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.behind_tls or bool(self.tls_certificate)


DEFAULT_PROVIDER: Final = ProviderSettings(id="local", kind="local")
DEFAULT_MODEL: Final = ModelSpec(
    id="smollm2",
    provider="local",
    quality=0.2,
    latency_ms=1500.0,
    context_window=4096,
    follows_system_prompt=False,
)
"""What answers when nothing is configured: SmolLM2-135M-Instruct, free and on this machine."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set."""

    gateway: GatewaySettings = GatewaySettings()
    dashboard: DashboardSettings = DashboardSettings()
    store: StoreSettings = StoreSettings()
    loop: LoopSettings = LoopSettings()
    witness: WitnessSettings = WitnessSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    providers: tuple[ProviderSettings, ...] = (DEFAULT_PROVIDER,)
    models: tuple[ModelSpec, ...] = (DEFAULT_MODEL,)
    load_balancer: LoadBalancerConfig = field(default_factory=LoadBalancerConfig)
    keys: tuple[KeySettings, ...] = ()
    model_selector: ModelSelectorConfig = field(default_factory=ModelSelectorConfig)
    insight_extractor: InsightExtractorConfig = field(default_factory=InsightExtractorConfig)
    insight_transfer: InsightTransferConfig = field(default_factory=InsightTransferConfig)
    cross_model_vif: CrossModelVIFConfig = field(default_factory=CrossModelVIFConfig)
    health: HealthSettings = HealthSettings()
    alerts: AlertSettings = AlertSettings()

    @property
    def watches(self) -> bool:
        """Whether the gateway looks after its health by itself."""
        return self.health.enabled or bool(self.alerts.sinks)


_TYPES: Final[dict[str, Any]] = typing.get_type_hints(Settings)
"""The sections, in their order, and what each is made into."""

Problem = tuple[str, str]
"""The path of a key, and what is wrong with it."""


def load_settings(source: str | Path | Mapping[str, Any] | None = None) -> Settings:
    """Settings from a TOML file, a dictionary, or (``None``) the defaults; then the environment.

    Raises:
        ConfigurationError: naming the key's path and, for an unknown key, the nearest known one.
    """
    data = _read(source)
    if "providers" in data:  # the built-in model lives at the built-in provider
        data.setdefault("models", ())
    data = _overlaid(data, _from_environment())
    problems: list[Problem] = []
    sections: dict[str, Any] = {}
    for name, kind in _TYPES.items():
        if name in data:
            try:
                sections[name] = msgspec.convert(data[name], kind, strict=False)
            except msgspec.ValidationError as error:
                problems.append(_problem(name, error))
    problems += _unknown_keys(data, Settings, "")
    if problems:
        raise _first_of(problems)
    settings = Settings(**sections)
    _check_references(settings)
    return settings


def assisted_by(settings: Settings, model: str) -> Settings:
    """The same settings with ``model`` as the one that assists extraction.

    Raises:
        ConfigurationError: if there is no such model; the message names the nearest.
    """
    extractor = dataclasses.replace(
        settings.insight_extractor, model_assisted=ModelAssistedConfig(model)
    )
    changed = dataclasses.replace(settings, insight_extractor=extractor)
    _check_references(changed)
    return changed


def _read(source: str | Path | Mapping[str, Any] | None) -> dict[str, Any]:
    if source is None:
        return {}
    if isinstance(source, Mapping):
        if not all(isinstance(key, str) for key in source):
            raise ConfigurationError("every key must be a string")
        return dict(source)
    path = Path(source)
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8: {error.reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error


def _from_environment() -> dict[str, Any]:
    """What variables say, as a settings file would.

    A nested variable can only be meant for us; a plain one may be somebody's key.
    """
    said: dict[str, Any] = {}
    for variable in sorted(os.environ):  # a whole section comes before its keys
        name = variable.upper()
        if not name.startswith(PREFIX):
            continue
        section, *keys = name.removeprefix(PREFIX).lower().split(NESTING)
        if keys and section not in _TYPES:
            raise ConfigurationError(
                f"unknown section {section!r}{_nearest(section, _TYPES)}", path=variable
            )
        if section in _TYPES:
            value: Any = _variable(variable, is_section=not keys)
            for key in reversed(keys):
                value = {key: value}
            said = _overlaid(said, {section: value})
    return said


def _variable(variable: str, *, is_section: bool) -> Any:
    """A variable's value: JSON where it is a section, a table or a list, else its text."""
    text = os.environ[variable]
    if not is_section and not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        if not is_section:
            return text  # what takes no text will refuse it, with its path
        raise ConfigurationError(f"the variable {variable} cannot be read: {error}") from None


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both; where both have a table its keys are overlaid likewise, else ``above`` wins."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            value = _overlaid(known, value)  # noqa: PLW2901 - what stands there in the end
        merged[key] = value
    return merged


def _first_of(problems: list[Problem]) -> ConfigurationError:
    """The first problem in full, the paths of the others."""
    path, message = problems[0]
    others = ", ".join(dict.fromkeys(p for p, _ in problems[1:] if p != path))
    return ConfigurationError(f"{message} (also wrong: {others})" if others else message, path=path)


_SAID: Final = re.compile(r"(?s)(?P<what>.*?)(?: - at (?:`key` in )?`\$(?P<where>[^`]*)`)?")
_MISSING: Final = re.compile(r"Object missing required field `(?P<key>[^`]*)`")


def _problem(section: str, error: msgspec.ValidationError) -> Problem:
    said = _SAID.fullmatch(str(error))
    assert said is not None, "every part of it may be empty"
    path, message = f"{section}{said['where'] or ''}", said["what"]
    if missing := _MISSING.fullmatch(message):
        return f"{path}.{missing['key']}", "it is missing"
    cause = error.__cause__
    if isinstance(cause, InvalidInputError):
        key, _, rest = str(cause).partition(" ")
        if key.partition(".")[0] in _keys_of(_type_at(path)):
            return f"{path}.{key}", rest
        return path, str(cause)
    return path, message


def _unknown_keys(value: Any, kind: Any, path: str) -> Iterator[Problem]:
    """The keys that the types have no place for."""
    if isinstance(value, Mapping) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        for key, inner in value.items():
            below = f"{path}.{key}" if path else str(key)
            if key in hints:
                yield from _unknown_keys(inner, _without_none(hints[key]), below)
            else:
                yield below, f"unknown key{_nearest(str(key), hints)}"
    elif isinstance(value, list | tuple) and typing.get_origin(kind) is tuple:
        for position, inner in enumerate(value):
            yield from _unknown_keys(inner, typing.get_args(kind)[0], f"{path}[{position}]")


def _type_at(path: str) -> Any:
    """The type of what stands at a path of settings."""
    kind: Any = Settings
    for part in re.findall(r"[^.\[\]]+", path):
        if typing.get_origin(kind) is tuple:
            kind = typing.get_args(kind)[0]
        else:
            kind = _without_none(typing.get_type_hints(kind).get(part))
    return kind


def _keys_of(kind: Any) -> tuple[str, ...]:
    return tuple(typing.get_type_hints(kind)) if dataclasses.is_dataclass(kind) else ()


def _without_none(kind: Any) -> Any:
    return typing.get_args(kind)[0] if isinstance(kind, types.UnionType) else kind


def _nearest(key: str, known: Iterable[str]) -> str:
    close = checks.nearest(key, sorted(known))
    return f"; did you mean {close!r}?" if close else ""


def _check_references(settings: Settings) -> None:
    for section, rows, named in (
        ("providers", settings.providers, "id"),
        ("models", settings.models, "id"),
        ("keys", settings.keys, "name"),
        ("dashboard.users", settings.dashboard.users, "name"),
    ):
        seen: set[str] = set()
        for position, row in enumerate(rows):
            name = getattr(row, named)
            if name in seen:
                raise ConfigurationError(
                    f"{name!r} is there twice", path=f"{section}[{position}].{named}"
                )
            seen.add(name)
    providers = {provider.id for provider in settings.providers}
    for position, model in enumerate(settings.models):
        if model.provider not in providers:
            raise ConfigurationError(
                f"there is no provider {model.provider!r}{_nearest(model.provider, providers)}",
                path=f"models[{position}].provider",
            )
    models = {model.id for model in settings.models}
    for position, model in enumerate(settings.models):
        for fallback in model.fallbacks:
            if fallback not in models or fallback == model.id:
                raise ConfigurationError(
                    f"there is no other model {fallback!r}{_nearest(fallback, models)}",
                    path=f"models[{position}].fallbacks",
                )
    _check_keys(settings.keys, models)
    _check_watch(settings, models)
    assistant = settings.insight_extractor.model_assisted.model
    if assistant and assistant not in models:
        raise ConfigurationError(
            f"there is no model {assistant!r}{_nearest(assistant, models)}",
            path="insight_extractor.model_assisted.model",
        )


def _check_watch(settings: Settings, models: Collection[str]) -> None:
    for position, model in enumerate(settings.health.required_models):
        if model not in models:
            raise ConfigurationError(
                f"there is no model {model!r}{_nearest(model, models)}",
                path=f"health.required_models[{position}]",
            )
    names = [sink.name for sink in settings.alerts.sinks]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise ConfigurationError(
                f"{name!r} is there twice", path=f"alerts.sinks[{position}].name"
            )


def _check_keys(keys: Iterable[KeySettings], models: Collection[str]) -> None:
    for position, key in enumerate(keys):
        for place, model in enumerate(key.models):
            if model not in models:
                raise ConfigurationError(
                    f"there is no model {model!r}{_nearest(model, models)}",
                    path=f"keys[{position}].models[{place}]",
                )
