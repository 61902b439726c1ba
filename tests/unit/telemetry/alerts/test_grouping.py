"""When alerts are told, and which of them together."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.alerts import Alert, AlertState, Severity
from crossmodel.telemetry.alerts.grouping import MOST_GROUPS, SEVERAL, Grouping, remind_at
from crossmodel.telemetry.alerts.policy import AlertPolicy

START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = AlertPolicy(group_wait_seconds=5, group_interval_seconds=60)


def at(seconds):
    return START + timedelta(seconds=seconds)


def alert(number, check="c", **more):
    values = {
        "id": f"alt_{number}", "instance": "here", "check": check, "subject": str(number),
        "severity": Severity.CRITICAL, "message": "broken", "state": AlertState.FIRING,
        "opened_at": START, "changed_at": START,
    }  # fmt: skip
    return Alert(**values | more)


def flood(grouping, alerts_at, seconds):
    """Tells alerts that come at these seconds; the batches with the second each was told in."""
    untold, told = {}, []
    for second in range(seconds):
        untold |= {a.id: a for a in alerts_at.get(second, ())}
        batches, _ = grouping.due(untold.values(), at(second))
        for batch in batches:
            grouping.told(batch, at(second))
            told.append((second, batch))
            for each in batch.alerts:
                del untold[each.id]
    return told, untold


def test_the_first_waits_for_others_of_its_check():
    grouping = Grouping(POLICY)
    assert grouping.due([alert(1)], at(0)) == ([], at(5))
    batches, again_at = grouping.due([alert(1), alert(2)], at(5))
    assert [len(each.alerts) for each in batches] == [2]
    assert again_at is None


def test_a_check_is_told_of_once_within_an_interval():
    alerts = {second: [alert(second)] for second in range(60)}
    told, _ = flood(Grouping(POLICY), alerts, 120)
    assert [(second, len(batch.alerts)) for second, batch in told] == [(5, 6), (65, 54)]


def test_ten_thousand_alerts_of_a_check_in_a_minute_are_two_messages():
    alerts = {second: [alert(f"{second}.{n}") for n in range(167)] for second in range(60)}
    told, untold = flood(Grouping(POLICY), alerts, 130)
    assert sum(len(batch.alerts) for _, batch in told) == 60 * 167
    assert len(told) == 2
    assert not untold


def test_ten_thousand_checks_in_a_minute_are_told_of_together():
    alerts = {s: [alert(f"{s}.{n}", check=f"{s}.{n}") for n in range(167)] for s in range(60)}
    told, untold = flood(Grouping(POLICY), alerts, 200)
    assert not untold
    assert sum(len(batch.alerts) for _, batch in told) == 60 * 167
    assert len(told) <= 4
    assert {batch.group for _, batch in told} == {SEVERAL}


@given(st.dictionaries(st.integers(0, 100), st.lists(st.integers(0, 40), max_size=30), max_size=30))
def test_every_alert_is_told_once_and_no_window_holds_more_than_its_share(plan):
    alerts = {
        second: [alert(f"{second}.{n}", check=str(check)) for n, check in enumerate(checks)]
        for second, checks in plan.items()
    }
    told, untold = flood(Grouping(POLICY), alerts, 400)
    named = [each.id for _, batch in told for each in batch.alerts]
    assert not untold
    assert sorted(named) == sorted(each.id for of in alerts.values() for each in of)
    for start in range(340):
        window = [batch.group for second, batch in told if start <= second < start + 60]
        assert len(window) <= MOST_GROUPS + 1
        assert len(set(window)) == len(window)


def test_what_is_told_leaves_nothing_behind():
    grouping = Grouping(POLICY)
    for minute in range(100):
        batches, _ = grouping.due([alert(1, check=str(minute))], at(minute * 60), at_once=True)
        for batch in batches:
            grouping.told(batch, at(minute * 60))
    assert len(grouping._told_at) <= 2
    assert len(grouping._recent) <= 2
    assert not grouping._untold_since


def test_reminders_come_ever_later():
    hours = []
    for reminders in range(8):
        moment = remind_at(
            alert(1, told=AlertState.FIRING, told_at=START, reminders=reminders), AlertPolicy()
        )
        hours.append((moment - START) / timedelta(hours=1))
    assert hours == [1, 2, 4, 8, 16, 24, 24, 24]


def test_or_never():
    never = AlertPolicy(reminder_seconds=float("inf"), longest_reminder_seconds=float("inf"))
    lasting = alert(1, told=AlertState.FIRING, told_at=START)
    assert remind_at(lasting, never) is None
    assert remind_at(alert(1), AlertPolicy()) is None
