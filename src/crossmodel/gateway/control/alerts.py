"""Health in detail, alerts, and whom they are not told of: for administrators."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from crossmodel.domain.alerts import Alert, Severity, Silence
from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.operations import HealthCheckResult
from crossmodel.domain.period import utc_now
from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.operation import Answer, Nothing, Operation
from crossmodel.gateway.control.parameters import (
    PRINTABLE,
    Body,
    Limit,
    Name,
    Offset,
    Parameters,
    View,
)

if TYPE_CHECKING:
    from crossmodel.telemetry.alerts.manager import AlertManager  # it is imported by who watches

SILENCES: Final = "/admin/v1/silences"

MOST_MINUTES: Final = 366 * 24 * 60

Level = Literal["info", "warning", "critical"]
Pattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=PRINTABLE,
        description="With the wildcards of a shell: * and ? and [...].",
    ),
]
Words = Annotated[str, Meta(min_length=1, max_length=500, pattern=PRINTABLE)]


class FindingView(View):
    """One thing that is wrong; ``subject`` is empty for all that the check watches."""

    subject: str
    message: str
    severity: Level


class CheckView(View):
    """What one check found; ``details`` are the figures behind it."""

    check_name: str
    is_healthy: bool
    error: str | None
    checked_at: datetime
    latency_ms: float
    findings: list[FindingView]
    details: dict[str, Any]


class SinkView(View):
    """What a sink of alerts was sent since the start; ``dead`` while it takes nothing."""

    name: str
    dead: bool
    delivered: int
    failed: int
    given_up: int
    last_error: str


class HealthView(View):
    """What all checks found; healthy if each of them is. ``watching``: whether it goes on."""

    is_healthy: bool
    watching: bool
    checked_at: datetime
    check_results: list[CheckView]
    sinks: list[SinkView]


class AlertView(View):
    """One episode of trouble. ``fingerprint`` is the same for all episodes of its subject."""

    id: str
    fingerprint: str
    instance: str
    check: str
    subject: str
    severity: Level
    state: Literal["firing", "resolved"]
    message: str
    opened_at: datetime
    resolved_at: datetime | None


class AlertPage(View):
    """Alerts, newest first; ``next_offset`` is that of the next page, if there is one."""

    items: list[AlertView]
    next_offset: int | None


class AlertPageParams(Parameters):
    """Which page, and of which state."""

    limit: Limit = 50
    offset: Offset = 0
    state: Literal["firing", "resolved"] | None = None


class NewSilence(Body):
    """Whom nobody is to be told of, for how long, and why."""

    minutes: Annotated[int, Meta(ge=1, le=MOST_MINUTES)]
    created_by: Name
    reason: Words
    check: Pattern = "*"
    subject: Pattern = "*"
    severity: Annotated[
        Level, Meta(description="Alerts that matter more are told of all the same.")
    ] = "critical"


class SilenceView(View):
    """A silence that lasts."""

    id: str
    check: str
    subject: str
    severity: Level
    until: datetime
    created_by: str
    reason: str
    created_at: datetime


class SilenceList(View):
    """All silences that last, oldest first."""

    items: list[SilenceView]


class SilenceParams(Parameters):
    """Which silence."""

    id: Name


async def get_health(control: Control, _params: Nothing, _body: None) -> HealthView:
    """What was found last; if nobody watches, what is found now."""
    watch = control.watch
    status = await watch.status()
    return HealthView(
        is_healthy=status.is_healthy,
        watching=watch.monitor.is_monitoring,
        checked_at=status.checked_at,
        check_results=[_check_view(result) for result in status.check_results],
        sinks=_sink_views(watch.alerts) if watch.alerts is not None else [],
    )


async def list_alerts(control: Control, params: AlertPageParams, _body: None) -> AlertPage:
    """One page of them."""
    found = await control.cm.engine.store.read(
        lambda tx: tx.list_alerts(state=params.state, limit=params.limit + 1, offset=params.offset)
    )
    more = len(found) > params.limit
    return AlertPage(
        items=[_alert_view(alert) for alert in found[: params.limit]],
        next_offset=params.offset + params.limit if more else None,
    )


async def list_silences(control: Control, _params: Nothing, _body: None) -> SilenceList:
    """All of them."""
    now = utc_now()
    found = await control.cm.engine.store.read(lambda tx: tx.silences(now))
    return SilenceList(items=[_silence_view(silence) for silence in found])


async def create_silence(control: Control, _params: Nothing, body: NewSilence) -> SilenceView:
    """Begin one now."""
    now = utc_now()
    silence = Silence(
        id=time_ordered_id("sil_"),
        until=now + timedelta(minutes=body.minutes),
        created_by=body.created_by,
        reason=body.reason,
        created_at=now,
        check=body.check,
        subject=body.subject,
        severity=Severity(body.severity),
    )
    await control.cm.engine.store.transact(lambda tx: tx.put_silence(silence))
    return _silence_view(silence)


async def delete_silence(control: Control, params: SilenceParams, _body: None) -> SilenceView:
    """End one now."""
    now = utc_now()
    ended = await control.cm.engine.store.transact(lambda tx: tx.end_silence(params.id, now))
    return _silence_view(ended)


def _sink_views(alerts: AlertManager) -> list[SinkView]:
    dead = alerts.dead_sinks
    return [
        SinkView(
            name=name,
            dead=name in dead,
            delivered=counts.delivered,
            failed=counts.failed,
            given_up=counts.given_up,
            last_error=counts.last_error,
        )
        for name, counts in alerts.delivery_counts.items()
    ]


def _check_view(result: HealthCheckResult) -> CheckView:
    return msgspec.convert(result.to_dict(), CheckView)


def _alert_view(alert: Alert) -> AlertView:
    return msgspec.convert(alert.to_dict(), AlertView)


def _silence_view(silence: Silence) -> SilenceView:
    return msgspec.convert(silence.to_dict(), SilenceView)


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        "/admin/v1/health",
        "getHealth",
        "What each health check found, with the figures behind it.",
        get_health,
        Nothing,
        [Answer(200, "What they found, healthy or not.", HealthView)],
    ),
    Operation(
        "GET",
        "/admin/v1/alerts",
        "listAlerts",
        "The alerts that last, and those that were over.",
        list_alerts,
        AlertPageParams,
        [Answer(200, "A page of alerts.", AlertPage)],
    ),
    Operation(
        "GET",
        SILENCES,
        "listSilences",
        "The silences that last.",
        list_silences,
        Nothing,
        [Answer(200, "The silences.", SilenceList)],
    ),
    Operation(
        "POST",
        SILENCES,
        "createSilence",
        "Let nobody be told of certain alerts for a while. Who heard of one hears of its end.",
        create_silence,
        Nothing,
        [Answer(201, "The new silence.", SilenceView)],
        body=NewSilence,
    ),
    Operation(
        "DELETE",
        SILENCES + "/{id}",
        "deleteSilence",
        "End a silence now.",
        delete_silence,
        SilenceParams,
        [Answer(200, "The silence as it was.", SilenceView)],
    ),
)
