import random
from datetime import UTC, datetime

import pytest
from virtual_clock import VirtualClock

from crossmodel.balancing import (
    LoadBalancerConfig,
    RetryBudget,
    backoff_seconds,
    may_retry,
    retry_after_ms_seconds,
    retry_after_seconds,
)

NOW = datetime(1994, 11, 6, 8, 49, 7, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("status", [None, 408, 429, 500, 502, 503, 504, 529, 599])
def test_failures_in_passing_may_be_retried_before_the_first_byte_only(status):
    assert may_retry(status, begun=False)
    assert not may_retry(status, begun=True)


@pytest.mark.parametrize("status", [0, 200, 301, 400, 401, 403, 404, 409, 413, 422, 501, 505, 600])
def test_other_answers_stand(status):
    assert not may_retry(status, begun=False)


def test_backoff_is_full_jitter_that_doubles_up_to_a_maximum():
    config = LoadBalancerConfig(retry_wait_seconds=0.1, max_retry_wait_seconds=1.0)
    chance = random.Random(3)
    for retry, most in [(1, 0.1), (2, 0.2), (3, 0.4), (5, 1.0), (10**9, 1.0), (0, 0.1)]:
        waits = [backoff_seconds(retry, config, chance) for _ in range(300)]
        assert 0 <= min(waits) < 0.05 * most
        assert 0.95 * most < max(waits) <= most


def test_a_quiet_system_can_retry_and_a_failing_one_retries_its_share():
    clock = VirtualClock()
    budget = RetryBudget(
        LoadBalancerConfig(retry_budget=0.2, min_retries_per_second=0.5), clock=clock
    )
    assert [budget.try_spend() for _ in range(6)] == [True] * 5 + [False]
    retries = 0
    for _ in range(20_000):  # 100 requests per second, each of which fails
        clock.now += 0.01
        budget.request()
        retries += budget.try_spend()
    assert retries == pytest.approx(0.2 * 20_000 + 0.5 * 200, rel=0.02)


def test_no_budget_means_no_retry():
    budget = RetryBudget(
        LoadBalancerConfig(retry_budget=0.0, min_retries_per_second=0), clock=VirtualClock()
    )
    for _ in range(100):
        budget.request()
    assert not budget.try_spend()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0), (b"120", 120), (b" 7\t", 7), (b"1.5", 1.5), (b"9" * 60, 86_400),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 30), (b"Sunday, 06-Nov-94 08:49:37 GMT", 30),
        (b"Sun Nov  6 08:49:37 1994", 30), (b"Sun, 06 Nov 1994 08:49:60 GMT", 52),
        (b"Sun, 06 Nov 1993 08:49:37 GMT", 0), (b"Sunday, 06-Nov-45 08:49:37 GMT", 0),
        (b"Thu, 01 Jan 9999 00:00:00 GMT", 86_400),
    ],
)  # fmt: skip
def test_retry_after_in_all_its_forms(value, seconds):
    assert retry_after_seconds(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        b"", b" ", b"-1", b"+1", b"1e3", b"inf", b"nan", b"1_0", b"0x10", b"1.", b".5", b"1.2.3", b"1, 2",
        b"9" * 65, b"soon", b"\xd9\xa3", "٣".encode(), b"\x00", b"1\r\nX: y",
        b"Sun, 31 Feb 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 24:00:00 GMT", b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 CET", b"Sun, 06 nov 1994 08:49:37 GMT", b"Sun, 06 Nov 0 8:49:37 GMT",
        b"Sun, 06 Nov 99999999999999999999 08:49:37 GMT", b"Sunday, 06-Nov--94 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37:00 GMT", b"Sun, 06 Nov 0000 08:49:37 GMT",
    ],
)  # fmt: skip
def test_what_is_no_retry_after_says_nothing(value):
    assert retry_after_seconds(value, NOW) is None
    assert retry_after_ms_seconds(value) is None


def test_retry_after_in_milliseconds():
    assert retry_after_ms_seconds(b"1500") == 1.5
    assert retry_after_ms_seconds(b"0.5") == 0.0005
    assert retry_after_ms_seconds(b"9" * 64) == 86_400
