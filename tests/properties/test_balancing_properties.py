"""Whatever the order of events: counts are exact, circuits reopen, limits hold."""

import random

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from crossmodel.balancing import (
    Balancer,
    CircuitState,
    Lease,
    LoadBalancerConfig,
    RateLimit,
    RateLimiter,
    RetryBudget,
    Unavailable,
    retry_after_ms_seconds,
    retry_after_seconds,
)
from crossmodel.balancing.config import STRATEGIES

IDS = st.sets(st.sampled_from([f"e{n}" for n in range(24)]), max_size=24)
SECONDS = st.one_of(
    st.floats(0, 1000), st.floats(allow_nan=True, allow_infinity=True), st.just(0.0)
)
OUTCOMES = st.sampled_from(["succeeded", "failed", "held", "cancelled", "gave_up"])


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Balancing(RuleBasedStateMachine):
    leases = Bundle("leases")
    released = Bundle("released")

    @initialize(
        ids=IDS, strategy=st.sampled_from(STRATEGIES), breaker=st.booleans(), seed=st.integers(0, 9)
    )
    def begin(self, ids, strategy, breaker, seed):
        self.clock = Clock()
        self.config = LoadBalancerConfig(
            load_balancing_strategy=strategy, circuit_breaker_enabled=breaker, failover_threshold=2
        )
        self.balancer = Balancer(
            sorted(ids), self.config, clock=self.clock, random=random.Random(seed)
        )
        self.open = set()
        self.known = set(self.balancer.endpoints)

    @rule(target=leases, tried=st.one_of(st.just(set()), IDS))
    def pick(self, tried):
        choice = self.balancer.pick(tried)
        if isinstance(choice, Lease):
            assert choice.endpoint.id not in tried
            assert choice.endpoint.held_until <= self.clock.now
            self.open.add(choice)
            return choice
        assert isinstance(choice, Unavailable)
        untried = [e for e in self.balancer.endpoints if e.id not in tried]
        assert choice.retry_after_seconds is None or choice.retry_after_seconds > 0
        assert untried or choice.retry_after_seconds is None
        return None

    def release(self, lease, outcome, seconds):
        if outcome == "succeeded":
            return lease.succeeded(seconds)
        if outcome == "failed":
            return lease.failed()
        if outcome == "held":
            return lease.failed(seconds)
        return lease.cancelled(seconds if outcome == "gave_up" else None)

    @rule(target=released, lease=consumes(leases), outcome=OUTCOMES, seconds=SECONDS)
    def end(self, lease, outcome, seconds):
        if lease is not None:
            assert self.release(lease, outcome, seconds)
            self.open.discard(lease)
        return lease

    @rule(lease=released, outcome=OUTCOMES, seconds=SECONDS)
    def end_again(self, lease, outcome, seconds):
        if lease is not None:
            assert not self.release(lease, outcome, seconds)

    @rule(seconds=st.sampled_from([-5.0, 0.0, 0.01, 1.0, 6.0, 200.0, 1e6]))
    def time_jumps(self, seconds):
        self.clock.now += seconds

    @rule(ids=IDS)
    def reload(self, ids):
        before = {e.id: e for e in self.balancer.endpoints}
        self.balancer.set_endpoints(sorted(ids))
        for endpoint in self.balancer.endpoints:
            assert before.get(endpoint.id, endpoint) is endpoint
        self.known.update(self.balancer.endpoints)

    @rule(strategy=st.sampled_from(STRATEGIES), breaker=st.booleans())
    def configure(self, strategy, breaker):
        self.config.load_balancing_strategy = strategy
        self.config.circuit_breaker_enabled = breaker

    @rule(number=st.integers(0, 30), healthy=st.booleans())
    def check(self, number, healthy):
        endpoints = self.balancer.endpoints
        if endpoints:
            self.balancer.set_health(endpoints[number % len(endpoints)].id, healthy=healthy)

    @invariant()
    def counts_are_exact(self):
        for endpoint in getattr(self, "known", ()):
            assert endpoint.in_flight == sum(lease.endpoint is endpoint for lease in self.open)
            over = endpoint.successes + endpoint.failures + endpoint.cancelled
            assert endpoint.requests == over + endpoint.in_flight
            assert 0 <= endpoint.latency_seconds < float("inf")

    def teardown(self):
        if not hasattr(self, "open"):
            return
        for lease in self.open:
            lease.cancelled()
        self.open.clear()
        assert all(endpoint.in_flight == 0 for endpoint in self.known)
        # Nothing stays shut for ever: after the longest pause every one left may be asked.
        self.clock.now += 2e6
        for endpoint in self.balancer.endpoints:
            assert endpoint.admits_at() <= self.clock.now
            assert endpoint.breaker.state(self.clock.now) is not CircuitState.OPEN
        if self.balancer.endpoints:
            assert isinstance(self.balancer.pick(), Lease)


TestBalancing = Balancing.TestCase


@given(
    rate=st.floats(0.01, 1000),
    burst=st.floats(1, 100),
    events=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 20)), max_size=60),
)
def test_no_more_than_rate_and_burst_pass_and_a_wait_is_long_enough(rate, burst, events):
    clock = Clock()
    limiter = RateLimiter(RateLimit(rate, burst), clock=clock)
    start, passed = clock.now, 0.0
    for pause, cost in events:
        clock.now += pause
        wait = limiter.allow("k", cost)
        if wait == 0.0:
            passed += cost
            assert passed <= (burst + rate * (clock.now - start)) * (1 + 1e-6) + 1e-6 * rate
        elif cost <= burst:
            clock.now += wait
            assert limiter.allow("k", cost) == 0.0
            passed += cost


@given(
    share=st.floats(0, 1),
    least=st.floats(0, 10),
    events=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 9), st.integers(0, 9)), max_size=60),
)
def test_retries_stay_within_their_budget(share, least, events):
    clock = Clock()
    config = LoadBalancerConfig(retry_budget=share, min_retries_per_second=least)
    budget = RetryBudget(config, clock=clock)
    start, requests, retries = clock.now, 0, 0
    for pause, arrivals, wanted in events:
        clock.now += pause
        for _ in range(arrivals):
            budget.request()
        requests += arrivals
        retries += sum(budget.try_spend() for _ in range(wanted))
        assert retries <= share * requests + least * (clock.now - start + 10.0) + 1e-6


HEADER = st.one_of(
    st.binary(max_size=80),
    st.text("0123456789.-+eE infa", max_size=70).map(str.encode),
    st.from_regex(
        rb"[A-Z][a-z]{2}, [0-9]{1,3} (Jan|Feb|Dec) [0-9]{1,5} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
    ),
)


@given(value=HEADER, now=st.floats(0, 4e9))
def test_any_header_is_a_bounded_wait_or_nothing(value, now):
    for seconds in (retry_after_seconds(value, now), retry_after_ms_seconds(value)):
        assert seconds is None or 0.0 <= seconds <= 86_400.0
