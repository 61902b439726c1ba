"""Whatever fails and whenever it restarts: all that was promised arrives, in order, and once."""

import asyncio
import itertools
import json
import tempfile
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.domain.alerts import AlertState, Severity
from crossmodel.domain.operations import Finding, HealthCheckResult
from crossmodel.store import open_store
from crossmodel.telemetry.alerts.dispatch import Dispatcher
from crossmodel.telemetry.alerts.outbox import StoreOutbox
from crossmodel.telemetry.alerts.policy import AlertPolicy
from crossmodel.telemetry.alerts.sink import SinkError

POLICY = AlertPolicy(
    resolve_after_checks=1,
    flap_window_seconds=0.001,
    group_wait_seconds=5,
    group_interval_seconds=30,
)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("found"), st.frozensets(st.sampled_from(["", "a", "b"]))),
        st.tuples(st.sampled_from(["tell", "deliver", "restart", "dies", "recovers"]), st.none()),
        st.tuples(st.just("time"), st.sampled_from([1, 6, 40, 400])),
    ),
    max_size=40,
)


class Sink:
    name, least_severity, time_limit_seconds = "ops", Severity.INFO, 5.0

    def __init__(self):
        self.taken, self.is_dead = [], False

    def deliver(self, notification):
        if self.is_dead:
            raise SinkError("down")
        self.taken.append(notification)


class Play:
    """One store, one sink, and process after process."""

    def __init__(self, store):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.store, self.sink, self.last = store, Sink(), frozenset()
        self.restart()

    def restart(self):
        outbox = StoreOutbox(self.store)
        self.made = Dispatcher([self.sink], outbox, POLICY, instance="here", clock=lambda: self.now)

    async def find(self, subjects):
        self.last = subjects
        findings = tuple(Finding(each, "broke") for each in sorted(subjects))
        result = HealthCheckResult("c", is_healthy=not findings, findings=findings)
        await self.made.take([result])

    async def step(self, what, value):
        match what:
            case "found":
                await self.find(value)
            case "tell":
                await self.made.tell()
            case "deliver":
                await self.made.workers[0].step()
            case "restart":
                self.restart()
            case "time":
                self.now += timedelta(seconds=value)
            case _:
                self.sink.is_dead = what == "dies"


async def play(steps, url):
    store = await open_store(url)
    played = Play(store)
    for what, value in steps:
        await played.step(what, value)
    played.sink.is_dead = False
    await played.find(played.last)
    for _ in range(60):  # half an hour without trouble: less than until a reminder
        await played.made.tell()
        await played.made.workers[0].step()
        played.now += timedelta(seconds=30)
    kept = await store.read(lambda tx: tx.list_alerts(limit=1000))
    counts = await store.read(lambda tx: tx.delivery_counts())
    await store.close()
    return played.sink.taken, kept, counts, played.last


@given(STEPS)
@settings(max_examples=40)
def test_all_that_was_promised_arrives_in_order_and_once(steps):
    with tempfile.TemporaryDirectory() as folder:
        taken, kept, counts, last = asyncio.run(play(steps, f"sqlite:///{folder}/s.db"))
    ids = [each.id for each in taken]
    assert len(ids) == len(set(ids))
    assert all(each.waiting == each.given_up == 0 for each in counts.values())
    assert {a.subject for a in kept if a.state is AlertState.FIRING} == last
    assert all(alert.told is alert.state for alert in kept)
    said: dict[str, list[str]] = {}
    for notification in taken:
        for each in json.loads(notification.body)["data"]["alerts"]:
            if not each["reminder"]:
                said.setdefault(each["id"], []).append(each["state"])
    assert said.keys() == {alert.id for alert in kept}
    for alert in kept:
        assert said[alert.id] in (["firing"], ["resolved"], ["firing", "resolved"])
        assert said[alert.id][-1] == alert.state
    by_subject = itertools.groupby(
        sorted(kept, key=lambda a: (a.subject, a.opened_at, a.id)), lambda a: a.subject
    )
    for _, episodes in by_subject:
        *over, _latest = episodes
        assert all(each.state is AlertState.RESOLVED for each in over)
