"""What went wrong for a while, as reports tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crossmodel.domain.period import as_utc


@dataclass(frozen=True, slots=True)
class Incident:
    """A health check that failed, from its alert to its recovery.

    Attributes:
        opened_at: when it began, UTC.
        resolved_at: when it was over, UTC; ``None`` while it goes on.
        check: the name of the check that failed.
        message: what it found, for people.
    """

    opened_at: datetime
    resolved_at: datetime | None
    check: str
    message: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "opened_at", as_utc(self.opened_at))
        if self.resolved_at is not None:
            object.__setattr__(self, "resolved_at", as_utc(self.resolved_at))

    @property
    def duration(self) -> timedelta | None:
        """How long it lasted; ``None`` while it goes on."""
        return None if self.resolved_at is None else self.resolved_at - self.opened_at

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; times as ISO 8601, durations in seconds."""
        duration = self.duration
        return {
            "opened_at": self.opened_at.isoformat(),
            "resolved_at": self.resolved_at.isoformat() if self.resolved_at else None,
            "duration_seconds": duration.total_seconds() if duration is not None else None,
            "check": self.check,
            "message": self.message,
        }
