"""Performs all checks, tells what it finds, and does so again and again if that is wanted."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Protocol, Self

from crossmodel.domain import checks
from crossmodel.domain.alerts import Severity
from crossmodel.domain.operations import Finding, HealthCheckResult, HealthStatus
from crossmodel.telemetry.alerts.manager import AlertManager
from crossmodel.telemetry.health.availability import ModelAvailabilityHealthCheck
from crossmodel.telemetry.health.error_rate import ErrorRateHealthCheck
from crossmodel.telemetry.health.limited import Ended, TimeLimited
from crossmodel.telemetry.health.performance import PerformanceHealthCheck
from crossmodel.telemetry.health.resources import ResourceUtilizationHealthCheck

logger = logging.getLogger(__name__)

TIME_LIMIT_SECONDS: Final = 10.0
STOP_SECONDS: Final = 5.0


class Check(Protocol):
    """A :class:`~crossmodel.telemetry.health.check.HealthCheck`, or the like of it with a name."""

    def check(self) -> HealthCheckResult:
        """Look, and say what was found."""
        ...


class Alerts(Protocol):
    """Who is told of trouble: an :class:`~crossmodel.telemetry.alerts.AlertManager`.

    One that has ``send_recovery`` too is told by it of checks that find nothing wrong.
    """

    def send_alert(self, check_result: HealthCheckResult) -> object:
        """Take a result in without making the caller wait."""
        ...


class CrossModelConsciousnessHealthMonitor:
    """Watches over everything. Usable in ``with``, which ends the watch.

    Args:
        health_checks: what is looked at; left out, the four default checks, which find nothing
            wrong where they were given no source.
        alert_manager: who is told; left out, one that tells the log.
        time_limit_seconds: how long a check may take that has no limit of its own. One that takes
            longer is a finding, and is not begun again while it hangs.

    Attributes:
        health_checks: what is looked at; may be added to.
        alert_manager: who is told.
        last_status: what was found last; ``None`` before the first time.
    """

    def __init__(
        self,
        health_checks: Iterable[Check] | None = None,
        *,
        alert_manager: Alerts | None = None,
        time_limit_seconds: float = TIME_LIMIT_SECONDS,
    ) -> None:
        self.health_checks: list[Check] = list(health_checks or ())
        self.alert_manager: Alerts = alert_manager or AlertManager()
        self.last_status: HealthStatus | None = None
        self._time_limit = checks.limit("time_limit_seconds", time_limit_seconds)
        self._performing = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping: Future[None] = Future()
        self._limited: TimeLimited[HealthCheckResult] = TimeLimited("crossmodel-check")
        if health_checks is None:
            self._register_default_health_checks()

    def _register_default_health_checks(self) -> None:
        """Add the four default checks, each as it is without arguments."""
        self.health_checks.extend(
            [
                ModelAvailabilityHealthCheck(),
                PerformanceHealthCheck(),
                ErrorRateHealthCheck(),
                ResourceUtilizationHealthCheck(),
            ]
        )

    def perform_health_check(self) -> HealthStatus:
        """Perform all checks side by side, and tell what they found.

        It takes no longer than the longest time limit. Two callers take turns.
        """
        with self._performing:
            status = HealthStatus()
            named = _named(self.health_checks)
            ended = self._limited.run(
                {name: (each.check, self._limit_of(each)) for name, each in named.items()}
            )
            for name, each in ended.items():
                result = _result(name, each)
                status.add_check_result(result)
                self._tell(result)
            self.last_status = status
        return status

    def start_monitoring(self, check_interval_seconds: float = 60) -> None:
        """Perform all checks again and again, in a thread of its own, the first time at once.

        If it is running already, it goes on as it is. It ends with :meth:`stop_monitoring`, or when
        nobody holds the monitor any more.

        Raises:
            InvalidInputError: if the interval is not more than 0, or infinite.
        """
        checks.limit("check_interval_seconds", check_interval_seconds)
        checks.at_least("check_interval_seconds", check_interval_seconds, 0)
        with self._starting:
            if self._thread is not None and self._thread.is_alive():
                return
            stopping: Future[None] = Future()
            self._stopping = stopping
            self._limited.stopping = stopping
            self._thread = threading.Thread(
                target=_watch,
                args=(
                    weakref.ref(self, lambda _: _end(stopping)),
                    stopping,
                    check_interval_seconds,
                ),
                name="crossmodel-health",
                daemon=True,
            )
            self._thread.start()

    @property
    def is_monitoring(self) -> bool:
        """Whether the watch goes on."""
        return self._thread is not None and self._thread.is_alive() and not self._stopping.done()

    def stop_monitoring(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """End the watch, and wait for its thread; again is no error. Returns whether it has ended.

        Checks that hang are left alone: nothing waits for their threads, nor does the process.
        """
        with self._starting:
            thread, self._thread = self._thread, None
            _end(self._stopping)
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_seconds)
        self._limited.stopping = Future()  # checks may still be performed one time at a time
        return thread is None or not thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop_monitoring()

    def _limit_of(self, check: Check) -> float:
        own = getattr(check, "time_limit_seconds", None)
        return self._time_limit if own is None else float(own)

    def _tell(self, result: HealthCheckResult) -> None:
        recovered = getattr(self.alert_manager, "send_recovery", None)
        try:
            if result.findings or not result.is_healthy:
                self.alert_manager.send_alert(result)
            elif recovered is not None:
                recovered(result)
        except Exception:  # whoever wrote it: the checks go on
            logger.exception("the alert manager has not taken what %s found", result.check_name)

    def _log_health_status(self, health_status: HealthStatus) -> None:
        """Log what is wrong; where nothing is, only for who looks at details."""
        wrong = [result for result in health_status.check_results if not result.is_healthy]
        for result in wrong:
            logger.info("%s: %s", result.check_name, result.error)
        if not wrong:
            logger.debug("all %d checks are healthy", len(health_status.check_results))


def _watch(
    monitor: Callable[[], CrossModelConsciousnessHealthMonitor | None],
    stopping: Future[None],
    interval: float,
) -> None:
    """What the thread does. It holds the monitor only while it performs the checks."""
    while not stopping.done():
        held = monitor()
        if held is None:
            return
        try:
            held._log_health_status(held.perform_health_check())  # noqa: SLF001 - the reference's name
        except Exception:
            logger.exception("the checks could not be performed; they are tried again")
        del held
        try:
            stopping.result(interval)
        except TimeoutError:
            continue


def _end(stopping: Future[None]) -> None:
    if not stopping.done():
        stopping.set_result(None)


def _named(health_checks: Iterable[Check]) -> dict[str, Check]:
    """The checks by name; a second one of a name gets a number."""
    named: dict[str, Check] = {}
    for check in health_checks:
        name = str(getattr(check, "name", "")) or type(check).__name__
        number, unique = 2, name
        while unique in named:
            unique, number = f"{name} {number}", number + 1
        named[unique] = check
    return named


def _result(name: str, ended: Ended[HealthCheckResult]) -> HealthCheckResult:
    """A check's own result, or a finding about the check."""
    latency_ms = ended.seconds * 1000
    result: Any = ended.value
    if ended.error is None and isinstance(result, HealthCheckResult):
        return replace(result, check_name=name, latency_ms=result.latency_ms or latency_ms)
    if ended.error is None:
        said = f"the check returned {type(result).__name__}, not a HealthCheckResult"
    elif isinstance(ended.error, TimeoutError) and not str(ended.error):
        said = "TimeoutError"
    elif isinstance(ended.error, TimeoutError):
        said = f"the check hangs: {ended.error}"
    else:
        said = str(ended.error) or type(ended.error).__name__
    return HealthCheckResult(
        check_name=name,
        is_healthy=False,
        error=said,
        latency_ms=latency_ms,
        findings=(Finding("", said, Severity.CRITICAL),),
    )
