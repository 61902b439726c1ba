"""Whether answers are as quick and as reliable as they should be."""

from __future__ import annotations

from crossmodel.calibration import wilson_interval
from crossmodel.domain import checks
from crossmodel.domain.operations import Finding, HealthCheckResult
from crossmodel.telemetry.health.check import HealthCheck
from crossmodel.telemetry.health.figures import (
    FiguresSource,
    RequestFigures,
    no_figures,
    subject_of,
)


class PerformanceHealthCheck(HealthCheck):
    """Unhealthy if latency or success, of all models or of one, misses its target.

    Args:
        source: gives the figures; left out, there are none, and the check is healthy.
        max_latency_p95_ms: what 95 % of requests should take no longer than, in milliseconds;
            infinite for no target.
        min_success_rate: what share of requests should succeed, 0..1. It is missed if the upper end
            of the share's 95 % interval (Wilson) lies below.
        minimum_requests: of fewer nothing is said.
    """

    name = "performance"

    def __init__(
        self,
        source: FiguresSource = no_figures,
        *,
        max_latency_p95_ms: float = 30_000.0,
        min_success_rate: float = 0.9,
        minimum_requests: int = 20,
    ) -> None:
        self._source = source
        self._latency = checks.limit("max_latency_p95_ms", max_latency_p95_ms)
        self._success = checks.unit_interval("min_success_rate", min_success_rate)
        self._least = checks.at_least("minimum_requests", minimum_requests, 1)

    def check(self) -> HealthCheckResult:
        """Look at the window up to now."""
        findings, details = [], {}
        for model, figures in self._source().items():
            subject, n = subject_of(model), figures.requests
            details[subject] = {
                "requests": n,
                "latency_p95_ms": figures.latency_p95_ms,
                "success_rate": (n - figures.errors) / n if n else None,
            }
            if n >= self._least and (missed := self._missed(figures)):
                findings.append(Finding(subject, "; ".join(missed)))
        return HealthCheckResult.of(self.name, findings, details)

    def _missed(self, figures: RequestFigures) -> list[str]:
        """The targets that are missed."""
        missed, n = [], figures.requests
        latency = figures.latency_p95_ms
        if latency is not None and latency > self._latency:
            missed.append(
                f"5 % of {n} requests took {latency:.0f} ms or longer; the target is "
                f"{self._latency:.0f} ms"
            )
        good = n - figures.errors
        if wilson_interval(good, n).high < self._success:
            missed.append(
                f"{good} of {n} requests succeeded ({good / n:.1%}); the target is "
                f"{self._success:.1%}"
            )
        return missed
