"""What a notification says: a line for people and JSON for programs, of bounded size."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from crossmodel.domain.alerts import Alert, AlertState, Notification, Severity
from crossmodel.domain.ids import time_ordered_id
from crossmodel.telemetry.alerts.grouping import Batch
from crossmodel.telemetry.alerts.tracking import clean

MOST_LISTED: Final = 100
"""Alerts that a notification lists; of more it says how many are left out."""

MOST_NAMED: Final = 3
"""Alerts that its title names."""

TYPE: Final = "crossmodel.alerts"


def notification_of(batch: Batch, now: datetime) -> Notification:
    """The notification that tells of a batch, the gravest of its alerts first."""
    alerts = sorted(
        batch.alerts,
        key=lambda each: (each.state is not AlertState.FIRING, -each.severity.rank, each.opened_at),
    )
    firing = [alert for alert in alerts if alert.state is AlertState.FIRING]
    severity = max((each.severity for each in alerts), key=lambda each: each.rank)
    title = _title(batch.group, severity, firing, len(alerts) - len(firing), alerts)
    return _notification(
        now,
        severity,
        title,
        {
            "status": "firing" if firing else "resolved",
            "group": batch.group,
            "instance": alerts[0].instance,
            "firing": len(firing),
            "resolved": len(alerts) - len(firing),
            "omitted": max(0, len(alerts) - MOST_LISTED),
            "alerts": [
                alert.to_dict() | {"reminder": is_reminder(alert)} for alert in alerts[:MOST_LISTED]
            ],
        },
    )


def trial(instance: str, now: datetime) -> Notification:
    """A notification that says nothing but that it arrived."""
    title = f"CrossModel on {clean(instance)} tries out its alerts: all is well"
    empty: dict[str, Any] = {
        "status": "test", "group": "test", "instance": instance, "firing": 0, "resolved": 0,
        "omitted": 0, "alerts": [],
    }  # fmt: skip
    return _notification(now, Severity.CRITICAL, title, empty)


def is_reminder(alert: Alert) -> bool:
    """Whether a notification of it says what another one has said already."""
    return alert.told is alert.state


def _notification(
    now: datetime, severity: Severity, title: str, data: dict[str, Any]
) -> Notification:
    named = time_ordered_id("ntf_")
    body = {
        "type": TYPE,
        "timestamp": now.isoformat(),
        "data": {"id": named, "title": title, "severity": severity.value} | data,
    }
    return Notification(named, now, severity, title, msgspec.json.encode(body))


def _title(
    group: str, severity: Severity, firing: Sequence[Alert], resolved: int, alerts: Sequence[Alert]
) -> str:
    if firing:
        again = "still " if all(map(is_reminder, firing)) else ""
        counts = f"{len(firing)} {again}firing" + (f", {resolved} resolved" if resolved else "")
        head = f"[{severity}] {group}: {counts}"
    else:
        head = f"[resolved] {group}: {resolved} resolved"
    named = [f"{a.subject}: {a.message}" if a.subject else a.message for a in alerts[:MOST_NAMED]]
    more = ["…"] if len(alerts) > MOST_NAMED else []
    return clean("; ".join([f"{head}: {named[0]}", *named[1:], *more]))
