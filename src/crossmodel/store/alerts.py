"""Alerts, silences, and the outbox: what sinks are to be told, each exactly as long as it takes.

They are about the machines of whoever runs this, so they belong to no tenant.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from crossmodel.domain import checks
from crossmodel.domain.alerts import (
    Alert,
    AlertState,
    Delivery,
    DeliveryCounts,
    Notification,
    Severity,
    Silence,
)
from crossmodel.domain.incidents import Incident
from crossmodel.domain.period import TimePeriod
from crossmodel.errors import NotFoundError
from crossmodel.store import schema
from crossmodel.store.rows import Rows
from crossmodel.store.upserts import insert

WAITING: Final = "waiting"
DELIVERED: Final = "delivered"
GIVEN_UP: Final = "given up"

ERROR_LENGTH: Final = 500

FARTHEST: Final = timedelta(hours=2)
"""No delivery is put off for longer: one that seems to be was, before the clock was set back."""


class AlertTables(Rows):
    """Those of one connection."""

    def put_alerts(self, alerts: Sequence[Alert]) -> None:
        """Keep alerts, replacing those of the same id."""
        if not alerts:
            return
        table = schema.alerts
        statement = insert(table, self._connection.dialect.name)
        changed = {name: statement.excluded[name] for name in Alert.__slots__ if name != "id"}
        statement = statement.on_conflict_do_update(index_elements=[table.c.id], set_=changed)
        self._connection.execute(statement, [_alert_row(each) for each in alerts])

    def alerts_of(self, instance: str, since: datetime) -> list[Alert]:
        """What an instance goes on with: what lasts or was not told, and what opened since."""
        table = schema.alerts
        untold = sa.or_(table.c.told.is_(None), table.c.told != table.c.state)
        query = sa.select(table).where(
            table.c.instance == instance,
            sa.or_(table.c.state == AlertState.FIRING, untold, table.c.opened_at >= since),
        )
        return self._alerts(query.order_by(table.c.opened_at, table.c.id))

    def list_alerts(
        self, *, state: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[Alert]:
        """Alerts of all instances, newest first; of one state, if one is named."""
        checks.at_least("limit", limit, 0)
        checks.at_least("offset", offset, 0)
        table = schema.alerts
        query = sa.select(table)
        if state is not None:
            query = query.where(table.c.state == checks.one_of("state", state, AlertState))
        newest = query.order_by(table.c.opened_at.desc(), table.c.id.desc())
        return self._alerts(newest.limit(limit).offset(offset))

    def incidents(self, period: TimePeriod) -> list[Incident]:
        """What was wrong at some time of a period, oldest first."""
        table = schema.alerts
        lasted = sa.or_(table.c.resolved_at.is_(None), table.c.resolved_at >= period.start)
        query = sa.select(table).where(table.c.opened_at <= period.end, lasted)
        return [
            Incident(
                each.opened_at,
                each.resolved_at,
                each.check,
                f"{each.subject}: {each.message}" if each.subject else each.message,
            )
            for each in self._alerts(query.order_by(table.c.opened_at, table.c.id))
        ]

    def add_notification(self, notification: Notification, sinks: Collection[str]) -> None:
        """Promise a notification to sinks: it is theirs until each has it or was given up."""
        row = {name: getattr(notification, name) for name in Notification.__slots__}
        self._insert(schema.alert_notifications, [row | {"severity": notification.severity.value}])
        self._insert(
            schema.alert_deliveries,
            [
                {
                    "sink": sink,
                    "notification_id": notification.id,
                    "state": WAITING,
                    "attempts": 0,
                    "due_at": notification.created_at,
                    "settled_at": None,
                    "error": "",
                }
                for sink in dict.fromkeys(sinks)
            ],
        )

    def claim_delivery(
        self, sink: str, now: datetime, until: datetime
    ) -> tuple[Delivery | None, datetime | None]:
        """The sink's next delivery, for the caller alone until then; or when to ask again.

        They come in the order in which they were promised: the all-clear never overtakes the alarm.
        With nothing to deliver both are ``None``.
        """
        table, said = schema.alert_deliveries, schema.alert_notifications
        first = (
            sa.select(table.c.attempts, table.c.due_at, said)
            .join(said, said.c.id == table.c.notification_id)
            .where(table.c.state == WAITING, table.c.sink == sink)
            .order_by(said.c.created_at, said.c.id)
            .limit(1)
            .with_for_update()
        )
        row = self._connection.execute(first).mappings().first()
        if row is None:
            return None, None
        if now < row["due_at"] <= now + FARTHEST:
            return None, row["due_at"]
        self._change(sink, row["id"], due_at=until)
        fields: dict[str, Any] = {name: row[name] for name in Notification.__slots__}
        notification = Notification(**fields | {"severity": Severity(fields["severity"])})
        return Delivery(notification, sink, row["attempts"]), None

    def settle_delivery(
        self,
        delivery: Delivery,
        at: datetime,
        *,
        error: str = "",
        again_at: datetime | None = None,
    ) -> None:
        """Say how an attempt went: delivered without error, tried again then, or given up."""
        failed: dict[str, Any] = {"attempts": delivery.attempts + 1, "error": error[:ERROR_LENGTH]}
        key = delivery.sink, delivery.notification.id
        if not error:
            self._change(*key, state=DELIVERED, settled_at=at, error="")
        elif again_at is None:
            self._change(*key, state=GIVEN_UP, settled_at=at, **failed)
        else:
            self._change(*key, due_at=again_at, **failed)

    def delivery_counts(self) -> dict[str, DeliveryCounts]:
        """How the deliveries stand that are still kept, by sink."""
        table = schema.alert_deliveries
        query = sa.select(table.c.sink, table.c.state, sa.func.count())
        counts: dict[str, dict[str, int]] = {}
        for sink, state, n in self._connection.execute(query.group_by(table.c.sink, table.c.state)):
            counts.setdefault(sink, {})[state] = n
        return {
            sink: DeliveryCounts(of.get(WAITING, 0), of.get(DELIVERED, 0), of.get(GIVEN_UP, 0))
            for sink, of in sorted(counts.items())
        }

    def put_silence(self, silence: Silence) -> None:
        """Keep a new silence."""
        row = {name: getattr(silence, name) for name in Silence.__slots__}
        self._insert(schema.alert_silences, [row | {"severity": silence.severity.value}])

    def silences(self, at: datetime) -> list[Silence]:
        """Those that have not ended by then, oldest first."""
        table = schema.alert_silences
        query = sa.select(table).where(table.c.until > at)
        rows = self._connection.execute(query.order_by(table.c.created_at, table.c.id)).mappings()
        return [Silence(**{**row, "severity": Severity(row["severity"])}) for row in rows]

    def end_silence(self, silence_id: str, at: datetime) -> Silence:
        """End a silence now; returns it as it was.

        Raises:
            NotFoundError: if there is none of that id that lasts.
        """
        table = schema.alert_silences
        found = next((each for each in self.silences(at) if each.id == silence_id), None)
        if found is None:
            raise NotFoundError(f"there is no silence {silence_id!r} that lasts")
        self._connection.execute(sa.delete(table).where(table.c.id == silence_id))
        return found

    def prune_alerts(self, before: datetime, told_before: datetime) -> int:
        """Forget alerts that were over, and notifications that were settled, before then; how many.

        ``told_before`` is for notifications, delivered or not.
        """
        alerts, said = schema.alerts, schema.alert_notifications
        gone = self._connection.execute(
            sa.delete(alerts).where(
                alerts.c.state == AlertState.RESOLVED, alerts.c.resolved_at < before
            )
        ).rowcount
        gone += self._connection.execute(
            sa.delete(said).where(said.c.created_at < told_before)
        ).rowcount
        ended = schema.alert_silences
        self._connection.execute(sa.delete(ended).where(ended.c.until < told_before))
        return gone

    def _change(self, sink: str, notification_id: str, **values: Any) -> None:
        table = schema.alert_deliveries
        mine = table.c.sink == sink, table.c.notification_id == notification_id
        self._connection.execute(sa.update(table).where(*mine, table.c.state == WAITING), values)

    def _alerts(self, query: sa.Select[Any]) -> list[Alert]:
        return [_alert(row) for row in self._connection.execute(query).mappings()]


def _alert_row(alert: Alert) -> dict[str, Any]:
    row = {name: getattr(alert, name) for name in Alert.__slots__}
    told = alert.told.value if alert.told else None
    return row | {"severity": alert.severity.value, "state": alert.state.value, "told": told}


def _alert(row: sa.RowMapping) -> Alert:
    told = AlertState(row["told"]) if row["told"] else None
    kinds = {"severity": Severity(row["severity"]), "state": AlertState(row["state"])}
    return Alert(**{**row, **kinds, "told": told})
