import random

from virtual_clock import VirtualClock

from crossmodel.balancing import HealthSchedule, LoadBalancerConfig


def schedule(ids, clock, **config):
    return HealthSchedule(ids, LoadBalancerConfig(**config), clock=clock, random=random.Random(1))


def test_checks_are_spread_and_each_endpoint_is_checked_once_an_interval():
    clock = VirtualClock()
    ids = [str(number) for number in range(100)]
    checks = schedule(ids, clock, health_check_interval=30)
    counts = dict.fromkeys(ids, 0)
    most = 0
    for _ in range(300):
        clock.now += 1
        due = checks.due()
        most = max(most, len(due))
        for name in due:
            counts[name] += 1
    assert most <= 15
    assert all(9 <= count <= 11 for count in counts.values())


def test_checks_of_one_endpoint_do_not_overlap():
    clock = VirtualClock()
    checks = schedule("a", clock, health_check_interval=1, health_check_timeout=20)
    clock.now += 1
    assert checks.due() == ["a"]
    assert checks.due() == []
    clock.now += 20
    assert checks.due() == ["a"]


def test_results_in_a_row_turn_the_verdict():
    checks = schedule("a", VirtualClock(), healthy_after=2, unhealthy_after=3)
    results = [False, False, True, False, False, False, True, False, True, True]
    verdicts = [checks.record("a", passed=passed) for passed in results]
    assert verdicts == [True] * 5 + [False] * 4 + [True]
    assert checks.is_healthy("a") is True


def test_endpoints_that_stay_keep_their_verdict_and_those_that_went_have_none():
    clock = VirtualClock()
    checks = schedule("ab", clock, unhealthy_after=1)
    checks.record("a", passed=False)
    checks.record("b", passed=False)
    checks.set_endpoints("ac")
    assert (checks.is_healthy("a"), checks.is_healthy("c")) == (False, True)
    assert checks.is_healthy("b") is None
    assert checks.record("b", passed=True) is None
    checks.set_endpoints([])
    assert checks.due() == []
