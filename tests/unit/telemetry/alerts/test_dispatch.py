"""From results to deliveries, in memory and on a real store, with a clock that the test turns."""

import asyncio
import json
from datetime import timedelta

import pytest

from crossmodel.domain.alerts import AlertState, Severity, Silence
from crossmodel.domain.operations import Finding, HealthCheckResult
from crossmodel.errors import StoreError
from crossmodel.store import open_store
from crossmodel.telemetry.alerts.dispatch import Dispatcher
from crossmodel.telemetry.alerts.outbox import MemoryOutbox, SparedOutbox, StoreOutbox
from crossmodel.telemetry.alerts.policy import AlertPolicy

POLICY = AlertPolicy(
    resolve_after_checks=1,
    flap_window_seconds=0.001,
    group_wait_seconds=5,
    group_interval_seconds=60,
)


def bad(*subjects, check="c", severity=Severity.CRITICAL):
    findings = tuple(Finding(each, f"{each} broke", severity) for each in subjects)
    return HealthCheckResult(check, is_healthy=False, error="broke", findings=findings)


def good(check="c"):
    return HealthCheckResult(check, is_healthy=True)


@pytest.fixture(params=["memory", "store"])
async def outbox(request, tmp_path):
    if request.param == "memory":
        yield MemoryOutbox()
        return
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    yield StoreOutbox(store)
    await store.close()


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(f"sqlite:///{tmp_path}/s.db")
    yield opened
    await opened.close()


def dispatcher(sinks, outbox, clock, policy=POLICY, instance="here"):
    return Dispatcher(sinks, outbox, policy, instance=instance, clock=clock)


async def deliver(made):
    """Every sink gets what is due now."""
    for worker in made.workers:
        while (at := await worker.step()) is not None and at <= worker._clock():
            pass


async def live(made, clock, seconds, step=1):
    """Time goes on, and what is due is told and delivered."""
    for _ in range(0, seconds, step):
        await made.tell()
        await deliver(made)
        clock.go(step)


def said(notification):
    data = json.loads(notification.body)["data"]
    return data["status"], [(each["subject"], each["state"]) for each in data["alerts"]]


async def test_trouble_is_told_once_and_so_is_its_end(outbox, sink, clock):
    made = dispatcher([sink], outbox, clock)
    for _ in range(5):
        await made.take([bad("m")])
        await live(made, clock, 60)
    await made.take([good()])
    await live(made, clock, 120)
    assert [said(each) for each in sink.taken] == [
        ("firing", [("m", "firing")]), ("resolved", [("m", "resolved")]),
    ]  # fmt: skip
    assert sink.titles == [
        "[critical] c: 1 firing: m: m broke",
        "[resolved] c: 1 resolved: m: m broke",
    ]
    assert len({each.id for each in sink.taken}) == 2


async def test_trouble_that_is_over_before_it_was_told_is_told_as_over(outbox, sink, clock):
    made = dispatcher([sink], outbox, clock)
    await made.take([bad("m")])
    await made.take([good()])
    await live(made, clock, 10)
    assert [said(each) for each in sink.taken] == [("resolved", [("m", "resolved")])]


@pytest.mark.slow
async def test_ten_thousand_in_a_minute_are_a_message_for_each_window(outbox, sink, clock):
    made = dispatcher([sink], outbox, clock)
    names = [str(n) for n in range(10_000)]
    for second in range(60):
        await made.take([bad(*names[: (second + 1) * 167])])
        await live(made, clock, 1)
    await live(made, clock, 120)
    datas = [json.loads(each.body)["data"] for each in sink.taken]
    assert [data["firing"] for data in datas] == [6 * 167, 10_000 - 6 * 167]
    assert all(len(each.body) < 100_000 for each in sink.taken)
    assert datas[1]["omitted"] == datas[1]["firing"] - 100


async def test_what_lasts_is_told_again_ever_more_rarely(outbox, sink, clock):
    made = dispatcher([sink], outbox, clock)
    await made.take([bad("m")])
    await live(made, clock, 8 * 3600, step=60)
    assert len(sink.taken) == 4  # at once, after 1, 3 and 7 hours
    assert "still firing" in sink.titles[-1]


async def test_a_sink_is_not_told_of_what_matters_less_than_it_asks_for(outbox, make_sink, clock):
    all_of_it, grave = make_sink("all"), make_sink("grave", Severity.CRITICAL)
    made = dispatcher([all_of_it, grave], outbox, clock)
    await made.take([bad("a", check="x", severity=Severity.WARNING), bad("b", check="y")])
    await live(made, clock, 10)
    assert (len(all_of_it.taken), len(grave.taken)) == (2, 1)


async def test_a_dead_sink_holds_up_nobody_and_hears_it_all_later_in_order(
    outbox, make_sink, clock, down
):
    dead, well = make_sink("dead"), make_sink("well")
    dead.error = down
    made = dispatcher([dead, well], outbox, clock)
    for _ in range(3):
        await made.take([bad("m")])
        await live(made, clock, 70)
        await made.take([good()])
        await live(made, clock, 70)
    assert len(well.taken) == 6
    assert not dead.taken
    assert dead.attempts < 15  # one second, two, four, …
    dead.error = None
    await live(made, clock, 400)
    assert [each.id for each in dead.taken] == [each.id for each in well.taken]
    assert [said(each)[0] for each in dead.taken] == ["firing", "resolved"] * 3


def silence(clock, seconds, **more):
    return Silence(
        id="sil_1", until=clock() + timedelta(seconds=seconds), created_by="me", reason="because",
        created_at=clock(), **more,
    )  # fmt: skip


async def test_a_silence_mutes_until_it_ends(store, sink, clock):
    made = dispatcher([sink], StoreOutbox(store), clock)
    await store.transact(lambda tx: tx.put_silence(silence(clock, 600, check="c*", subject="m")))
    await made.take([bad("m", "n")])
    await live(made, clock, 300, step=5)
    assert [said(each) for each in sink.taken] == [("firing", [("n", "firing")])]
    await live(made, clock, 400, step=5)
    assert said(sink.taken[-1]) == ("firing", [("m", "firing")])


async def test_what_passed_in_silence_is_never_told(store, sink, clock):
    made = dispatcher([sink], StoreOutbox(store), clock)
    await store.transact(lambda tx: tx.put_silence(silence(clock, 600)))
    await made.take([bad("m")])
    await live(made, clock, 100, step=5)
    await made.take([good()])
    await live(made, clock, 1000, step=5)
    assert not sink.taken
    assert not list(made.tracker.alerts())


async def test_who_heard_of_an_alarm_hears_of_its_end_even_in_silence(sink, clock):
    made = dispatcher([sink], MemoryOutbox(), clock)
    await made.take([bad("m")])
    await live(made, clock, 10)
    made.muted.append(silence(clock, 10_000))
    await made.take([good()])
    await live(made, clock, 100)
    assert [said(each)[0] for each in sink.taken] == ["firing", "resolved"]


async def test_graver_alerts_than_a_silence_names_are_told(sink, clock):
    made = dispatcher([sink], MemoryOutbox(), clock)
    made.muted.append(silence(clock, 1000, severity=Severity.WARNING))
    await made.take([bad("a"), bad("b", check="d", severity=Severity.WARNING)])
    await live(made, clock, 10)
    assert [said(each) for each in sink.taken] == [("firing", [("a", "firing")])]


async def test_an_alert_that_was_kept_and_not_told_is_told_after_a_restart(store, sink, clock):
    await dispatcher([sink], StoreOutbox(store), clock).take([bad("m")])
    assert not sink.taken
    await live(dispatcher([sink], StoreOutbox(store), clock), clock, 10)
    assert [said(each) for each in sink.taken] == [("firing", [("m", "firing")])]


async def test_what_was_promised_is_delivered_after_a_restart_and_only_once(
    store, sink, clock, down
):
    sink.error = down
    first = dispatcher([sink], StoreOutbox(store), clock)
    await first.take([bad("m")])
    await live(first, clock, 10)
    sink.error = None
    clock.go(60)
    second = dispatcher([sink], StoreOutbox(store), clock)
    await live(second, clock, 10)
    assert len(sink.taken) == 1
    third = dispatcher([sink], StoreOutbox(store), clock)
    await third.take([bad("m")])
    await live(third, clock, 300)
    assert len(sink.taken) == 1
    await third.take([good()])
    await live(third, clock, 100)
    assert [said(each)[0] for each in sink.taken] == ["firing", "resolved"]


async def test_two_processes_never_deliver_the_same(store, make_sink, clock):
    outbox = StoreOutbox(store)
    ours, theirs = make_sink("ops"), make_sink("ops")
    one = dispatcher([ours], outbox, clock, instance="one")
    other = dispatcher([theirs], outbox, clock, instance="other")
    for n in range(20):
        await one.take([bad("m", check=str(n))])
    clock.go(10)
    await one.tell()
    await one.tell()
    clock.go(10)
    await one.tell()
    await asyncio.gather(deliver(one), deliver(other))
    ids = [each.id for each in (*ours.taken, *theirs.taken)]
    assert len(ids) == len(set(ids)) == 20


async def test_two_instances_keep_their_alerts_apart(store, sink, clock):
    one = dispatcher([sink], StoreOutbox(store), clock, instance="one")
    other = dispatcher([sink], StoreOutbox(store), clock, instance="other")
    await one.take([bad("m")])
    await other.take([bad("m")])
    await other.take([good()])
    kept = await store.read(lambda tx: tx.list_alerts())
    assert {(each.instance, str(each.state)) for each in kept} == {
        ("one", "firing"), ("other", "resolved"),
    }  # fmt: skip
    assert len({each.fingerprint for each in kept}) == 2


class FailingStore:
    """A real store that refuses while it is told to, as one on a full disk does."""

    def __init__(self, store):
        self.store, self.is_full = store, False

    async def transact(self, work):
        if self.is_full:
            raise StoreError("disk is full")
        return await self.store.transact(work)

    async def read(self, work):
        return await self.store.read(work)


async def test_a_full_disk_is_told_although_nothing_can_be_kept(store, sink, clock):
    failing = FailingStore(store)
    made = dispatcher([sink], SparedOutbox(StoreOutbox(failing)), clock)
    failing.is_full = True
    await made.take([bad("disk")])
    await live(made, clock, 30)
    assert [said(each) for each in sink.taken] == [("firing", [("disk", "firing")])]
    failing.is_full = False
    await made.take([good()])
    await live(made, clock, 100)
    assert [said(each)[0] for each in sink.taken] == ["firing", "resolved"]
    (kept,) = await store.read(lambda tx: tx.list_alerts())
    assert (kept.state, kept.told) == (AlertState.RESOLVED, AlertState.RESOLVED)


async def test_what_a_sink_took_is_not_repeated_although_nobody_could_note_it(store, sink, clock):
    failing = FailingStore(store)
    made = dispatcher([sink], StoreOutbox(failing), clock)
    await made.take([bad("m")])
    await made.tell()
    clock.go(6)
    await made.tell()
    original = sink.deliver

    def deliver_and_fill_the_disk(notification):
        original(notification)
        failing.is_full = True

    sink.deliver = deliver_and_fill_the_disk
    await made.workers[0].step()
    failing.is_full = False
    for _ in range(100):  # the claim ends, and it comes again
        await made.workers[0].step()
        clock.go(2)
    assert len(sink.taken) == 1
    counts = await store.read(lambda tx: tx.delivery_counts())
    assert (counts["ops"].waiting, counts["ops"].delivered) == (0, 1)


async def test_alerts_and_notifications_are_not_kept_for_ever(store, sink, clock):
    made = dispatcher([sink], StoreOutbox(store), clock)
    await made.take([bad("m")])
    await live(made, clock, 10)
    await made.take([good()])
    await live(made, clock, 100, step=10)
    clock.go(31 * 86_400)
    await made.tell()
    assert not await store.read(lambda tx: tx.delivery_counts())
    assert len(await store.read(lambda tx: tx.list_alerts())) == 1
    clock.go(400 * 86_400)
    await made.tell()
    assert not await store.read(lambda tx: tx.list_alerts())


async def test_a_result_that_is_none_does_not_harm_the_others(sink, clock, caplog):
    made = dispatcher([sink], MemoryOutbox(), clock)
    odd = HealthCheckResult("odd", is_healthy=False, findings=(Finding("m", "x", "grave"), None))
    numbers = HealthCheckResult("n", is_healthy=False, findings=(Finding(7, 8),))
    await made.take([odd, numbers, bad("m")])
    await live(made, clock, 10)
    assert {each.check for each in made.alerts} == {"n", "c"}
    assert "a result of odd cannot be understood" in caplog.text


async def test_a_clock_that_is_set_back_delays_nothing_for_long(store, sink, clock, down):
    made = dispatcher([sink], StoreOutbox(store), clock)
    await made.take([bad("m")])
    await live(made, clock, 10)
    clock.go(-365 * 86_400)
    await made.take([bad("m", "n")])
    await live(made, clock, 70)
    assert said(sink.taken[-1]) == ("firing", [("n", "firing")])
    sink.error = down
    await made.take([good()])
    await live(made, clock, 70)
    clock.go(-365 * 86_400)
    sink.error = None
    await live(made, clock, 3700, step=100)
    assert said(sink.taken[-1])[0] == "resolved"
