import gc
import math

import pytest
from virtual_clock import VirtualClock

from crossmodel.balancing import ConcurrencyLimiter, RateLimit, RateLimiter
from crossmodel.errors import InvalidInputError


def test_a_burst_then_the_rate_then_a_burst_again():
    clock = VirtualClock()
    limiter = RateLimiter(RateLimit(10.0, burst=5), clock=clock)
    assert [limiter.allow("k") for _ in range(5)] == [0.0] * 5
    wait = limiter.allow("k")
    assert wait == pytest.approx(0.1)
    assert limiter.allow("other") == 0.0
    clock.now += wait
    assert limiter.allow("k") == 0.0
    assert limiter.allow("k") > 0
    clock.now += 100
    assert [limiter.allow("k") for _ in range(6)] == [0.0] * 5 + [pytest.approx(0.1)]


def test_a_refusal_costs_nothing_and_costs_add_up():
    clock = VirtualClock()
    limiter = RateLimiter(RateLimit(100.0, burst=100), clock=clock)
    assert limiter.allow("k", 60) == 0.0
    for _ in range(10):
        assert limiter.allow("k", 60) == pytest.approx(0.2)
    assert limiter.allow("k", 40) == 0.0
    assert limiter.allow("k", 0) == 0.0
    assert limiter.allow("k", 101) == math.inf
    for hostile in (math.nan, math.inf, -1):
        with pytest.raises(InvalidInputError):
            limiter.allow("k", hostile)


def test_what_is_known_afterwards_is_charged_and_given_back():
    clock = VirtualClock()
    limiter = RateLimiter(RateLimit(10.0, burst=10), clock=clock)
    limiter.charge("k", 30)
    assert limiter.allow("k") == pytest.approx(2.1)
    limiter.charge("k", -30)
    assert limiter.allow("k", 10) == 0.0
    for hostile in (math.nan, math.inf, -math.inf):
        with pytest.raises(InvalidInputError):
            limiter.charge("k", hostile)


def test_giving_back_more_than_was_taken_gives_no_larger_burst():
    limiter = RateLimiter(RateLimit(10.0, burst=2), clock=VirtualClock())
    limiter.charge("k", -1000)
    assert [limiter.allow("k") == 0 for _ in range(3)] == [True, True, False]


def test_a_key_may_have_its_own_limit():
    limiter = RateLimiter(RateLimit(1.0), clock=VirtualClock())
    own = RateLimit(1.0, burst=3)
    assert [limiter.allow("k", limit=own) == 0 for _ in range(4)] == [True, True, True, False]


def test_idle_keys_are_forgotten_and_active_ones_are_bounded():
    clock = VirtualClock()
    limiter = RateLimiter(RateLimit(1.0), clock=clock, most_keys=100)
    for number in range(1000):
        limiter.allow(str(number))
    assert len(limiter) == 100
    assert limiter.allow("999") > 0
    clock.now += 10
    for _ in range(60):
        limiter.allow("k")
        clock.now += 1
    assert len(limiter) == 1


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 5e-324, True, "1"])
def test_a_limit_that_is_none_is_refused(value):
    with pytest.raises(InvalidInputError, match="per_second"):
        RateLimit(value)
    with pytest.raises(InvalidInputError, match="burst"):
        RateLimit(1.0, burst=value)


def test_places_are_given_back_once():
    limiter = ConcurrencyLimiter(2)
    first, second = limiter.acquire("k"), limiter.acquire("k")
    assert limiter.acquire("k") is None
    assert limiter.acquire("k", limit=3).release()
    assert limiter.acquire("other") is not None
    assert [first.release(), first.release()] == [True, False]
    assert limiter.in_use("k") == 1
    with limiter.acquire("k"):
        assert limiter.acquire("k") is None
    del second
    gc.collect()
    assert len(limiter) == 0
    with pytest.raises(InvalidInputError):
        ConcurrencyLimiter(0)
