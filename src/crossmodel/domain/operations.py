"""What monitoring and deployment report and are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crossmodel.domain import checks
from crossmodel.domain.period import utc_now


@dataclass(frozen=True, slots=True)
class HealthCheckResult:
    """What one check found."""

    check_name: str
    is_healthy: bool
    error: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    checked_at: datetime = field(default_factory=utc_now)


@dataclass(slots=True)
class HealthStatus:
    """What all checks found; healthy when every one of at least one is."""

    check_results: list[HealthCheckResult] = field(default_factory=list)

    def add_check_result(self, result: HealthCheckResult) -> None:
        """Add what one check found."""
        self.check_results.append(result)

    @property
    def is_healthy(self) -> bool:
        """Whether every check passed, and there was one."""
        return bool(self.check_results) and all(r.is_healthy for r in self.check_results)


@dataclass(slots=True)
class DeploymentConfig:
    """What to deploy: how many instances, where they listen, from which settings file."""

    target: str = "local"
    instances: int = 1
    listen: str = "127.0.0.1:8080"
    config_path: str = "crossmodel.toml"

    def __post_init__(self) -> None:
        checks.one_of("target", self.target, ("local", "ray"))
        checks.at_least("instances", self.instances, 1)
        checks.text("listen", self.listen)


@dataclass(frozen=True, slots=True)
class DeploymentValidationResult:
    """What probing the running system found."""

    is_valid: bool
    error: str | None = None
    checks: tuple[HealthCheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class DeploymentResult:
    """What came of a deployment."""

    success: bool
    deployment_id: str | None = None
    deployment_timestamp: datetime = field(default_factory=utc_now)
    validation_result: DeploymentValidationResult | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ResourceAllocation:
    """What one instance may use."""

    cpu_cores: float = 1.0
    memory_mb: int = 512

    def __post_init__(self) -> None:
        checks.limit("cpu_cores", self.cpu_cores)
        checks.at_least("memory_mb", self.memory_mb, 1)


@dataclass(frozen=True, slots=True)
class ScalingResult:
    """What is running after scaling."""

    success: bool
    instances: int = 0
    resources: ResourceAllocation | None = None
    error: str | None = None
