"""The monitor: every check ends in time, threads end, whoever wrote what."""

import gc
import threading
import time
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crossmodel
from crossmodel import (
    CrossModelConsciousnessHealthMonitor,
    HealthCheck,
    HealthCheckResult,
    HealthStatus,
)
from crossmodel.errors import InvalidInputError
from crossmodel.telemetry.health.limited import TimeLimited


class Alerts:
    """Keeps what it is told."""

    def __init__(self):
        self.trouble, self.recoveries = [], []

    def send_alert(self, result):
        self.trouble.append(result)

    def send_recovery(self, result):
        self.recoveries.append(result)


class Scripted(HealthCheck):
    def __init__(self, name="scripted", work=lambda: None, *, is_healthy=True):
        self.name, self.work, self.is_healthy = name, work, is_healthy
        self.calls = 0

    def check(self):
        self.calls += 1
        self.work()
        return HealthCheckResult(self.name, self.is_healthy, None if self.is_healthy else "broke")


def wait_for(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.01)


def named(name):
    return [each for each in threading.enumerate() if each.name == name]


@pytest.fixture
def alerts():
    return Alerts()


@pytest.fixture
def release():
    event = threading.Event()
    yield event
    event.set()
    wait_for(lambda: not named("crossmodel-check"))


def monitor(*checks, alerts=None, **more):
    return CrossModelConsciousnessHealthMonitor(checks, alert_manager=alerts or Alerts(), **more)


def test_without_arguments_it_has_the_four_checks_and_finds_nothing_wrong():
    made = CrossModelConsciousnessHealthMonitor()
    assert [type(each).__name__ for each in made.health_checks] == [
        "ModelAvailabilityHealthCheck", "PerformanceHealthCheck", "ErrorRateHealthCheck",
        "ResourceUtilizationHealthCheck",
    ]  # fmt: skip
    status = made.perform_health_check()
    assert isinstance(status, HealthStatus)
    found = {each.check_name: each.is_healthy for each in status.check_results}
    del found["resource_utilization"]  # this machine's own business
    assert found == {"model_availability": True, "performance": True, "error_rate": True}
    made.alert_manager.close()


def test_a_check_of_ones_own_is_told_of_and_so_is_its_recovery(alerts):
    class Queue(HealthCheck):
        depth = 100

        def check(self):
            return HealthCheckResult(self.name, self.depth < 10, error=f"{self.depth} wait")

    own = Queue()
    made = monitor(own, alerts=alerts)
    status = made.perform_health_check()
    assert (own.name, status.is_healthy) == ("Queue", False)
    own.depth = 1
    assert made.perform_health_check().is_healthy
    assert [each.error for each in alerts.trouble] == ["100 wait"]
    assert [each.check_name for each in alerts.recoveries] == ["Queue"]


def test_a_check_is_called_as_its_class_unless_it_says_otherwise():
    class Queue(Scripted):
        pass

    class Longer(Queue):
        pass

    class Named(Longer):
        name = "mine"

    class Child(Named):
        pass

    assert [each.name for each in (Queue, Longer, Named, Child)] == [
        "Queue",
        "Longer",
        "mine",
        "mine",
    ]


def test_checks_run_side_by_side_and_keep_their_order():
    checks = [Scripted(str(n), lambda: time.sleep(0.2)) for n in range(8)]
    began = time.monotonic()
    status = monitor(*checks).perform_health_check()
    assert time.monotonic() - began < 1.2
    assert [each.check_name for each in status.check_results] == list("01234567")
    assert all(each.latency_ms >= 200 for each in status.check_results)


def test_a_check_that_raises_is_a_finding_and_the_others_go_on(alerts):
    def fail():
        raise RuntimeError("no such table")

    status = monitor(Scripted("a", fail), Scripted("b"), alerts=alerts).perform_health_check()
    assert [(each.is_healthy, each.error) for each in status.check_results] == [
        (False, "no such table"), (True, None),
    ]  # fmt: skip
    assert [each.check_name for each in alerts.trouble] == ["a"]


def test_a_check_that_ends_its_thread_is_a_finding():
    def leave():
        raise SystemExit

    (result,) = monitor(Scripted("a", leave)).perform_health_check().check_results
    assert result.error == "SystemExit"


def test_a_check_that_hangs_is_a_finding_and_is_not_begun_again(alerts, release):
    hanging = Scripted("hanging", lambda: release.wait(30))
    made = monitor(hanging, Scripted("well"), alerts=alerts, time_limit_seconds=0.2)
    for _ in range(5):
        began = time.monotonic()
        status = made.perform_health_check()
        assert time.monotonic() - began < 2
        assert [each.is_healthy for each in status.check_results] == [False, True]
    assert hanging.calls == 1
    assert len(named("crossmodel-check")) == 1
    assert "hangs: no answer for" in alerts.trouble[-1].error
    release.set()
    wait_for(lambda: not named("crossmodel-check"))
    assert made.perform_health_check().is_healthy
    assert hanging.calls == 2


def test_a_check_may_have_a_limit_of_its_own(release):
    quick = Scripted("a", lambda: release.wait(30))
    quick.time_limit_seconds = 0.05
    began = time.monotonic()
    assert not monitor(quick, time_limit_seconds=60).perform_health_check().is_healthy
    assert time.monotonic() - began < 2


class Odd:
    """Has neither a name nor manners."""

    def __init__(self, value):
        self.value = value

    def check(self):
        return self.value


@pytest.mark.parametrize("value", [None, True, "fine", object()])
def test_what_is_no_result_is_a_finding(value):
    (result,) = monitor(Odd(value)).perform_health_check().check_results
    assert (result.check_name, result.is_healthy) == ("Odd", False)
    assert "not a HealthCheckResult" in result.error


def test_checks_of_one_name_are_told_apart():
    status = monitor(Scripted("a"), Scripted("a"), Scripted("a 2")).perform_health_check()
    assert [each.check_name for each in status.check_results] == ["a", "a 2", "a 2 2"]


def test_an_alert_manager_that_fails_does_not_end_the_checks(caplog):
    class Broken:
        def send_alert(self, _result):
            raise RuntimeError("full")

    status = monitor(
        Scripted("a", is_healthy=False), Scripted("b"), alerts=Broken()
    ).perform_health_check()
    assert len(status.check_results) == 2
    assert "has not taken what a found" in caplog.text


def test_two_who_ask_at_the_same_time_take_turns():
    running, most = [], []

    def work():
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    made = monitor(Scripted("a", work))
    asking = [threading.Thread(target=made.perform_health_check) for _ in range(6)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    assert most == [1] * 6


def test_it_watches_again_and_again_until_it_is_stopped():
    check = Scripted("a")
    made = monitor(check)
    made.start_monitoring(0.02)
    wait_for(lambda: check.calls >= 5)
    assert made.is_monitoring
    assert made.stop_monitoring()
    assert not made.is_monitoring
    calls = check.calls
    time.sleep(0.1)
    assert check.calls == calls
    assert made.perform_health_check().is_healthy


def test_starting_twice_is_one_thread():
    made = monitor(Scripted("a"))
    for _ in range(20):
        made.start_monitoring(0.01)
    assert len(named("crossmodel-health")) == 1
    assert made.stop_monitoring()
    assert made.stop_monitoring()
    assert not named("crossmodel-health")
    made.start_monitoring(0.01)
    assert len(named("crossmodel-health")) == 1
    with made:
        pass
    assert not named("crossmodel-health")


def test_stopping_does_not_wait_for_the_next_time_nor_for_a_check_that_hangs(release):
    made = monitor(Scripted("a", lambda: release.wait(60)), time_limit_seconds=60)
    made.start_monitoring(3600)
    wait_for(lambda: named("crossmodel-check"))
    began = time.monotonic()
    assert made.stop_monitoring()
    assert time.monotonic() - began < 2


def test_no_thread_outlives_its_monitor():
    made = monitor(Scripted("a"))
    made.start_monitoring(3600)
    watched = weakref.ref(made)
    wait_for(lambda: watched().last_status is not None)
    del made
    gc.collect()
    assert watched() is None
    wait_for(lambda: not named("crossmodel-health"))


def test_the_watch_goes_on_after_an_error_of_a_subclass(caplog):
    calls = []

    class Own(CrossModelConsciousnessHealthMonitor):
        def perform_health_check(self):
            calls.append(1)
            if len(calls) == 1:
                raise RuntimeError("at first")
            return super().perform_health_check()

    with Own([Scripted("a")], alert_manager=Alerts()) as made:
        made.start_monitoring(0.01)
        wait_for(lambda: len(calls) > 2)
    assert "could not be performed" in caplog.text


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf"), "often", None])
def test_an_interval_that_cannot_be_is_refused(interval):
    with pytest.raises(InvalidInputError, match="check_interval_seconds"):
        monitor().start_monitoring(interval)


def test_a_process_ends_although_a_check_hangs():
    import subprocess
    import sys

    script = """
import time
from crossmodel import CrossModelConsciousnessHealthMonitor, HealthCheck
class Hangs(HealthCheck):
    def check(self):
        time.sleep(1000)
m = CrossModelConsciousnessHealthMonitor([Hangs()], time_limit_seconds=0.1)
print(m.perform_health_check().is_healthy)
m.start_monitoring(0.1)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "False"


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 2), max_size=40))
def test_every_call_is_answered_for_in_its_order(plan):
    def work(kind):
        if kind == 1:
            raise ValueError("no")
        return kind

    ended = TimeLimited("t").run(
        {name: (lambda k=kind: work(k), 30.0) for name, kind in plan.items()}
    )
    assert list(ended) == list(plan)
    for name, kind in plan.items():
        assert (ended[name].error is None) == (kind != 1)
        assert ended[name].value == (None if kind == 1 else kind)


def test_the_public_names_are_these():
    assert issubclass(crossmodel.ModelAvailabilityHealthCheck, HealthCheck)
    assert crossmodel.AlertManager.__module__ == "crossmodel.telemetry.alerts.manager"
