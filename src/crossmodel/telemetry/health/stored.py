"""Whether the store takes and gives, and whether the log keeps up with what is handed over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from crossmodel.domain import checks
from crossmodel.domain.alerts import Severity
from crossmodel.domain.operations import Finding, HealthCheckResult
from crossmodel.telemetry.health.check import HealthCheck


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What was found by writing and reading a little.

    Attributes:
        write_ms: how long a small durable write took, in milliseconds.
        read_ms: how long a small read took.
        log_size: records in the log.
        signed_size: how many of them its latest checkpoint covers.
        handed_over: records that were handed over since the process started; ``None`` if that is
            not counted.
        lost: how many of them could not be taken.
        note: something to be said of it that is no trouble.
    """

    write_ms: float = 0.0
    read_ms: float = 0.0
    log_size: int = 0
    signed_size: int = 0
    handed_over: int | None = None
    lost: int = 0
    note: str = ""


class StoreHealthCheck(HealthCheck):
    """Unhealthy if the store cannot be written or read, or its log does not grow as it should.

    Slow writes are a warning, and so are records that wait long for a checkpoint: they are durable,
    and the next checkpoint covers them.

    Args:
        probe: writes and reads; it raises if the store does not take or give. Left out, there is no
            store, and the check is healthy.
        max_write_ms: how long a small durable write may take, in milliseconds.
        max_lag_seconds: how long records may have been handed over while the log does not grow, and
            how long records may wait for a checkpoint.
        clock: monotonic seconds.
    """

    name = "store"

    def __init__(
        self,
        probe: Callable[[], StoreFigures] = StoreFigures,
        *,
        max_write_ms: float = 2000.0,
        max_lag_seconds: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe = probe
        self._most_write_ms = checks.limit("max_write_ms", max_write_ms)
        self._most_lag = checks.limit("max_lag_seconds", max_lag_seconds)
        self._clock = clock
        self._before = StoreFigures()
        self._stalled_since = math.inf
        self._unsigned_since = math.inf
        self._lost = 0

    def check(self) -> HealthCheckResult:
        """Write and read; what the probe raises is what the monitor reports."""
        figures, now = self._probe(), self._clock()
        self._follow(figures, now)
        stalled = max(0.0, now - self._stalled_since)
        unsigned = max(0.0, now - self._unsigned_since)
        findings = []
        if figures.write_ms > self._most_write_ms:
            message = f"a small write took {figures.write_ms:.0f} ms"
            findings.append(Finding("writes", message, Severity.WARNING))
        if stalled > self._most_lag:
            message = f"records are handed over, and the log has not grown for {stalled:.0f} s"
            findings.append(Finding("log", message))
        if unsigned > self._most_lag:
            left = figures.log_size - figures.signed_size
            message = f"{left} records have waited for a checkpoint for {unsigned:.0f} s"
            findings.append(Finding("checkpoint", message, Severity.WARNING))
        if figures.lost > self._lost:
            message = f"{figures.lost - self._lost} records could not be handed over"
            findings.append(Finding("records", message))
        self._lost = figures.lost
        details: dict[str, float | str] = {
            "write_ms": figures.write_ms,
            "read_ms": figures.read_ms,
            "log_size": figures.log_size,
            "signed_size": figures.signed_size,
            "writer_lag_seconds": stalled,
            "checkpoint_age_seconds": unsigned,
            "records_lost": figures.lost,
        }
        if figures.note:
            details["note"] = figures.note
        return HealthCheckResult.of(self.name, findings, details)

    def _follow(self, figures: StoreFigures, now: float) -> None:
        """Since when the log has not grown although it should, and since when it is unsigned."""
        before, self._before = self._before, figures
        grew = figures.log_size > before.log_size
        comes = (figures.handed_over or 0) > (before.handed_over or 0)
        if grew:
            self._stalled_since = math.inf
        elif comes:
            self._stalled_since = min(self._stalled_since, now)
        if figures.signed_size >= figures.log_size or figures.signed_size > before.signed_size:
            self._unsigned_since = math.inf
        if figures.signed_size < figures.log_size:
            self._unsigned_since = min(self._unsigned_since, now)
