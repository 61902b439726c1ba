"""Whether too many requests fail, and surely so."""

from __future__ import annotations

from crossmodel.calibration import wilson_interval
from crossmodel.domain import checks
from crossmodel.domain.operations import Finding, HealthCheckResult
from crossmodel.telemetry.health.check import HealthCheck
from crossmodel.telemetry.health.figures import FiguresSource, no_figures, subject_of


class ErrorRateHealthCheck(HealthCheck):
    """Unhealthy if the rate of errors of all models, or of one, surely lies above what it may be.

    Surely: the lower end of its 95 % interval does (Wilson, J. Amer. Statist. Assoc. 22, 1927), so
    that one of two requests that fail is no alarm, and sixty of a hundred are.

    Args:
        source: gives the figures; left out, there are none, and the check is healthy.
        max_error_rate: what it may be, 0..1.
        minimum_requests: of fewer nothing is said.
    """

    name = "error_rate"

    def __init__(
        self,
        source: FiguresSource = no_figures,
        *,
        max_error_rate: float = 0.05,
        minimum_requests: int = 20,
    ) -> None:
        self._source = source
        self._most = checks.unit_interval("max_error_rate", max_error_rate)
        self._least = checks.at_least("minimum_requests", minimum_requests, 1)

    def check(self) -> HealthCheckResult:
        """Look at the window up to now."""
        findings, details = [], {}
        for model, figures in self._source().items():
            subject, (errors, n) = subject_of(model), (figures.errors, figures.requests)
            low, high = wilson_interval(errors, n)
            details[subject] = {
                "requests": n, "errors": errors, "rate_low": low, "rate_high": high,
            }  # fmt: skip
            if n >= self._least and low > self._most:
                message = (
                    f"{errors} of {n} requests failed ({errors / n:.1%}, surely more than "
                    f"{low:.1%}); at most {self._most:.1%} may"
                )
                findings.append(Finding(subject, message))
        return HealthCheckResult.of(self.name, findings, details)
