import gc
import math
from collections import Counter

import pytest
from virtual_clock import VirtualClock, balancer, pick

from crossmodel.balancing import CircuitState, Lease, Unavailable
from crossmodel.balancing.config import STRATEGIES
from crossmodel.balancing.strategies import MOST_SCANNED
from crossmodel.errors import InvalidInputError, NotFoundError


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("count", [1, 2, 4, 7])
@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_idle_equal_endpoints_share_evenly(strategy, count, seconds):
    clock = VirtualClock()
    balance = balancer("abcdefg"[:count], clock, load_balancing_strategy=strategy)
    shares = Counter()
    for _ in range(100 * count):
        lease = pick(balance)
        clock.now += seconds
        lease.succeeded(0.1)
        shares[lease.endpoint.id] += 1
    assert shares == dict.fromkeys("abcdefg"[:count], 100)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_many_equal_endpoints_share_nearly_evenly(strategy):
    count = 4 * MOST_SCANNED
    balance = balancer(map(str, range(count)), load_balancing_strategy=strategy)
    leases = [pick(balance) for _ in range(10 * count)]
    shares = Counter(lease.endpoint.id for lease in leases)
    assert len(shares) == count
    assert max(shares.values()) <= 14


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_last_ready_one_of_many_is_found(strategy):
    ids = [str(n) for n in range(200)]
    balance = balancer(ids, load_balancing_strategy=strategy)
    tried = set(ids) - {"137"}
    assert pick(balance, tried).endpoint.id == "137"
    assert balance.pick(set(ids)) == Unavailable(None)


def test_the_first_choice_differs_between_gateways():
    firsts = {pick(balancer(seed=seed)).endpoint.id for seed in range(40)}
    assert firsts == set("abcd")


def test_fewest_in_flight_is_preferred():
    balance = balancer("ab", load_balancing_strategy="least_connections")
    held = [pick(balance) for _ in range(4)]
    next(lease for lease in held if lease.endpoint.id == "b").succeeded(1.0)
    assert pick(balance).endpoint.id == "b"


def test_the_fastest_is_preferred_until_its_queue_makes_it_slow():
    clock = VirtualClock()
    balance = balancer("ab", clock, load_balancing_strategy="fastest_response")
    times = {"a": 0.1, "b": 0.5}
    for _ in range(2):
        lease = pick(balance)
        lease.succeeded(times[lease.endpoint.id])
    leases = [pick(balance) for _ in range(12)]
    burst = Counter(lease.endpoint.id for lease in leases)
    assert burst["a"] == 10  # 10 in a queue of 0.1 s cost what 2 in one of 0.5 s do


def test_a_new_endpoint_gets_one_request_and_no_flood_until_it_has_answered():
    balance = balancer("ab", load_balancing_strategy="fastest_response")
    for lease in [pick(balance), pick(balance)]:
        lease.succeeded(0.2)
    balance.set_endpoints("abn")
    leases = [pick(balance) for _ in range(10)]
    new = [lease for lease in leases if lease.endpoint.id == "n"]
    assert len(new) == 1
    new[0].succeeded(0.2)
    assert "n" in {pick(balance).endpoint.id for _ in range(3)}


def test_a_long_idle_endpoint_is_tried_once_not_flooded():
    clock = VirtualClock()
    balance = balancer("ab", clock, load_balancing_strategy="fastest_response")
    for seconds in (0.1, 5.0):
        pick(balance).succeeded(seconds)
    slow = max(balance.endpoints, key=lambda e: e.latency_seconds).id
    clock.now += 600
    leases = [pick(balance) for _ in range(20)]
    shares = Counter(lease.endpoint.id for lease in leases)
    assert shares[slow] == 1


def test_latency_jumps_up_at_once_and_comes_down_with_time():
    clock = VirtualClock()
    balance = balancer("a", clock, latency_decay_seconds=10.0)
    endpoint = balance.endpoints[0]
    for seconds, expected in [(1.0, 1.0), (3.0, 3.0)]:
        pick(balance).succeeded(seconds)
        assert endpoint.latency_seconds == expected
    clock.now += 10
    pick(balance).succeeded(1.0)
    assert endpoint.latency_seconds == pytest.approx(1.0 + 2.0 / math.e)
    for hostile in (math.nan, math.inf, -1.0, 0.0):
        before = endpoint.latency_seconds
        assert pick(balance).succeeded(hostile)
        assert endpoint.latency_seconds == before
    assert endpoint.in_flight == 0


@pytest.mark.parametrize("breaker", [True, False])
def test_failures_make_an_endpoint_look_slower_up_to_a_bound(breaker):
    balance = balancer("a", circuit_breaker_enabled=breaker, failover_threshold=100)
    pick(balance).failed()
    endpoint = balance.endpoints[0]
    assert endpoint.latency_seconds == 0.0  # it was never measured
    pick(balance).succeeded(0.5)
    pick(balance).failed()
    assert endpoint.latency_seconds == 1.0
    for _ in range(50):
        pick(balance).failed()
    assert endpoint.latency_seconds == 60.0
    pick(balance).succeeded(90.0)
    pick(balance).failed()
    assert endpoint.latency_seconds == 90.0


def test_a_circuit_opens_probes_once_and_closes():
    clock = VirtualClock()
    balance = balancer("a", clock, failover_threshold=3, cooldown_seconds=5, cooldown_jitter=0.0)
    breaker = balance.endpoints[0].breaker
    for _ in range(2):
        pick(balance).failed()
    pick(balance).succeeded(0.1)  # not in a row
    for _ in range(3):
        assert breaker.state(clock.now) is CircuitState.CLOSED
        pick(balance).failed()
    assert breaker.state(clock.now) is CircuitState.OPEN
    assert balance.pick() == Unavailable(5.0)
    clock.now += 5
    assert breaker.state(clock.now) is CircuitState.HALF_OPEN
    probe = pick(balance)
    assert probe.probe
    assert balance.pick() == Unavailable(1.0)  # one probe alone
    probe.cancelled()
    probe = pick(balance)  # the place is free again
    probe.failed()
    assert balance.pick() == Unavailable(10.0)  # twice as long
    clock.now += 10
    pick(balance).succeeded(0.1)
    assert breaker.state(clock.now) is CircuitState.CLOSED
    assert not pick(balance).probe


def test_cooldowns_double_up_to_the_maximum_whatever_happens():
    clock = VirtualClock()
    balance = balancer("a", clock, failover_threshold=1, cooldown_jitter=0.5)
    waits = []
    for _ in range(1200):
        pick(balance).failed()
        waits.append(balance.pick().retry_after_seconds)
        clock.now += waits[-1] + 0.001
    assert 5 <= waits[0] <= 7.5
    assert all(120 <= wait <= 180 for wait in waits[5:])
    assert len(set(waits)) > 1000  # jitter


def test_old_answers_do_not_move_an_open_circuit():
    clock = VirtualClock()
    balance = balancer("a", clock, failover_threshold=1, cooldown_jitter=0.0)
    old = [pick(balance) for _ in range(3)]
    old[0].failed()
    old[1].failed()
    old[2].succeeded(0.1)
    assert balance.pick() == Unavailable(5.0)


def test_without_breaker_a_failed_endpoint_stands_behind_but_is_asked_in_need():
    clock = VirtualClock()
    balance = balancer("ab", clock, circuit_breaker_enabled=False, cooldown_jitter=0.0)
    bad = pick(balance)
    bad.failed()
    good = {pick(balance).endpoint.id for _ in range(6)}
    assert good == set("ab") - {bad.endpoint.id}
    assert pick(balance, good).endpoint is bad.endpoint
    clock.now += 5
    assert bad.endpoint.id in {pick(balance).endpoint.id for _ in range(2)}
    for _ in range(20):
        pick(balance, good).failed()
    assert bad.endpoint.breaker.state(clock.now) is CircuitState.CLOSED


def test_switching_breakers_off_frees_an_endpoint_at_its_next_failure():
    clock = VirtualClock()
    balance = balancer("a", clock, failover_threshold=1, cooldown_jitter=0.0)
    pick(balance).failed()
    clock.now += 5
    balance.config.circuit_breaker_enabled = False
    probe = pick(balance)
    probe.failed()
    assert not pick(balance).probe


def test_retry_after_holds_an_endpoint_and_says_when_it_is_back():
    clock = VirtualClock()
    balance = balancer("ab", clock, failover_threshold=1, max_hold_seconds=60)
    first = pick(balance)
    first.failed(retry_after=2.0)
    assert {pick(balance).endpoint.id for _ in range(4)} == set("ab") - {first.endpoint.id}
    second = pick(balance)
    second.failed(retry_after=1e12)
    assert balance.pick() == Unavailable(2.0)
    assert balance.pick({first.endpoint.id}) == Unavailable(60.0)
    assert balance.pick(set("ab")) == Unavailable(None)
    clock.now += 2
    assert pick(balance).endpoint is first.endpoint
    assert first.endpoint.breaker.state(clock.now) is CircuitState.CLOSED


@pytest.mark.parametrize("retry_after", [0.0, -1.0, math.nan])
def test_a_retry_after_that_says_nothing_is_a_failure_like_any_other(retry_after):
    balance = balancer("a", failover_threshold=1, cooldown_jitter=0.0)
    pick(balance).failed(retry_after)
    assert balance.pick() == Unavailable(5.0)


def test_a_probe_that_is_told_to_wait_frees_its_place():
    clock = VirtualClock()
    balance = balancer("a", clock, failover_threshold=1, cooldown_jitter=0.0)
    pick(balance).failed()
    clock.now += 5
    pick(balance).failed(retry_after=3.0)
    assert balance.pick() == Unavailable(3.0)
    clock.now += 3
    assert pick(balance).probe


def test_unhealthy_endpoints_are_left_out_unless_all_are():
    balance = balancer("abc")
    balance.set_health("a", healthy=False)
    balance.set_health("b", healthy=False)
    assert {pick(balance).endpoint.id for _ in range(9)} == {"c"}
    balance.set_health("c", healthy=False)
    assert {pick(balance).endpoint.id for _ in range(9)} == set("abc")
    balance.set_health("a", healthy=True)
    assert {pick(balance).endpoint.id for _ in range(9)} == {"a"}
    with pytest.raises(NotFoundError, match="'z'"):
        balance.set_health("z", healthy=True)


def test_a_lease_is_released_once_whatever_happens():
    balance = balancer("a")
    endpoint = balance.endpoints[0]
    lease = pick(balance)
    assert [lease.failed(), lease.failed(), lease.succeeded(1.0), lease.cancelled()] == [
        True, False, False, False,
    ]  # fmt: skip
    with pick(balance) as lease:
        assert lease.succeeded(0.1)
    with pytest.raises(RuntimeError), pick(balance):
        raise RuntimeError
    assert (endpoint.in_flight, endpoint.cancelled) == (0, 1)
    pick(balance)  # lost without a word
    gc.collect()
    assert (endpoint.in_flight, endpoint.cancelled) == (0, 2)
    assert endpoint.requests == endpoint.successes + endpoint.failures + endpoint.cancelled == 4


def test_an_endpoint_that_hangs_is_found_slow_although_all_give_up():
    balance = balancer("ab", load_balancing_strategy="fastest_response")
    for seconds in (0.1, 0.1):
        pick(balance).succeeded(seconds)
    hung = pick(balance)
    hung.cancelled(30.0)
    assert {pick(balance).endpoint.id for _ in range(5)} == set("ab") - {hung.endpoint.id}


def test_reload_keeps_what_is_known_of_endpoints_that_stay():
    balance = balancer("ab")
    leases = {lease.endpoint.id: lease for lease in (pick(balance), pick(balance))}
    balance.set_endpoints("bc")
    assert [(e.id, e.in_flight) for e in balance.endpoints] == [("b", 1), ("c", 0)]
    assert leases["a"].succeeded(0.1)
    assert leases["b"].succeeded(0.1)
    assert [(e.id, e.in_flight) for e in balance.endpoints] == [("b", 0), ("c", 0)]
    for bad in (["b", "b"], ["b", ""], [None]):
        with pytest.raises((InvalidInputError, TypeError)):  # the latter where it is compiled
            balance.set_endpoints(bad)
    assert [e.id for e in balance.endpoints] == ["b", "c"]
    balance.set_endpoints([])
    assert balance.pick() == Unavailable(None)


def test_a_change_of_strategy_takes_effect_at_once():
    balance = balancer("ab")
    busy = pick(balance)
    balance.config.load_balancing_strategy = "least_connections"
    held = [pick(balance) for _ in range(3)]
    assert all(isinstance(lease, Lease) for lease in held)
    assert Counter(e.in_flight for e in balance.endpoints) == {2: 2}
    busy.cancelled()
    assert pick(balance).endpoint is busy.endpoint
