"""The door: nobody waits, no thread is left, nothing is lost at the end."""

import asyncio
import gc
import statistics
import subprocess
import sys
import threading
import time

import pytest

from crossmodel.domain.operations import HealthCheckResult
from crossmodel.errors import InvalidInputError
from crossmodel.store import open_store
from crossmodel.telemetry.alerts.manager import AlertManager
from crossmodel.telemetry.alerts.policy import AlertPolicy

QUICK = AlertPolicy(
    resolve_after_checks=1, flap_window_seconds=0.001, group_wait_seconds=0.05,
    group_interval_seconds=0.1,
)  # fmt: skip


def bad(check="c"):
    return HealthCheckResult(check, is_healthy=False, error="broke")


def good(check="c"):
    return HealthCheckResult(check, is_healthy=True)


def wait_for(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.01)


def threads():
    """Those of alerts; other tests' stores may have some as well."""
    ours = ("crossmodel-alerts", "crossmodel-sink")
    return [each for each in threading.enumerate() if each.name.startswith(ours)]


def test_trouble_and_its_end_arrive(sink):
    with AlertManager([sink], policy=QUICK) as alerts:
        alerts.send_alert(bad())
        wait_for(lambda: len(sink.taken) == 1)
        alerts.send_recovery(good())
        wait_for(lambda: len(sink.taken) == 2)
    assert alerts.delivery_counts["ops"].delivered == 2
    assert not alerts.alerts


def test_without_arguments_the_log_is_told(caplog):
    alerts = AlertManager()
    alerts.send_alert(bad("disk"))
    assert alerts.close()
    assert "[critical] disk: 1 firing: broke" in caplog.text


def test_the_caller_never_waits(make_sink):
    sink = make_sink(time_limit_seconds=30)
    release = threading.Event()
    sink.deliver = lambda _notification: release.wait(30)
    with AlertManager([sink], policy=QUICK) as alerts:
        alerts.send_alert(bad("first"))
        took = []
        for number in range(2000):
            began = time.perf_counter()
            alerts.send_alert(bad(str(number)))
            took.append(time.perf_counter() - began)
        release.set()
    assert statistics.median(took) < 100e-6


def test_closing_tells_what_waits_for_its_group(sink):
    alerts = AlertManager([sink], policy=AlertPolicy(group_wait_seconds=3600))
    alerts.send_alert(bad())
    assert alerts.close()
    assert len(sink.taken) == 1


def test_closing_does_not_wait_for_a_sink_that_hangs(make_sink):
    sink = make_sink(time_limit_seconds=60)
    release = threading.Event()
    sink.deliver = lambda _notification: release.wait(60)
    alerts = AlertManager([sink], policy=QUICK)
    alerts.send_alert(bad())
    began = time.monotonic()
    assert not alerts.close(timeout_seconds=0.3)
    assert time.monotonic() - began < 2
    release.set()
    wait_for(lambda: not threads())


def test_a_thread_that_nobody_asked_for_ends_when_all_is_told_and_comes_again(sink):
    alerts = AlertManager([sink], policy=QUICK)
    for number in (1, 2):
        alerts.send_alert(bad(str(number)))
        assert threads()
        wait_for(lambda n=number: len(sink.taken) == n)
        wait_for(lambda: not threads())


def test_many_managers_that_are_let_go_of_leave_nothing(make_sink):
    for number in range(20):
        AlertManager([make_sink()], policy=QUICK).send_alert(good(str(number)))
    wait_for(lambda: not threads())
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, AlertManager)]


def test_closing_twice_and_before_the_start_is_no_error(sink):
    alerts = AlertManager([sink])
    assert alerts.close()
    assert alerts.close()


def test_sinks_need_names_of_their_own(make_sink):
    with pytest.raises(InvalidInputError, match="name of its own"):
        AlertManager([make_sink("a"), make_sink("a")])


def test_alerts_of_many_threads_all_arrive(sink):
    with AlertManager([sink], policy=QUICK) as alerts:

        def send(number):
            for at in range(50):
                alerts.send_alert(bad(f"{number}.{at}"))

        senders = [threading.Thread(target=send, args=(n,)) for n in range(8)]
        for each in senders:
            each.start()
        for each in senders:
            each.join()
        wait_for(lambda: len(alerts.alerts) == 400)
        wait_for(lambda: all(each.told for each in alerts.alerts))


SCRIPT = """
import asyncio, os, sys, time
from crossmodel.domain.operations import HealthCheckResult
from crossmodel.store import open_store
from crossmodel.telemetry.alerts import AlertManager, AlertPolicy, SinkError
from crossmodel.domain.alerts import Severity

class Dead:
    name, least_severity, time_limit_seconds = "ops", Severity.INFO, 0.5
    def deliver(self, notification):
        print("promised", notification.id, flush=True)
        raise SinkError("down")

async def main():
    store = await open_store(sys.argv[1])
    policy = AlertPolicy(group_wait_seconds=0.01, group_interval_seconds=0.01)
    alerts = AlertManager([Dead()], store=store, policy=policy, instance="here")
    alerts.start()
    alerts.send_alert(HealthCheckResult("c", is_healthy=False, error="broke"))
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_what_a_killed_process_had_promised_is_delivered_by_the_next_one(tmp_path, sink):
    url = f"sqlite:///{tmp_path}/s.db"
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, url], stdout=subprocess.PIPE, text=True
    ) as process:
        promised = process.stdout.readline().split()[1]
        process.kill()
    store = await open_store(url)
    with AlertManager([sink], store=store, policy=QUICK, instance="here") as alerts:
        alerts.send_alert(bad())
        await asyncio.to_thread(wait_for, lambda: sink.taken, 60)
        alerts.send_alert(good())
        await asyncio.to_thread(wait_for, lambda: len(sink.taken) == 2)
    assert [each.id for each in sink.taken][:1] == [promised]
    assert "resolved" in sink.titles[1]
    await store.close()


@pytest.mark.parametrize("result", [None, "down", {"check_name": "a"}, object()])
def test_what_is_no_result_is_refused(sink, result):
    with pytest.raises(InvalidInputError, match="HealthCheckResult"):
        AlertManager([sink]).send_alert(result)
