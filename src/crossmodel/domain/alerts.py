"""Alerts: what is in trouble, who wants not to hear of it, and what has to be told to whom."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from crossmodel.domain import checks


class Severity(StrEnum):
    """How much something matters, the least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return list(Severity).index(self)


class AlertState(StrEnum):
    """Whether the trouble lasts."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One episode of trouble, from its first moment to its recovery.

    Attributes:
        id: of the episode; the next one of the same trouble has another.
        instance: which process or host noticed it.
        check: the check that found it.
        subject: what is in trouble; empty for all that the check watches.
        severity: how much it matters: the most that it did so far.
        message: what is wrong, for people.
        state: whether it lasts.
        opened_at: when it was first seen.
        changed_at: when its state was last changed.
        resolved_at: when it was over; ``None`` while it lasts.
        told: the state that a notification said last; ``None`` before the first.
        told_at: when that was.
        reminders: how many notifications said that it still lasts.
    """

    id: str
    instance: str
    check: str
    subject: str
    severity: Severity
    message: str
    state: AlertState
    opened_at: datetime
    changed_at: datetime
    resolved_at: datetime | None = None
    told: AlertState | None = None
    told_at: datetime | None = None
    reminders: int = 0

    @property
    def fingerprint(self) -> str:
        """32 hex digits, the same for every episode of this subject of this check here."""
        named = json.dumps([self.instance, self.check, self.subject]).encode()
        return hashlib.sha256(named).hexdigest()[:32]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "id": self.id,
            "fingerprint": self.fingerprint,
            "instance": self.instance,
            "check": self.check,
            "subject": self.subject,
            "severity": self.severity.value,
            "state": self.state.value,
            "message": self.message,
            "opened_at": self.opened_at.isoformat(),
            "resolved_at": self.resolved_at.isoformat() if self.resolved_at else None,
        }


@dataclass(frozen=True, slots=True)
class Silence:
    """Whoever is named here is not told of, until then.

    Attributes:
        id: by which it can be ended.
        check: name of the check, with the wildcards of a shell (``*``, ``?``, ``[…]``).
        subject: of the alert, likewise.
        severity: alerts that matter more are told of all the same.
        until: when it ends.
        created_by: who wants it.
        reason: why.
        created_at: since when.

    Raises:
        InvalidInputError: if it matches nothing, gives no reason, or ends before it begins.
    """

    id: str
    until: datetime
    created_by: str
    reason: str
    created_at: datetime
    check: str = "*"
    subject: str = "*"
    severity: Severity = Severity.CRITICAL

    def __post_init__(self) -> None:
        for name in ("id", "check", "subject", "created_by", "reason"):
            checks.text(name, getattr(self, name))
        if self.until <= self.created_at:
            checks.limit("until", (self.until - self.created_at).total_seconds())

    def mutes(self, alert: Alert) -> bool:
        """Whether it is about this alert. Whether its time is over, is not asked."""
        return (
            alert.severity.rank <= self.severity.rank
            and fnmatchcase(alert.check, self.check)
            and fnmatchcase(alert.subject, self.subject)
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "id": self.id,
            "check": self.check,
            "subject": self.subject,
            "severity": self.severity.value,
            "until": self.until.isoformat(),
            "created_by": self.created_by,
            "reason": self.reason,
            "created_at": self.created_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Notification:
    """What sinks are given: said once, delivered to each of them.

    Attributes:
        id: the same in every attempt: receivers tell duplicates by it.
        created_at: when it was said.
        severity: the most of its alerts.
        title: one line for people.
        body: JSON: ``type``, ``timestamp`` and ``data``, see :mod:`crossmodel.telemetry.alerts`.
    """

    id: str
    created_at: datetime
    severity: Severity
    title: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification on its way to one sink. ``attempts`` counts those that failed."""

    notification: Notification
    sink: str
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """How a sink's deliveries stand."""

    waiting: int = 0
    delivered: int = 0
    given_up: int = 0
