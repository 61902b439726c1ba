"""When trouble begins and ends, told results one by one."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.alerts import AlertState, Severity
from crossmodel.domain.operations import Finding, HealthCheckResult
from crossmodel.errors import InvalidInputError
from crossmodel.telemetry.alerts.policy import AlertPolicy
from crossmodel.telemetry.alerts.tracking import MOST_SUBJECTS, OTHERS, TEXT_LENGTH, Tracker, clean

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STILL = AlertPolicy(resolve_after_checks=1, flap_window_seconds=0.001)


def bad(*subjects, check="c", severity=Severity.CRITICAL):
    findings = tuple(Finding(each, "broken", severity) for each in subjects)
    return HealthCheckResult(check, is_healthy=False, findings=findings)


def good(check="c"):
    return HealthCheckResult(check, is_healthy=True)


def after(tracker, *results, every=MINUTE):
    """What has changed after each result, as (subject, state)."""
    changes = []
    for number, result in enumerate(results):
        changed = tracker.observe(result, START + number * every)
        changes.append([(each.subject, str(each.state)) for each in changed])
    return changes


def test_the_first_failure_is_told_at_once_and_recovery_has_to_hold():
    tracker = Tracker(AlertPolicy(), "here")
    assert after(tracker, bad(""), bad(""), good(), good()) == [
        [("", "firing")], [], [], [("", "resolved")],
    ]  # fmt: skip


def test_trouble_may_have_to_hold_for_some_checks():
    tracker = Tracker(AlertPolicy(fire_after_checks=3), "here")
    changes = after(tracker, bad("m"), bad("m"), good(), bad("m"), bad("m"), bad("m"))
    assert changes == [[], [], [], [], [], [("m", "firing")]]


def test_or_for_some_time():
    tracker = Tracker(AlertPolicy(fire_after_checks=100, fire_after_seconds=120), "here")
    assert after(tracker, bad("m"), bad("m"), bad("m")) == [[], [], [("m", "firing")]]


def test_an_episode_began_when_it_was_first_seen():
    tracker = Tracker(AlertPolicy(fire_after_checks=3), "here")
    after(tracker, bad("m"), bad("m"), bad("m"))
    (alert,) = tracker.alerts()
    assert (alert.opened_at, alert.changed_at) == (START, START + 2 * MINUTE)


def test_what_comes_and_goes_is_one_episode():
    tracker = Tracker(AlertPolicy(), "here")
    changes = after(tracker, *[bad("m"), good()] * 50, good())
    assert Counter(state for each in changes for _, state in each) == {"firing": 1, "resolved": 1}


def test_the_more_often_it_fires_the_longer_its_end_must_hold():
    tracker = Tracker(AlertPolicy(), "here")
    lengths = []
    moment = START
    for _ in range(8):
        (fired,) = tracker.observe(bad("m"), moment)
        assert fired.state is AlertState.FIRING
        checks = 0
        while not tracker.observe(good(), moment):
            checks += 1
            moment += timedelta(seconds=1)
        lengths.append(checks + 1)
    assert lengths == [2, 4, 8, 16, 32, 32, 32, 32]


def test_after_a_quiet_while_it_is_as_new():
    tracker = Tracker(AlertPolicy(flap_window_seconds=600), "here")
    after(tracker, bad("m"), good(), good(), bad("m"), good(), good(), good(), good())
    later = START + timedelta(seconds=5000)
    tracker.observe(bad("m"), later)
    assert not tracker.observe(good(), later + MINUTE)
    assert tracker.observe(good(), later + 2 * MINUTE)


def test_a_result_names_all_that_is_wrong():
    tracker = Tracker(STILL, "here")
    assert after(tracker, bad("a", "b"), bad("b", "c")) == [
        [("a", "firing"), ("b", "firing")], [("c", "firing"), ("a", "resolved")],
    ]  # fmt: skip


def test_a_warning_of_a_healthy_check_is_an_alert_too():
    tracker = Tracker(STILL, "here")
    result = HealthCheckResult(
        "c", is_healthy=True, findings=(Finding("m", "slow", Severity.WARNING),)
    )
    (alert,) = tracker.observe(result, START)
    assert (alert.severity, alert.message) == (Severity.WARNING, "slow")


def test_what_gets_worse_is_told_again_and_what_gets_better_is_not():
    tracker = Tracker(STILL, "here")
    assert len(tracker.observe(bad("m", severity=Severity.WARNING), START)) == 1
    (worse,) = tracker.observe(bad("m"), START)
    assert (worse.severity, worse.told) == (Severity.CRITICAL, None)
    assert not tracker.observe(bad("m", severity=Severity.WARNING), START)


def test_a_new_process_goes_on_where_another_ended():
    first = Tracker(AlertPolicy(), "here")
    after(first, bad("m"), good(), good(), bad("m"))
    kept = list(first.alerts())
    second = Tracker(AlertPolicy(), "here")
    second.restore(kept)
    assert not second.observe(bad("m"), START + 5 * MINUTE)
    assert {a.id for a in second.alerts()} == {a.id for a in kept}
    ends = [second.observe(good(), START + (6 + n) * MINUTE) for n in range(4)]
    assert [len(each) for each in ends] == [0, 0, 0, 1]  # it knows that it fired twice


def test_too_many_findings_are_counted_in_one():
    tracker = Tracker(STILL, "here")
    changed = tracker.observe(bad(*map(str, range(MOST_SUBJECTS + 7))), START)
    assert len(changed) == MOST_SUBJECTS + 1
    assert [a.message for a in changed if a.subject == OTHERS] == ["7 more"]


@given(st.text())
def test_hostile_text_becomes_one_printable_line(text):
    shown = clean(text)
    shown.encode()
    assert len(shown) <= TEXT_LENGTH
    assert shown.isprintable()


@pytest.mark.parametrize("text", ["a\r\nBcc: x@y.z", "\x1b[31mred", "\0", "\ud800", "x" * 10_000])
def test_such_as(text):
    assert clean(text).isprintable()


SUBJECTS = st.frozensets(st.sampled_from(["", "a", "b", "\0", "\ud800"]), max_size=4)
SPANS = st.sampled_from([0.0, 1.0, 60.0, -5.0, 1e5])
POLICIES = st.builds(
    AlertPolicy,
    fire_after_checks=st.integers(1, 4),
    fire_after_seconds=st.sampled_from([1.0, 100.0, math.inf]),
    resolve_after_checks=st.integers(1, 4),
    resolve_after_seconds=st.sampled_from([1.0, 100.0, math.inf]),
    flap_window_seconds=st.sampled_from([0.001, 600.0, math.inf]),
)


@given(POLICIES, st.lists(st.tuples(SUBJECTS, st.sampled_from(["c", "d"]), SPANS), max_size=40))
def test_each_subject_fires_and_resolves_in_turn_whatever_comes(policy, steps):
    tracker, now = Tracker(policy, "here"), START
    seen: dict = {}
    for subjects, check, span in steps:
        now += timedelta(seconds=span)
        for alert in tracker.observe(
            bad(*sorted(subjects), check=check) if subjects else good(check), now
        ):
            key = alert.check, alert.subject
            before = seen.get(key)
            if alert.state is AlertState.FIRING:
                assert before is None or before.state is AlertState.RESOLVED
                assert before is None or before.id != alert.id
            else:
                assert before.id == alert.id
                assert alert.resolved_at == now
            seen[key] = alert
    firing = {key for key, alert in seen.items() if alert.state is AlertState.FIRING}
    lasting = [a for a in tracker.alerts() if a.state is AlertState.FIRING]
    assert {(a.check, a.subject) for a in lasting} == firing
    assert tracker._count == len(lasting)


@given(st.lists(SUBJECTS, min_size=1, max_size=30))
def test_without_damping_what_fires_is_what_was_found_last(steps):
    tracker = Tracker(STILL, "here")
    for number, subjects in enumerate(steps):
        tracker.observe(bad(*subjects) if subjects else good(), START + number * MINUTE)
    firing = {a.subject for a in tracker.alerts() if a.state is AlertState.FIRING}
    assert firing == {clean(each) for each in steps[-1]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fire_after_checks", 0),
        ("resolve_after_checks", 0),
        ("group_wait_seconds", math.nan),
        ("group_wait_seconds", math.inf),
        ("group_interval_seconds", 0),
        ("reminder_seconds", -1),
        ("fire_after_seconds", "soon"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(field, value):
    with pytest.raises(InvalidInputError, match=field):
        AlertPolicy(**{field: value})
