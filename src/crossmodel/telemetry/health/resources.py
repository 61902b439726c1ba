"""Whether the machine has enough left: processors, memory, disk, file descriptors, and time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from crossmodel.domain import checks
from crossmodel.domain.alerts import Severity
from crossmodel.domain.operations import Finding, HealthCheckResult
from crossmodel.telemetry.health.check import HealthCheck
from crossmodel.telemetry.health.usage import Usage

CPU_SECONDS: Final = 10.0
"""Over less time than this the use of processors says nothing: it is shown and not judged."""

SLACK: Final = 0.02
"""What was too much stays so until it is less by this: figures at a limit do not come and go."""

MEGABYTE: Final = 1_000_000


class ResourceUtilizationHealthCheck(HealthCheck):
    """Unhealthy if one of them is scarcer than it may be.

    The use of processors and the loop's lag are warnings, since they pass by themselves; without
    memory, disk or file descriptors requests fail.

    Args:
        max_cpu: share of the processors' time that may be in use, more than 0 and at most 1; 1 for
            no limit. In a container it is the share of what that may use (cgroup v2).
        max_memory: likewise of the memory.
        max_disk: likewise of each disk.
        max_file_descriptors: likewise of the file descriptors that this process may have.
        max_loop_lag_ms: how late the event loop may be, in milliseconds.
        folders: those whose disks are looked at, such as the store's.
        loop_lag: gives the loop's lag in milliseconds; see
            :class:`~crossmodel.telemetry.health.loop_lag.LoopLag`.
        usage: gives the figures; this machine's if left out.
    """

    name = "resource_utilization"

    def __init__(
        self,
        *,
        max_cpu: float = 0.95,
        max_memory: float = 0.9,
        max_disk: float = 0.9,
        max_file_descriptors: float = 0.8,
        max_loop_lag_ms: float = 500.0,
        folders: Sequence[Path] = (Path(),),
        loop_lag: Callable[[], float] | None = None,
        usage: Usage | None = None,
    ) -> None:
        shares = {"cpu": max_cpu, "memory": max_memory, "file_descriptors": max_file_descriptors}
        self._most = {name: _share(f"max_{name}", value) for name, value in shares.items()}
        self._most_disk = _share("max_disk", max_disk)
        self._most_lag = checks.limit("max_loop_lag_ms", max_loop_lag_ms)
        self._folders = tuple(folders)
        self._loop_lag = loop_lag
        self._usage = usage
        self._scarce: set[str] = set()

    def check(self) -> HealthCheckResult:
        """Look at all of them."""
        usage = self._usage = self._usage or Usage()
        findings: list[Finding] = []
        cpu, seconds = usage.cpu()
        shares: dict[str, float | None] = {
            "cpu": cpu,
            "memory": usage.memory(),
            "file_descriptors": usage.file_descriptors(),
        }
        details: dict[str, object] = {
            **shares,
            "cpu_seconds": seconds,
            "process_megabytes": usage.process_bytes() / MEGABYTE,
        }
        for name, share in shares.items():
            if share is None or (name == "cpu" and seconds < CPU_SECONDS):
                continue
            severity = Severity.WARNING if name == "cpu" else Severity.CRITICAL
            self._judge(findings, name, share, self._most[name], severity)
        for folder in self._folders:
            share, free = usage.disk(folder)
            details[f"disk {folder}"] = {"used": share, "free_megabytes": free / MEGABYTE}
            self._judge(findings, f"disk {folder}", share, self._most_disk, Severity.CRITICAL)
        if self._loop_lag is not None:
            lag = details["loop_lag_ms"] = self._loop_lag()
            if lag > self._most_lag:
                message = f"the event loop was {lag:.0f} ms late; at most {self._most_lag:.0f} ms"
                findings.append(Finding("loop_lag", message, Severity.WARNING))
        return HealthCheckResult.of(self.name, findings, details)

    def _judge(
        self, findings: list[Finding], name: str, share: float, most: float, severity: Severity
    ) -> None:
        limit = most - SLACK if name in self._scarce else most
        if share > limit and most < 1.0:
            self._scarce.add(name)
            message = f"{share:.1%} of {name.replace('_', ' ')} is in use; at most {most:.1%}"
            findings.append(Finding(name, message, severity))
        else:
            self._scarce.discard(name)


def _share(name: str, value: float) -> float:
    checks.unit_interval(name, value)
    return checks.limit(name, value)
