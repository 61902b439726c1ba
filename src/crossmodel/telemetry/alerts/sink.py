"""Where notifications go: what every sink is, and how one says that it could not take something."""

from __future__ import annotations

from typing import Protocol

from crossmodel.domain.alerts import Notification, Severity
from crossmodel.errors import CrossModelError


class SinkError(CrossModelError):
    """A sink could not take a notification. The message holds no secret: it is logged and kept.

    Attributes:
        is_final: whether the same again would be refused again.
        retry_after_seconds: how long the receiver asks to be left alone; ``None`` if it does not.
    """

    def __init__(
        self, message: str, *, is_final: bool = False, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.is_final = is_final
        self.retry_after_seconds = retry_after_seconds


class AlertSink(Protocol):
    """Somebody who is told.

    Attributes:
        name: by which its deliveries are kept: unique, and the same after a restart.
        least_severity: it is not told of notifications that matter less.
        time_limit_seconds: how long one delivery may take; then it counts as failed.
    """

    name: str
    least_severity: Severity
    time_limit_seconds: float

    def deliver(self, notification: Notification) -> None:
        """Tell, and return once it has been taken. Called in a thread, one call at a time.

        Raises:
            SinkError: if it was not taken; of any other error only the kind is logged and kept.
        """
        ...
