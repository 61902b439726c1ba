"""Budgets hold whatever the order of calls."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.config import CostOptimizationConfig
from crossmodel.errors import BudgetExceededError, InvalidInputError
from crossmodel.selection import CostOptimizer


class Calendar:
    def __init__(self, *moment):
        self.now = datetime(*moment, tzinfo=UTC)

    def __call__(self):
        return self.now


def optimizer(clock=None, on_alert=None, **budgets):
    config = CostOptimizationConfig(budget_constraints=budgets)
    return CostOptimizer(config, clock=clock or Calendar(2026, 1, 31, 23), on_alert=on_alert)


def test_a_call_that_could_exceed_the_budget_is_refused_before_it_is_made():
    made = optimizer(daily_budget=1.0)
    made.reserve(0.75)
    with pytest.raises(BudgetExceededError, match=r"daily_budget of 1 USD has 0\.25 USD left"):
        made.reserve(0.5)
    made.reserve(0.25)
    assert made.committed("daily_budget") == 1.0


def test_settling_gives_back_what_was_not_spent():
    made = optimizer(daily_budget=1.0)
    reservation = made.reserve(1.0)
    made.settle(reservation, 0.25)
    assert made.committed("daily_budget") == 0.25
    with pytest.raises(InvalidInputError, match="settled already"):
        made.settle(reservation, 0.0)


def test_days_and_months_start_afresh():
    clock = Calendar(2026, 1, 30, 23)
    made = optimizer(clock, daily_budget=1.0, monthly_budget=1.5)
    made.settle(made.reserve(1.0), 1.0)
    clock.now = datetime(2026, 1, 31, tzinfo=UTC)
    with pytest.raises(BudgetExceededError, match="monthly_budget"):
        made.reserve(1.0)
    assert made.committed("daily_budget") == 0.0
    clock.now = datetime(2026, 2, 1, tzinfo=UTC)
    made.reserve(1.0)


def test_a_call_over_midnight_is_settled_in_the_day_it_was_reserved_in():
    clock = Calendar(2026, 1, 31, 23)
    made = optimizer(clock, daily_budget=1.0)
    late = made.reserve(1.0)
    clock.now = datetime(2026, 2, 1, tzinfo=UTC)
    made.reserve(1.0)
    made.settle(late, 0.5)
    assert made.committed("daily_budget") == 1.0


def test_the_alert_is_raised_once_per_crossing():
    alerts = []
    made = optimizer(on_alert=alerts.append, daily_budget=1.0)
    first = made.reserve(0.9)
    made.reserve(0.05)
    assert [(a.budget, a.committed) for a in alerts] == [("daily_budget", 0.9)]
    made.settle(first, 0.0)
    made.reserve(0.9)
    assert len(alerts) == 2


def test_spending_survives_a_restart():
    made = optimizer(daily_budget=1.0)
    made.restore("daily_budget", 0.9)
    with pytest.raises(BudgetExceededError):
        made.reserve(0.2)


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf, "1", True])
def test_amounts_that_are_no_money_are_refused(amount):
    made = optimizer(daily_budget=1.0)
    with pytest.raises(InvalidInputError):
        made.reserve(amount)
    with pytest.raises(InvalidInputError):
        made.settle(made.reserve(0.5), amount)
    assert made.committed("daily_budget") == 0.5


def test_without_budgets_everything_may_be_spent():
    assert optimizer().reserve(1e9).limits == ()


@given(calls=st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 1)), min_size=1, max_size=64))
def test_concurrent_callers_never_overspend(calls):
    made = optimizer(daily_budget=1.0)
    spent = []

    def call(amount, share):
        try:
            reservation = made.reserve(amount)
        except BudgetExceededError:
            return
        made.settle(reservation, amount * share)
        spent.append(amount * share)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(call, *c) for c in calls]:
            future.result()
    assert math.fsum(spent) <= 1.0 + 1e-9
    assert made.committed("daily_budget") == pytest.approx(math.fsum(spent))


def shared(**config):
    return CostOptimizer(CostOptimizationConfig(**config), clock=Calendar(2026, 1, 31))


def test_a_call_is_charged_to_everybody_it_concerns_or_to_nobody():
    made = shared(
        budget_constraints={"daily_budget": 10.0},
        tenant_budgets={"red": {"daily_budget": 2.0}, "*": {"daily_budget": 1.0}},
        key_budgets={"ci": {"monthly_budget": 0.5}},
    )
    made.reserve(0.4, tenant="red", key="ci")
    with pytest.raises(
        BudgetExceededError, match=r"monthly_budget of key 'ci' of 0\.5 USD has 0\.1"
    ):
        made.reserve(0.2, tenant="red", key="ci")
    with pytest.raises(BudgetExceededError, match="daily_budget of tenant 'blue' of 1 USD"):
        made.reserve(1.5, tenant="blue")
    made.reserve(1.5, tenant="red", key="other")
    assert made.committed("daily_budget") == pytest.approx(1.9)
    assert made.committed("daily_budget", tenant="red") == pytest.approx(1.9)
    assert made.committed("daily_budget", tenant="blue") == 0.0
    assert made.committed("monthly_budget", key="ci") == pytest.approx(0.4)


def test_tenants_and_keys_of_one_name_are_not_mixed_up():
    made = shared(
        tenant_budgets={"x": {"daily_budget": 1.0}}, key_budgets={"x": {"daily_budget": 1.0}}
    )
    made.reserve(1.0, tenant="x")
    made.reserve(1.0, key="x")
    with pytest.raises(BudgetExceededError, match="key 'x'"):
        made.reserve(0.1, key="x")


def test_what_a_tenant_spent_before_is_restored():
    made = shared(tenant_budgets={"*": {"daily_budget": 1.0}})
    made.restore("daily_budget", 0.9, tenant="red")
    with pytest.raises(BudgetExceededError):
        made.reserve(0.2, tenant="red")
    made.reserve(0.2, tenant="blue")


@pytest.mark.parametrize("field", ["tenant_budgets", "key_budgets"])
@pytest.mark.parametrize(
    ("budgets", "message"),
    [({"hourly_budget": 1.0}, "did you mean"), ({"daily_budget": math.nan}, "NaN")],
)
def test_wrong_budgets_are_refused_by_their_path(field, budgets, message):
    with pytest.raises(InvalidInputError, match=rf"{field}\.red.*{message}"):
        CostOptimizationConfig(**{field: {"red": budgets}})


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["red", "blue", None]),
            st.sampled_from(["ci", "app", None]),
            st.floats(0, 0.3),
            st.floats(0, 1),
        ),
        min_size=64,
        max_size=64,
    )
)
def test_64_concurrent_callers_cannot_overspend_any_budget(calls):
    limits = {("tenant", "red"): 0.7, ("tenant", "blue"): 0.9, ("key", "ci"): 0.5}
    made = shared(
        budget_constraints={"daily_budget": 2.0},
        tenant_budgets={"red": {"daily_budget": 0.7}, "*": {"daily_budget": 0.9}},
        key_budgets={"ci": {"daily_budget": 0.5}},
    )
    barrier = threading.Barrier(64)

    def call(tenant, key, most, used):
        barrier.wait(10)
        try:
            reservation = made.reserve(most, tenant=tenant, key=key)
        except BudgetExceededError:
            return 0.0
        made.settle(reservation, most * used)
        return most * used

    spent = list(POOL.map(call, *zip(*calls, strict=True)))
    assert made.committed("daily_budget") == pytest.approx(math.fsum(spent))
    assert math.fsum(spent) <= 2.0 + 1e-9
    for (scope, name), limit in limits.items():
        of = [usd for usd, call in zip(spent, calls, strict=True) if name in call[:2]]
        assert made.committed("daily_budget", **{scope: name}) == pytest.approx(math.fsum(of))
        assert math.fsum(of) <= limit + 1e-9


POOL = ThreadPoolExecutor(64)
