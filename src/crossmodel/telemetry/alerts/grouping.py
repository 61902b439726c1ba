"""When alerts are told, and which of them together: a pure decision over what is untold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from crossmodel.domain.alerts import Alert, AlertState
from crossmodel.telemetry.alerts.policy import AlertPolicy

MOST_GROUPS: Final = 20
"""Checks that are told of one by one within ``group_interval_seconds``; others together."""

SEVERAL: Final = "(several checks)"
"""The group of those."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Alerts that one notification tells of."""

    group: str
    alerts: Sequence[Alert]


class Grouping:
    """Decides for one instance."""

    def __init__(self, policy: AlertPolicy) -> None:
        self._policy = policy
        self._untold_since: dict[str, datetime] = {}
        self._told_at: dict[str, datetime] = {}
        self._recent: list[datetime] = []

    def due(
        self, untold: Iterable[Alert], now: datetime, *, at_once: bool = False
    ) -> tuple[list[Batch], datetime | None]:
        """What is to be told now, and when to ask again about what is not; ``None`` if all is.

        With ``at_once`` nothing waits.
        """
        groups: dict[str, list[Alert]] = {}
        for alert in untold:
            groups.setdefault(alert.check, []).append(alert)
        self._forget(groups, now)
        at = {group: now if at_once else self._due_at(group, now) for group in groups}
        ready = [group for group in groups if at[group] <= now]
        later = [moment for moment in at.values() if moment > now]
        if len(ready) <= MOST_GROUPS - len(self._recent):
            batches = [Batch(group, groups[group]) for group in ready]
        elif at_once or (together_at := self._due_at(SEVERAL, now)) <= now:
            batches = [Batch(SEVERAL, [alert for group in ready for alert in groups[group]])]
        else:
            batches = []
            later.append(together_at)
        return batches, min(later, default=None)

    def told(self, batch: Batch, now: datetime) -> None:
        """Note that a batch has been promised."""
        for group in {batch.group, *(alert.check for alert in batch.alerts)}:
            self._untold_since.pop(group, None)
            self._told_at[group] = now
        if batch.group != SEVERAL:
            self._recent.append(now)

    def _due_at(self, group: str, now: datetime) -> datetime:
        policy = self._policy
        # a clock may be set back: nothing has happened later than now
        since = self._untold_since[group] = min(self._untold_since.get(group, now), now)
        due = since + _span(policy.group_wait_seconds)
        if group in self._told_at:
            told = self._told_at[group] = min(self._told_at[group], now)
            due = max(due, told + _span(policy.group_interval_seconds))
        return due

    def _forget(self, groups: Mapping[str, object], now: datetime) -> None:
        """Forget what no longer bounds anything, so that nothing here grows."""
        ago = now - _span(self._policy.group_interval_seconds)
        for group in [each for each, at in self._told_at.items() if at <= ago]:
            del self._told_at[group]
        for group in self._untold_since.keys() - groups.keys() - {SEVERAL}:
            del self._untold_since[group]
        self._recent = [at for at in self._recent if ago < at <= now]


def remind_at(alert: Alert, policy: AlertPolicy) -> datetime | None:
    """When an alert that lasts is to be told of again; ``None`` if never."""
    if alert.told is not AlertState.FIRING or alert.told_at is None:
        return None
    seconds = min(
        policy.reminder_seconds * 2.0 ** min(alert.reminders, 64), policy.longest_reminder_seconds
    )
    try:
        return alert.told_at + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _span(seconds: float) -> timedelta:
    return timedelta(seconds=min(seconds, 86_400.0 * 365))
