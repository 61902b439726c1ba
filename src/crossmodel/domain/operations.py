"""What monitoring and deployment report and are told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from crossmodel.domain import checks
from crossmodel.domain.alerts import Severity
from crossmodel.domain.period import utc_now

TARGETS: Final = ("local", "ray")

DEFAULT_CONFIG: Final = "crossmodel.toml"
"""The settings file that is meant where none is named."""

SHOWN: Final = 5
"""Findings that the one line of a result names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found wrong.

    Attributes:
        subject: what is in trouble, such as a model's id or ``disk``; empty for the whole.
        message: what is wrong with it and what was expected, for people; no secrets.
        severity: how much it matters.
    """

    subject: str
    message: str
    severity: Severity = Severity.CRITICAL


@dataclass(frozen=True, slots=True)
class HealthCheckResult:
    """What one check found.

    Attributes:
        check_name: which check.
        is_healthy: whether what it watches is as it should be.
        error: what is wrong, in a line; ``None`` if nothing is.
        details: the figures behind it.
        checked_at: when it ended.
        latency_ms: how long it took, in milliseconds.
        findings: what is wrong one by one. They are all that is wrong: a subject that a later
            result of the check does not name has recovered. A healthy result may have some, of
            things that may fail.
    """

    check_name: str
    is_healthy: bool
    error: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    checked_at: datetime = field(default_factory=utc_now)
    latency_ms: float = 0.0
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(
        cls, check_name: str, findings: Sequence[Finding], details: Mapping[str, Any]
    ) -> HealthCheckResult:
        """A result that is unhealthy if any finding is more than a warning."""
        worst = [each for each in findings if each.severity is Severity.CRITICAL]
        return cls(
            check_name,
            is_healthy=not worst,
            error="; ".join(each.message for each in worst[:SHOWN]) or None,
            details=details,
            findings=tuple(findings),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; infinite figures of ``details`` become ``None``."""
        return {
            "check_name": self.check_name,
            "is_healthy": self.is_healthy,
            "error": self.error,
            "details": _plain(self.details),
            "checked_at": self.checked_at.isoformat(),
            "latency_ms": self.latency_ms,
            "findings": [
                {"subject": f.subject, "message": f.message, "severity": f.severity.value}
                for f in self.findings
            ],
        }


@dataclass(slots=True)
class HealthStatus:
    """What all checks found; healthy when every one of at least one is."""

    check_results: list[HealthCheckResult] = field(default_factory=list)
    checked_at: datetime = field(default_factory=utc_now)

    def add_check_result(self, result: HealthCheckResult) -> None:
        """Add what one check found."""
        self.check_results.append(result)

    @property
    def is_healthy(self) -> bool:
        """Whether every check passed, and there was one."""
        return bool(self.check_results) and all(r.is_healthy for r in self.check_results)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "is_healthy": self.is_healthy,
            "checked_at": self.checked_at.isoformat(),
            "check_results": [result.to_dict() for result in self.check_results],
        }


@dataclass(slots=True)
class DeploymentConfig:
    """What to deploy.

    Attributes:
        target: ``local`` for processes of this machine, ``ray`` for a Ray cluster.
        instances: how many gateways.
        listen: host and port for clients.
        config_path: the settings file; where there is none of the default name, the built-in
            settings hold.
        state_dir: the folder of a local deployment's state and logs; beside the settings file, in
            ``crossmodel-deployment``, if empty.
        ray_address: of the cluster; ``auto`` finds the one of RAY_ADDRESS or of this machine.
        autoscaling: Ray Serve's ``autoscaling_config``, passed through, such as
            ``{"min_replicas": 2, "max_replicas": 20}``; empty for a fixed number.
    """

    target: str = "local"
    instances: int = 1
    listen: str = "127.0.0.1:8080"
    config_path: str = DEFAULT_CONFIG
    state_dir: str = ""
    ray_address: str = "auto"
    autoscaling: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.one_of("target", self.target, TARGETS)
        checks.at_least("instances", self.instances, 1)
        checks.text("listen", self.listen)


@dataclass(frozen=True, slots=True)
class DeploymentValidationResult:
    """What probing the running system found."""

    is_valid: bool
    error: str | None = None
    checks: tuple[HealthCheckResult, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "is_valid": self.is_valid,
            "error": self.error,
            "checks": [each.to_dict() for each in self.checks],
        }


@dataclass(frozen=True, slots=True)
class DeploymentResult:
    """What came of a deployment."""

    success: bool
    deployment_id: str | None = None
    deployment_timestamp: datetime = field(default_factory=utc_now)
    validation_result: DeploymentValidationResult | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        found = self.validation_result
        return {
            "success": self.success,
            "deployment_id": self.deployment_id,
            "deployment_timestamp": self.deployment_timestamp.isoformat(),
            "validation": found.to_dict() if found is not None else None,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class ResourceAllocation:
    """What one instance may use.

    Attributes:
        cpu_cores: processors, more than 0.
        memory_mb: MiB of memory.
    """

    cpu_cores: float = 1.0
    memory_mb: int = 512

    def __post_init__(self) -> None:
        checks.limit("cpu_cores", self.cpu_cores)
        checks.at_least("memory_mb", self.memory_mb, 1)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"cpu_cores": self.cpu_cores, "memory_mb": self.memory_mb}


@dataclass(frozen=True, slots=True)
class ScalingResult:
    """What is running after scaling."""

    success: bool
    instances: int = 0
    resources: ResourceAllocation | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "success": self.success,
            "instances": self.instances,
            "resources": self.resources.to_dict() if self.resources is not None else None,
            "error": self.error,
        }


def _plain(value: Any) -> Any:
    """What JSON can hold of a detail."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
