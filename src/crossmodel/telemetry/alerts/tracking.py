"""Which episodes of trouble begin and end: a pure state machine, told results and the time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from crossmodel.domain.alerts import Alert, AlertState
from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.operations import Finding, HealthCheckResult
from crossmodel.telemetry.alerts.policy import AlertPolicy

MOST_SUBJECTS: Final = 10_000
"""Findings of one result that are told apart; the others are counted in one more."""

MOST_ALERTS: Final = 50_000
"""Alerts that can last at once; further ones begin when some of them have ended."""

MOST_DOUBLINGS: Final = 4
"""How often flapping doubles what the end of an episode takes."""

MOST_REMEMBERED: Final = 10_000
"""Troubles of which it is remembered how often they fired of late."""

TEXT_LENGTH: Final = 500
"""Characters that are kept of a subject or message."""

OTHERS: Final = "(others)"

Key = tuple[str, str]
"""Check and subject."""


@dataclass(slots=True)
class _Streak:
    """Checks in a row that found the same."""

    since: datetime
    checks: int = 0

    def holds(self, now: datetime, checks: int, seconds: float) -> bool:
        """Whether there have been enough of them by now."""
        return self.checks >= checks or (now - self.since).total_seconds() >= seconds


class Tracker:
    """All trouble of one instance.

    Attributes:
        dropped: findings that became no alert, since too many alerts last already.
    """

    def __init__(self, policy: AlertPolicy, instance: str) -> None:
        self.dropped = 0
        self._policy = policy
        self._instance = instance
        self._firing: dict[str, dict[str, Alert]] = {}
        self._over: dict[str, Alert] = {}  # by id: those whose end is still to be told
        self._streaks: dict[str, dict[str, _Streak]] = {}
        self._fired: dict[Key, deque[datetime]] = {}
        self._count = 0

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Go on with what an earlier process has kept."""
        for alert in sorted(alerts, key=lambda each: (each.opened_at, each.id)):
            self._remember((alert.check, alert.subject), alert.opened_at)
            self.update(alert)

    def alerts(self) -> Iterator[Alert]:
        """Those that last, and those whose end is still to be told."""
        for of in self._firing.values():
            yield from of.values()
        yield from self._over.values()

    def update(self, alert: Alert) -> None:
        """Go on with this version of an alert, such as one that has been told of."""
        if alert.state is AlertState.RESOLVED:
            if alert.told is AlertState.RESOLVED:
                self._over.pop(alert.id, None)
            else:
                self._over[alert.id] = alert
            return
        of = self._firing.setdefault(alert.check, {})
        self._count += alert.subject not in of
        of[alert.subject] = alert

    def observe(self, result: HealthCheckResult, now: datetime) -> list[Alert]:
        """Take a result in; returns the alerts that have begun, ended, or matter more now."""
        check = clean(result.check_name)
        found = _found(result)
        changed = [each for each in self._worse(check, found, now) if each is not None]
        changed += self._better(check, found, now)
        for alert in changed:
            self.update(alert)
        return changed

    def _worse(
        self, check: str, found: Mapping[str, Finding], now: datetime
    ) -> Iterator[Alert | None]:
        streaks = self._streaks.setdefault(check, {})
        firing = self._firing.get(check, {})
        for subject, finding in found.items():
            alert = firing.get(subject)
            if alert is not None:
                streaks.pop(subject, None)  # of checks that found it well
                yield self._still(alert, finding, now)
            else:
                streak = streaks.setdefault(subject, _Streak(now))
                streak.checks += 1
                policy = self._policy
                if streak.holds(now, policy.fire_after_checks, policy.fire_after_seconds):
                    yield self._begin(check, finding, streaks.pop(subject).since, now)
        if not streaks:
            del self._streaks[check]

    def _still(self, alert: Alert, finding: Finding, now: datetime) -> Alert | None:
        """The alert if it matters more now; figures in its message may change without that."""
        if finding.severity.rank > alert.severity.rank:
            return replace(
                alert, severity=finding.severity, message=finding.message, changed_at=now, told=None
            )
        if finding.message != alert.message:
            self._firing[alert.check][alert.subject] = replace(alert, message=finding.message)
        return None

    def _begin(self, check: str, finding: Finding, since: datetime, now: datetime) -> Alert | None:
        if self._count >= MOST_ALERTS:
            self.dropped += 1
            return None
        self._remember((check, finding.subject), now)
        return Alert(
            id=time_ordered_id("alt_"),
            instance=self._instance,
            check=check,
            subject=finding.subject,
            severity=finding.severity,
            message=finding.message,
            state=AlertState.FIRING,
            opened_at=since,
            changed_at=now,
        )

    def _better(self, check: str, found: Mapping[str, Finding], now: datetime) -> list[Alert]:
        streaks = self._streaks.get(check, {})
        firing = self._firing.get(check, {})
        for subject in [each for each in streaks if each not in found and each not in firing]:
            del streaks[subject]  # it was never an alert
        if not streaks:
            self._streaks.pop(check, None)
        ended = []
        for subject in [each for each in firing if each not in found]:
            streak = self._streaks.setdefault(check, {}).setdefault(subject, _Streak(now))
            streak.checks += 1
            times = 2 ** self._flaps((check, subject), now)
            policy = self._policy
            if streak.holds(
                now, policy.resolve_after_checks * times, policy.resolve_after_seconds * times
            ):
                self._forget_streak(check, subject)
                ended.append(self._end(firing, subject, now))
        if not firing:
            self._firing.pop(check, None)
        return ended

    def _end(self, firing: dict[str, Alert], subject: str, now: datetime) -> Alert:
        self._count -= 1
        return replace(
            firing.pop(subject), state=AlertState.RESOLVED, changed_at=now, resolved_at=now
        )

    def _forget_streak(self, check: str, subject: str) -> None:
        streaks = self._streaks[check]
        del streaks[subject]
        if not streaks:
            del self._streaks[check]

    def _remember(self, key: Key, now: datetime) -> None:
        times = self._fired.pop(key, None) or deque(maxlen=MOST_DOUBLINGS + 1)
        times.append(now)
        self._fired[key] = times
        if len(self._fired) > MOST_REMEMBERED:
            del self._fired[next(iter(self._fired))]  # the one that has not fired for longest

    def _flaps(self, key: Key, now: datetime) -> int:
        """How often it fired before this time, of late."""
        window = self._policy.flap_window_seconds
        recent = [at for at in self._fired.get(key, ()) if (now - at).total_seconds() < window]
        return max(0, min(len(recent) - 1, MOST_DOUBLINGS))


def history_begins(policy: AlertPolicy, now: datetime) -> datetime:
    """Since when alerts matter to an instance that starts now."""
    return now - timedelta(seconds=min(policy.flap_window_seconds, 86_400.0))


def clean(text: str) -> str:
    """Text that any database, header and terminal can take, and not too much of it."""
    text = str(text)
    if text.isprintable() and len(text) <= TEXT_LENGTH:  # nearly always; no surrogate is printable
        return text
    kept = "".join(c if c.isprintable() else " " for c in text[: 2 * TEXT_LENGTH])
    kept = kept.encode("utf-8", "replace").decode()  # no lone surrogates
    return kept if len(kept) <= TEXT_LENGTH else kept[: TEXT_LENGTH - 1] + "…"


def _found(result: HealthCheckResult) -> dict[str, Finding]:
    """What is wrong, by subject."""
    given = result.findings
    if not given and not result.is_healthy:
        given = (Finding("", result.error or "it is not as it should be"),)
    found: dict[str, Finding] = {}
    for finding in given[:MOST_SUBJECTS]:
        subject = clean(finding.subject)
        known = found.get(subject)
        if known is None or finding.severity.rank > known.severity.rank:
            found[subject] = Finding(subject, clean(finding.message), finding.severity)
    if len(given) > MOST_SUBJECTS:
        worst = max((each.severity for each in given[MOST_SUBJECTS:]), key=lambda each: each.rank)
        found[OTHERS] = Finding(OTHERS, f"{len(given) - MOST_SUBJECTS} more", worst)
    return found
