"""A request takes what it needs of every limit or nothing, and gives back once what it did not use."""

import gc
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crossmodel.domain.client_key import ClientKey, digest_of
from crossmodel.domain.config import CostOptimizationConfig
from crossmodel.domain.models import ModelSpec
from crossmodel.errors import InvalidInputError
from crossmodel.gateway.bounds import MOST_UNSTATED, bound
from crossmodel.gateway.limits import Admission, Admitted, Refused
from crossmodel.selection import CostOptimizer

EVENING = datetime(2026, 5, 31, 23, 50, tzinfo=UTC)


class Time:
    """One time for rates and budgets, that stands still until it is moved."""

    def __init__(self):
        self.seconds = 1000.0

    def monotonic(self):
        return self.seconds

    def utc(self):
        return EVENING + timedelta(seconds=self.seconds - 1000.0)


def key(name="ci", **limits):
    return ClientKey(name, digest_of(name.encode()), **limits)


def admission(time=None, **config):
    time = time or Time()
    budgets = CostOptimizer(CostOptimizationConfig(**config), clock=time.utc)
    return Admission(budgets, clock=time.monotonic)


def ask(made, who, usd=0.0, tokens=0, tenant="t"):
    return made.admit(who, tenant, usd, tokens)


def refused(answer, reason):
    assert isinstance(answer, Refused)
    assert (answer.status, answer.reason) == (429, reason)
    return answer


def test_without_limits_everything_may_be_done():
    made = admission()
    for who in (None, key()):
        assert ask(made, who, 1e9, 10**9).settle(1e9, 10**9)


def test_requests_per_minute_with_a_burst():
    time = Time()
    made, who = admission(time), key(requests_per_minute=60, burst=2)
    assert all(isinstance(ask(made, who), Admitted) for _ in range(2))
    answer = refused(ask(made, who), "requests")
    assert answer.retry_after_seconds == pytest.approx(1.0)
    assert answer.code == "rate_limit_exceeded"
    assert answer.should_retry
    assert answer.message == "key 'ci' may use 60 requests per minute: try again in 1 s"
    assert isinstance(ask(made, key("app", requests_per_minute=60)), Admitted)
    time.seconds += 1.0
    assert isinstance(ask(made, who), Admitted)
    refused(ask(made, who), "requests")


def test_tokens_per_minute_are_estimated_first_and_counted_after():
    time = Time()
    made, who = admission(time), key(tokens_per_minute=600)
    ask(made, who, tokens=500).settle(0.0, 100)
    first = ask(made, who, tokens=500)
    assert isinstance(first, Admitted)
    assert refused(ask(made, who, tokens=10), "tokens").retry_after_seconds == pytest.approx(1.0)
    first.settle(0.0, 1100)  # far more than estimated: that has to be waited for
    assert refused(ask(made, who, tokens=0), "tokens").retry_after_seconds == pytest.approx(60.0)
    time.seconds += 61
    assert isinstance(ask(made, who, tokens=10), Admitted)


def test_more_tokens_than_a_minute_has_are_let_through_alone():
    time = Time()
    made, who = admission(time), key(tokens_per_minute=600)
    large = ask(made, who, tokens=10**15)
    assert isinstance(large, Admitted)
    refused(ask(made, who, tokens=1), "tokens")
    large.settle(0.0, 1200)
    time.seconds += 59
    refused(ask(made, who, tokens=1), "tokens")
    time.seconds += 2
    assert isinstance(ask(made, who, tokens=1), Admitted)


def test_places_in_flight_are_given_back_once():
    made, who = admission(), key(concurrent=2)
    first, second = ask(made, who), ask(made, who)
    answer = refused(ask(made, who), "concurrency")
    assert answer.retry_after_seconds == 1.0
    assert "may have 2 requests in flight" in answer.message
    assert [first.settle(0.0, 0), first.settle(0.0, 0), first.release()] == [True, False, False]
    assert made.in_flight("ci") == 1
    third = ask(made, who)
    refused(ask(made, who), "concurrency")
    assert second.release()
    assert third.release()
    assert made.in_flight("ci") == 0


def test_what_is_lost_gives_back_its_place_but_its_money_counts():
    made, who = admission(), key(concurrent=1, daily_budget=1.0)
    ask(made, who, 0.75)
    gc.collect()
    assert made.in_flight("ci") == 0
    assert made.budgets.committed("daily_budget", key="ci") == 0.75
    circle = [ask(made, who, 0.125)]
    circle.append(circle)
    del circle
    gc.collect()
    assert made.in_flight("ci") == 0
    refused(ask(made, who, 0.25), "budget")


def test_a_budget_is_429_and_not_to_be_tried_again():
    made = admission()
    who = key(daily_budget=1.0, monthly_budget=1.5)
    assert ask(made, who, 0.75).settle(0.75, None)
    answer = refused(ask(made, who, 0.5), "budget")
    assert answer.code == "insufficient_quota"
    assert not answer.should_retry
    assert answer.retry_after_seconds == pytest.approx(600.0)  # until midnight
    assert "daily_budget of key 'ci' of 1 USD has 0.25 USD left" in answer.message
    assert "max_tokens" in answer.message
    assert refused(ask(made, who, 1.25), "budget").retry_after_seconds is None  # on no day


def test_the_month_begins_anew_when_it_does():
    time = Time()
    made, who = admission(time), key(daily_budget=1.0, monthly_budget=1.0)
    ask(made, who, 1.0).settle(1.0, None)
    assert refused(ask(made, who, 0.5), "budget").retry_after_seconds == pytest.approx(600.0)
    time.seconds += 600
    assert isinstance(ask(made, who, 1.0), Admitted)
    answer = refused(ask(made, who, 0.5), "budget")
    assert answer.retry_after_seconds == pytest.approx(86_400.0)
    time.seconds += 86_400  # the second of June: the month is used up
    answer = refused(ask(made, who, 0.5), "budget")
    assert answer.retry_after_seconds == pytest.approx(29 * 86_400.0)


def test_figures_of_other_peoples_budgets_are_not_told():
    made = admission(
        tenant_budgets={"red": {"daily_budget": 5.0}}, budget_constraints={"daily_budget": 7.0}
    )
    for answer in (ask(made, key(), 6.0, tenant="red"), ask(made, None, 6.0, tenant="red")):
        message = refused(answer, "budget").message
        assert message.startswith("the budget of this tenant does not suffice")
        assert "5" not in message
    message = refused(ask(made, key(), 8.0, tenant="blue"), "budget").message
    assert message.startswith("the budget of this gateway does not suffice")
    assert "7" not in message


def test_what_is_refused_takes_nothing():
    made = admission()
    who = key(
        requests_per_minute=60, burst=1, tokens_per_minute=600, concurrent=1, daily_budget=1.0
    )
    for _ in range(3):
        refused(ask(made, who, 2.0, 600), "budget")
    first = ask(made, who, 1.0, 600)
    assert isinstance(first, Admitted)
    for _ in range(3):
        refused(ask(made, who, 1.0, 600), "concurrency")
    first.release()
    for _ in range(3):
        refused(ask(made, who, 1.0, 600), "requests")
    spare = key("spare", requests_per_minute=60, burst=2, tokens_per_minute=600)
    assert isinstance(ask(made, spare, 0.0, 600), Admitted)
    for _ in range(3):
        refused(ask(made, spare, 0.0, 600), "tokens")
    assert isinstance(ask(made, spare, 0.0, 0), Admitted)
    assert made.budgets.committed("daily_budget", key="ci") == 0.0


def test_a_request_that_was_never_sent_counts_as_one_and_costs_nothing():
    made = admission()
    who = key(requests_per_minute=60, burst=1, tokens_per_minute=600, daily_budget=1.0)
    ask(made, who, 1.0, 600).release()
    assert made.budgets.committed("daily_budget", key="ci") == 0.0
    assert refused(ask(made, who, 1.0, 600), "requests").retry_after_seconds == pytest.approx(1.0)


def test_what_is_not_known_counts_as_reserved():
    made = admission()
    who = key(tokens_per_minute=600, daily_budget=1.0)
    assert ask(made, who, 0.75, 600).settle(None, None)
    assert made.budgets.committed("daily_budget", key="ci") == 0.75
    refused(ask(made, who, 0.0, 1), "tokens")


def test_more_can_be_set_aside_for_another_try_while_there_is_any():
    made = admission(tenant_budgets={"t": {"daily_budget": 0.75}})
    who = key(daily_budget=1.0)
    admitted = ask(made, who, 0.25)
    assert admitted.extend(0.25)
    assert not admitted.extend(0.5)  # the tenant's budget has no room for it
    assert made.budgets.committed("daily_budget", key="ci") == 0.5
    assert made.budgets.committed("daily_budget", tenant="t") == 0.5
    assert admitted.settle(0.375, 0)
    assert made.budgets.committed("daily_budget", key="ci") == 0.375
    assert made.budgets.committed("daily_budget", tenant="t") == 0.375


@pytest.mark.parametrize("cost", [math.nan, math.inf, -0.01])
def test_a_cost_that_is_none_is_an_error_and_leaks_nothing(cost):
    made, who = admission(), key(concurrent=1, daily_budget=1.0)
    with pytest.raises(InvalidInputError):
        ask(made, who, cost)
    gc.collect()
    assert made.in_flight("ci") == 0
    admitted = ask(made, who, 0.5)
    with pytest.raises(InvalidInputError):
        admitted.settle(cost, 1)
    assert made.in_flight("ci") == 0
    assert made.budgets.committed("daily_budget", key="ci") == 0.5
    assert not admitted.settle(0.0, 1)


def test_other_limits_of_a_key_hold_from_then_on():
    made = admission()
    old = ask(made, key(concurrent=1, daily_budget=1.0), 1.0)
    refused(ask(made, key(concurrent=2, daily_budget=1.0), 0.5), "budget")
    more = key(concurrent=2, daily_budget=2.0)
    assert isinstance(ask(made, more, 0.5), Admitted)
    old.settle(0.25, None)
    assert made.budgets.committed("daily_budget", key="ci") == 0.25 + 0.5
    unlimited = [ask(made, key(), 100.0) for _ in range(9)]
    assert all(isinstance(each, Admitted) for each in unlimited)


def test_limits_are_replaced_as_a_whole_and_what_was_used_still_counts():
    made = admission()
    old, gone = key(concurrent=1, daily_budget=1.0), key("gone", daily_budget=1.0)
    made.replace_all([old, gone])
    first = ask(made, old, 1.0)
    new = key(concurrent=2, daily_budget=1.5)
    made.replace_all([new, key("app", monthly_budget=3.0)])
    assert [(each.owner, each.limit) for each in made.budgets.standings()] == [
        ("app", 3.0),
        ("ci", 1.5),
    ]
    refused(ask(made, new, 1.0), "budget")
    second = ask(made, new, 0.5)
    refused(ask(made, new, 0.0), "concurrency")
    assert first.release()
    assert second.settle(0.5, 1)
    assert isinstance(ask(made, new, 1.0), Admitted)


def test_names_in_any_language_are_kept_apart():
    made = admission()
    names = ["ключ", "КЛЮЧ", "e\u0301", "\u00e9", "🔑", "*", "%s {0}"]
    for name in names:
        ask(made, key(name, daily_budget=1.0), 1.0)
    for name in names:
        message = refused(ask(made, key(name, daily_budget=1.0), 0.5), "budget").message
        assert repr(name) in message


class Requests(RuleBasedStateMachine):
    """However requests begin, end and are lost, no budget is overspent and no place leaks."""

    def __init__(self):
        super().__init__()
        self.limits = {"ci": 1.0, "app": 0.3}
        self.made = admission(tenant_budgets={"*": {"daily_budget": 1.1}})
        self.keys = {
            name: key(name, daily_budget=usd, concurrent=3) for name, usd in self.limits.items()
        }
        self.open, self.spent = [], []

    @rule(name=st.sampled_from(["ci", "app"]), usd=st.floats(0, 0.5))
    def begin(self, name, usd):
        admitted = self.made.admit(self.keys[name], "t", usd, 0)
        if isinstance(admitted, Admitted):
            self.open.append((admitted, name, usd))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), share=st.floats(0, 1))
    def end(self, data, share):
        at = data.draw(st.integers(0, len(self.open) - 1))
        admitted, name, usd = self.open.pop(at)
        assert admitted.settle(usd * share, 1)
        assert not admitted.settle(usd, 1)
        self.spent.append((name, usd * share))

    @precondition(lambda self: self.open)
    @rule()
    def lose(self):
        _, name, usd = self.open.pop()
        self.spent.append((name, usd))

    @invariant()
    def budgets_hold(self):
        held = [*self.spent, *((name, usd) for _, name, usd in self.open)]
        for name, limit in self.limits.items():
            of = math.fsum(usd for whose, usd in held if whose == name)
            assert of <= limit + 1e-9
            assert self.made.budgets.committed("daily_budget", key=name) == pytest.approx(of)
        total = math.fsum(usd for _, usd in held)
        assert total <= 1.1 + 1e-9
        assert self.made.budgets.committed("daily_budget", tenant="t") == pytest.approx(total)

    @invariant()
    def places_are_those_that_are_open(self):
        for name in self.limits:
            assert self.made.in_flight(name) == sum(whose == name for _, whose, _ in self.open)


TestRequests = Requests.TestCase


MODEL = ModelSpec("m", "p", input_price=1.0, output_price=10.0, context_window=100_000)
CAPPED = ModelSpec(
    "m", "p", input_price=1.0, output_price=10.0, context_window=100_000, max_output_tokens=50_000
)


def usd(inputs, outputs):
    return pytest.approx((inputs * 1.0 + outputs * 10.0) / 1e6)


@pytest.mark.parametrize(
    ("model", "asked", "inputs", "outputs", "tokens"),
    [
        (MODEL, {"max_tokens": 100}, 400, 100, 200),
        (MODEL, {"max_tokens": None}, 400, MOST_UNSTATED, 100),
        (MODEL, {"max_tokens": 60_000}, 400, 60_000, 60_100),
        (MODEL, {"max_tokens": 10**18}, 400, 100_000, 100_100),
        (CAPPED, {"max_tokens": None}, 400, 50_000, 100),
        (CAPPED, {"max_tokens": 10**400}, 400, 50_000, 50_100),
        (CAPPED, {"max_tokens": -1}, 400, 50_000, 100),  # no limit, to some servers
        (MODEL, {"max_tokens": 0}, 400, MOST_UNSTATED, 100),
        (MODEL, {"max_tokens": 100, "answers": 4}, 400, 400, 500),
        (MODEL, {"max_tokens": 100, "answers": -4}, 400, 100, 200),
        (MODEL, {"max_tokens": 100, "is_text": False}, 100_000, 100, 200),
    ],
)
def test_what_a_request_may_cost_at_most(model, asked, inputs, outputs, tokens):
    assert bound(model, 400, **asked) == (usd(inputs, outputs), tokens)


def test_small_models_bound_what_is_not_stated():
    small = ModelSpec("m", "p", input_price=1.0, output_price=10.0, context_window=4096)
    assert bound(small, 10_000, None).most_usd == usd(4096, 4096)


@given(
    st.integers(0, 10**12),
    st.none() | st.integers(),
    st.integers(),
    st.booleans(),
    st.sampled_from([MODEL, CAPPED]),
)
def test_any_request_has_a_bound_that_budgets_take(size, most, answers, is_text, model):
    found = bound(model, size, most, answers=answers, is_text=is_text)
    assert 0 < found.most_usd < math.inf or size == 0
    assert found.tokens >= 0
    made = admission()
    assert isinstance(made.admit(key(tokens_per_minute=1), "t", *found), Admitted)
