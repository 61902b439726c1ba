"""Four backends under a virtual clock: who gets what, when one is slow, one fails, one recovers."""

import heapq
import itertools
from collections import Counter

import pytest
from virtual_clock import VirtualClock, balancer

from crossmodel.balancing import Lease
from crossmodel.balancing.config import STRATEGIES

RATE = 50.0  # requests per second


def run(balance, clock, backends, seconds):
    """Send requests evenly; ``backends`` maps an id to its latency, or None where it fails fast."""
    shares = Counter()
    pending = []
    order = itertools.count()
    start = clock.now
    for number in range(int(seconds * RATE)):
        clock.now = arrival = start + number / RATE
        while pending and pending[0][0] <= arrival:
            finish(clock, backends, *heapq.heappop(pending))
        clock.now = arrival
        lease = balance.pick()
        assert isinstance(lease, Lease)
        shares[lease.endpoint.id] += 1
        latency = backends[lease.endpoint.id]
        heapq.heappush(pending, (arrival + (latency or 0.01), next(order), lease, arrival))
    while pending:
        finish(clock, backends, *heapq.heappop(pending))
    assert all(endpoint.in_flight == 0 for endpoint in balance.endpoints)
    return {name: shares[name] / sum(shares.values()) for name in backends}


def finish(clock, backends, at, _, lease, sent):
    clock.now = at
    if backends[lease.endpoint.id] is None:
        lease.failed()
    else:
        lease.succeeded(at - sent)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("breaker", [True, False])
def test_shares_with_one_slow_and_one_failing(strategy, breaker):
    clock = VirtualClock()
    balance = balancer(
        clock=clock, load_balancing_strategy=strategy, circuit_breaker_enabled=breaker
    )
    backends = {"a": 0.2, "b": 0.2, "c": 2.0, "d": None}
    shares = run(balance, clock, backends, 120)
    assert shares["d"] < 0.01
    assert shares["a"] == pytest.approx(shares["b"], abs=0.05)
    if strategy == "round_robin":
        assert shares["c"] == pytest.approx(1 / 3, abs=0.01)
    elif strategy == "least_connections":
        # equal queues: shares as 1 / latency, 10 : 10 : 1
        assert shares["c"] == pytest.approx(1 / 21, abs=0.03)
    else:
        assert shares["c"] < 0.05


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("breaker", [True, False])
def test_a_backend_that_recovers_gets_its_share_again(strategy, breaker):
    clock = VirtualClock()
    balance = balancer(
        clock=clock, load_balancing_strategy=strategy, circuit_breaker_enabled=breaker
    )
    healthy = dict.fromkeys("abcd", 0.2)
    run(balance, clock, healthy, 10)
    assert run(balance, clock, {**healthy, "d": None}, 60)["d"] < 0.02
    run(balance, clock, healthy, 150)  # the longest cooldown passes
    assert run(balance, clock, healthy, 30)["d"] > 0.15


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_backend_that_was_slow_gets_its_share_again(strategy):
    clock = VirtualClock()
    balance = balancer(clock=clock, load_balancing_strategy=strategy)
    healthy = dict.fromkeys("abcd", 0.2)
    run(balance, clock, {**healthy, "d": 5.0}, 60)
    run(balance, clock, healthy, 90)
    assert run(balance, clock, healthy, 30)["d"] > 0.15


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("latency", [0.001, 0.2, 3.0])
def test_no_strategy_favours_one_of_four_equal_backends(strategy, latency):
    clock = VirtualClock()
    balance = balancer(clock=clock, load_balancing_strategy=strategy)
    shares = run(balance, clock, dict.fromkeys("abcd", latency), 30)
    assert max(shares.values()) < 0.3
