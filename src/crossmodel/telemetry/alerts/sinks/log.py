"""The log is told: a line for each notification, for whoever collects logs."""

from __future__ import annotations

import logging

from crossmodel.domain.alerts import Notification, Severity

logger = logging.getLogger("crossmodel.alerts")

LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.ERROR,
}


class LogSink:
    """Logs under ``crossmodel.alerts``; the JSON body goes along as the record's ``alert``."""

    time_limit_seconds = 5.0

    def __init__(self, name: str = "log", least_severity: Severity = Severity.INFO) -> None:
        self.name = name
        self.least_severity = least_severity

    def deliver(self, notification: Notification) -> None:
        """Log it, at the level of its gravest alert."""
        logger.log(
            LEVELS[notification.severity],
            "%s",
            notification.title,
            extra={"alert": notification.body.decode()},
        )
