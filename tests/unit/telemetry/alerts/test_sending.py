"""One sink: what is tried again, when, and what is not."""

import asyncio
import threading
import time

import pytest

from crossmodel.domain.alerts import Notification, Severity
from crossmodel.telemetry.alerts.outbox import MOST_IN_MEMORY, MemoryOutbox
from crossmodel.telemetry.alerts.policy import AlertPolicy
from crossmodel.telemetry.alerts.sending import SinkWorker
from crossmodel.telemetry.alerts.sink import SinkError


def notification(clock, name="ntf_1"):
    return Notification(name, clock(), Severity.CRITICAL, f"title {name}", b"{}")


async def waiting(sink, clock, *names):
    outbox = MemoryOutbox()
    for name in names or ("ntf_1",):
        await outbox.commit([], [(notification(clock, name), [sink.name])])
    return SinkWorker(sink, outbox, AlertPolicy(), clock)


async def test_a_dead_sink_is_left_alone_for_ever_longer_up_to_five_minutes(sink, clock, down):
    sink.error = down
    worker = await waiting(sink, clock)
    waits = []
    for _ in range(12):
        at = await worker.step()
        waits.append((at - clock()).total_seconds())
        clock.now = at
    assert worker.is_dead
    assert waits == sorted(waits[:9]) + waits[9:]
    assert all(2**n <= wait <= 1.2 * 2**n for n, wait in enumerate(waits[:9]))
    assert all(300 <= wait <= 360 for wait in waits[9:])
    sink.error = None
    await worker.step()
    assert (worker.is_dead, worker.counts.delivered, worker.counts.failed) == (False, 1, 12)


async def test_before_that_it_is_not_called(sink, clock, down):
    sink.error = down
    worker = await waiting(sink, clock)
    for _ in range(50):
        await worker.step()
    assert sink.attempts == 1


async def test_a_receiver_that_asks_for_time_gets_it_within_reason(sink, clock):
    for asked, given in [(100.0, 100.0), (1e9, 3600.0), (0.0, 1.0)]:
        sink.error = SinkError("busy", retry_after_seconds=asked)
        worker = await waiting(sink, clock)
        at = await worker.step()
        assert given <= (at - clock()).total_seconds() <= 1.2 * given


async def test_a_refusal_for_good_does_not_hold_up_the_next(sink, clock):
    worker = await waiting(sink, clock, "ntf_1", "ntf_2")
    sink.error = SinkError("no such thing", is_final=True)
    await worker.step()
    sink.error = None
    await worker.step()
    assert [each.id for each in sink.taken] == ["ntf_2"]
    assert (worker.counts.given_up, worker.counts.delivered) == (1, 1)


async def test_what_is_a_day_old_is_given_up(sink, clock, down, caplog):
    sink.error = down
    worker = await waiting(sink, clock)
    clock.go(86_401)
    await worker.step()
    assert await worker.step() is None
    assert worker.counts.given_up == 1
    assert "will not be told: title ntf_1: down" in caplog.text


async def test_of_an_unforeseen_error_only_the_kind_is_told(sink, clock, caplog):
    sink.error = RuntimeError("password hunter2")
    worker = await waiting(sink, clock)
    await worker.step()
    assert worker.counts.last_error == "RuntimeError"
    assert "hunter2" not in caplog.text


async def test_a_sink_that_hangs_is_one_thread_and_no_more(make_sink, clock):
    sink = make_sink(time_limit_seconds=0.05)
    release = threading.Event()
    sink.deliver = lambda _notification: release.wait(20)
    worker = await waiting(sink, clock)
    for _ in range(5):
        await worker.step()
        clock.go(1000)
    named = [t for t in threading.enumerate() if t.name == "crossmodel-sink-ops"]
    assert len(named) == 1
    assert worker.counts.failed == 5
    assert "has not ended yet" in worker.counts.last_error
    release.set()
    named[0].join(5)


async def test_a_slow_sink_does_not_hold_up_the_loop(make_sink, clock):
    sink = make_sink()
    sink.deliver = lambda _notification: time.sleep(0.3)
    worker = await waiting(sink, clock)
    step = asyncio.create_task(worker.step())
    turns = 0
    while not step.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 10


async def test_memory_is_bounded_and_the_loss_is_said(sink, clock, caplog):
    outbox = MemoryOutbox()
    for number in range(MOST_IN_MEMORY + 2):
        await outbox.commit([], [(notification(clock, f"ntf_{number}"), ["ops"])])
    delivery, _ = await outbox.claim("ops", clock(), clock())
    assert delivery.notification.id == "ntf_2"
    assert caplog.text.count("will never be told") == 2


@pytest.mark.parametrize("dropped", [True, False])
async def test_settling_what_was_dropped_meanwhile_drops_nothing_else(sink, clock, dropped):
    outbox = MemoryOutbox()
    await outbox.commit([], [(notification(clock, "ntf_0"), ["ops"])])
    delivery, _ = await outbox.claim("ops", clock(), clock())
    for number in range(MOST_IN_MEMORY - (not dropped)):
        await outbox.commit([], [(notification(clock, f"ntf_{number + 1}"), ["ops"])])
    await outbox.settle(delivery, clock())
    following, _ = await outbox.claim("ops", clock(), clock())
    assert following.notification.id == "ntf_1"
