"""When trouble is an alert, when it is over, and how often it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from crossmodel.domain import checks


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """All times are in seconds, more than 0; infinite ones switch what they are about off.

    Attributes:
        fire_after_checks: checks in a row that must find it; at least 1.
        fire_after_seconds: or how long it must have been found.
        resolve_after_checks: checks in a row that must not find it any more; at least 1. More than
            ``fire_after_checks``, so that what comes and goes is one episode.
        resolve_after_seconds: or how long it must not have been found.
        flap_window_seconds: each time that the same trouble fired within this long doubles what its
            end takes, up to sixteen times: what flaps is told of ever less.
        group_wait_seconds: how long the first alert of a check waits for others of it.
        group_interval_seconds: a check is told of at most once in this long.
        reminder_seconds: after how long trouble that lasts is told of again; then after twice as
            long, and so on.
        longest_reminder_seconds: the most that this grows to.
        give_up_seconds: how old a notification may get before a sink that cannot take it is not
            tried with it any more.

    Raises:
        InvalidInputError: naming the field that is out of range.
    """

    fire_after_checks: int = 1
    fire_after_seconds: float = math.inf
    resolve_after_checks: int = 2
    resolve_after_seconds: float = math.inf
    flap_window_seconds: float = 3600.0
    group_wait_seconds: float = 5.0
    group_interval_seconds: float = 60.0
    reminder_seconds: float = 3600.0
    longest_reminder_seconds: float = 86_400.0
    give_up_seconds: float = 86_400.0

    def __post_init__(self) -> None:
        for name in ("fire_after_checks", "resolve_after_checks"):
            checks.at_least(name, getattr(self, name), 1)
        for each in fields(AlertPolicy):
            if each.name.endswith("seconds"):
                checks.limit(each.name, getattr(self, each.name))
        for name in ("group_wait_seconds", "group_interval_seconds", "give_up_seconds"):
            checks.at_least(name, getattr(self, name), 0)  # finite: else nothing were ever told
