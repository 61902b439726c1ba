"""Whether models answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from crossmodel.domain import checks
from crossmodel.domain.alerts import Severity
from crossmodel.domain.operations import Finding, HealthCheckResult
from crossmodel.errors import CrossModelError, InvalidInputError
from crossmodel.telemetry.health.check import HealthCheck
from crossmodel.telemetry.health.limited import Ended, TimeLimited

ModelProbe = Callable[[], object]
"""Asks one model. It raises if the model is down, or returns ``False`` or a text that says why."""

ProbesSource = Callable[[], Mapping[str, ModelProbe]]

PROBE_SECONDS: Final = 5.0


class ModelAvailabilityHealthCheck(HealthCheck):
    """Unhealthy if a required model is down; another one that is down is a warning.

    Args:
        probes: how each model is asked, by its id, or a callable that gives them as they are now;
            left out, there are no models, and the check is healthy.
        required: ids of the models that must answer; ``None`` for all of them.
        probe_seconds: how long each may take; a model that takes longer is down.

    Raises:
        InvalidInputError: if a required model has no probe.
    """

    name = "model_availability"

    def __init__(
        self,
        probes: Mapping[str, ModelProbe] | ProbesSource | None = None,
        *,
        required: Collection[str] | None = None,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        given = probes or {}
        self._probes: ProbesSource = given if callable(given) else lambda: given
        self._required = None if required is None else frozenset(required)
        self._seconds = checks.limit("probe_seconds", probe_seconds)
        self._limited: TimeLimited[object] = TimeLimited("crossmodel-probe")
        if not callable(given) and (unknown := sorted((self._required or set()) - given.keys())):
            raise InvalidInputError(f"required: there is no model {unknown[0]!r}")

    def check(self) -> HealthCheckResult:
        """Ask all models side by side."""
        probes = self._probes()
        ended = self._limited.run({name: (ask, self._seconds) for name, ask in probes.items()})
        down = {name: reason for name, each in ended.items() if (reason := _reason(each))}
        missing = sorted((self._required or frozenset()) - probes.keys())
        down |= dict.fromkeys(missing, "it is not configured")
        findings = [
            Finding(name, f"model {name} is down: {reason}", self._severity(name))
            for name, reason in down.items()
        ]
        answers = {name: name not in down for name in (*probes, *missing)}
        latencies = {name: each.seconds * 1000 for name, each in ended.items() if name not in down}
        return HealthCheckResult.of(
            self.name, findings, {"models": answers, "down": down, "latency_ms": latencies}
        )

    def _severity(self, name: str) -> Severity:
        required = self._required is None or name in self._required
        return Severity.CRITICAL if required else Severity.WARNING


def _reason(ended: Ended[object]) -> str:
    """Why a model is down; empty if it is not."""
    error = ended.error
    if error is None:
        value = ended.value
        return value if isinstance(value, str) else "its probe says so" if value is False else ""
    if isinstance(error, CrossModelError | TimeoutError):
        return str(error) or type(error).__name__
    return type(error).__name__  # the text of others may hold anything
