"""Alerts: trouble is told once, its end is told, and nothing that was promised is lost.

A result of a check goes through these steps: ``inbox`` takes it without making the caller wait;
``tracking`` decides which episodes of trouble begin and end; ``grouping`` decides when they are
told, and together with what; ``messages`` says it; ``outbox`` keeps it until ``sending`` has
delivered it to every sink. ``dispatch`` leads through them, ``manager`` runs that in a thread.

A notification's body is JSON, of the shape that Standard Webhooks asks for::

    {"type": "crossmodel.alerts", "timestamp": "2026-01-01T00:00:00+00:00", "data": {
       "id": "ntf_…", "status": "firing", "title": "…", "group": "error_rate", "instance": "…",
       "severity": "critical", "firing": 1, "resolved": 0, "omitted": 0,
       "alerts": [{"id": "alt_…", "fingerprint": "…", "check": "error_rate", "subject": "gpt",
                   "severity": "critical", "state": "firing", "message": "…", "reminder": false,
                   "opened_at": "…", "resolved_at": null}]}}

Names load when they are used.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.telemetry.alerts.manager import AlertManager
    from crossmodel.telemetry.alerts.policy import AlertPolicy
    from crossmodel.telemetry.alerts.sink import AlertSink, SinkError

__all__ = ["AlertManager", "AlertPolicy", "AlertSink", "SinkError"]

_MODULE_OF = {
    "AlertManager": "manager",
    "AlertPolicy": "policy",
    "AlertSink": "sink",
    "SinkError": "sink",
}

__getattr__ = loader(__name__, _MODULE_OF)
