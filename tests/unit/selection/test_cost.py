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


def test_keys_come_and_go_with_their_budgets():
    made = shared(key_budgets={"*": {"daily_budget": 5.0, "monthly_budget": 9.0}})
    made.set_key_budgets("ci", {"daily_budget": 1.0})
    made.reserve(1.0, key="ci")
    with pytest.raises(BudgetExceededError, match="daily_budget of key 'ci' of 1 USD"):
        made.reserve(0.5, key="ci")
    made.reserve(4.0, key="other")
    made.set_key_budgets("ci", {"daily_budget": 20.0})
    with pytest.raises(BudgetExceededError, match="monthly_budget of key 'ci' of 9 USD has 8 USD"):
        made.reserve(8.5, key="ci")
    made.set_key_budgets("ci", {})
    with pytest.raises(BudgetExceededError, match="daily_budget of key 'ci' of 5 USD has 4 USD"):
        made.reserve(4.5, key="ci")
    made.set_key_budgets("ci", {"daily_budget": 1.0})  # it is no way out of what was spent
    with pytest.raises(BudgetExceededError, match="of 1 USD has 0 USD left"):
        made.reserve(0.5, key="ci")


@pytest.mark.parametrize(
    "budgets", [{"hourly_budget": 1.0}, {"daily_budget": math.nan}, {"daily_budget": -1.0}]
)
def test_a_key_keeps_its_budgets_if_the_new_ones_are_wrong(budgets):
    made = optimizer()
    made.set_key_budgets("ci", {"daily_budget": 1.0})
    with pytest.raises(InvalidInputError):
        made.set_key_budgets("ci", budgets)
    with pytest.raises(BudgetExceededError):
        made.reserve(1.5, key="ci")


def test_a_keys_own_budget_holds_even_where_costs_are_not_looked_at():
    made = shared(enable_cost_optimization=False, budget_constraints={"daily_budget": 0.1})
    made.set_key_budgets("ci", {"daily_budget": 1.0})
    made.reserve(1.0, key="ci")
    with pytest.raises(BudgetExceededError):
        made.reserve(0.1, key="ci")


def test_a_changed_configuration_holds_at_once():
    made = optimizer(daily_budget=1.0)
    made.reserve(1.0)
    made.config.budget_constraints["daily_budget"] = 2.0
    made.reserve(1.0)
    made.config.budget_constraints.clear()
    made.reserve(100.0)


@pytest.mark.parametrize(("part", "times"), [(0.1, 3), (0.7, 3), (1e-9, 1000), (0.01, 100)])
def test_a_budget_holds_its_parts_however_sums_round(part, times):
    made = optimizer(daily_budget=part * times)
    for _ in range(times):
        made.reserve(part)
    with pytest.raises(BudgetExceededError):
        made.reserve(part)


def test_a_budget_of_nothing_lets_through_what_is_free():
    made = optimizer(daily_budget=0.0)
    made.settle(made.reserve(0.0), 0.0)
    with pytest.raises(BudgetExceededError):
        made.reserve(5e-324)


@given(st.lists(st.tuples(st.floats(0, 1.7e308), st.floats(0, 1.7e308)), max_size=20))
def test_huge_amounts_never_turn_a_budget_into_none(calls):
    made = optimizer(daily_budget=1.7e308)
    for most, actual in calls:
        try:
            made.settle(made.reserve(most), actual)
        except BudgetExceededError:
            continue
    assert made.committed("daily_budget") >= 0.0  # which NaN is not


def test_who_is_refused_learns_whose_budget_it_was_and_when_it_begins_anew():
    made = shared(
        budget_constraints={"daily_budget": 10.0},
        tenant_budgets={"red": {"monthly_budget": 2.0}},
        key_budgets={"ci": {"daily_budget": 1.0}},
    )
    for amount, of in ((1.5, {"key": "ci"}), (2.5, {"tenant": "red"}), (10.5, {})):
        with pytest.raises(BudgetExceededError) as caught:
            made.reserve(amount, **of)
        assert caught.value.scope == next(iter(of), "")
        assert caught.value.retry_after_seconds is None
    made.reserve(1.0, tenant="red", key="ci")
    for of in ({"key": "ci"}, {"tenant": "red"}):
        with pytest.raises(BudgetExceededError) as caught:
            made.reserve(1.0 if "key" in of else 1.5, **of)
        assert caught.value.retry_after_seconds == 86_400  # the day is also the month's last


def test_how_every_budget_stands():
    made = shared(
        budget_constraints={"daily_budget": 10.0},
        tenant_budgets={"red": {"daily_budget": 2.0}, "*": {"monthly_budget": 1.0}},
        key_budgets={"ci": {"daily_budget": 3.0}},
    )
    made.set_key_budgets("app", {"monthly_budget": 4.0})
    made.reserve(0.5, tenant="blue", key="ci")
    made.restore("daily_budget", 1.0, key="nobody")
    assert [(str(each.scope), each.owner, each.limit, each.left) for each in made.standings()] == [
        ("", "", 10.0, 9.5),
        ("tenant", "blue", 1.0, 0.5),
        ("tenant", "red", 2.0, 2.0),
        ("key", "app", 4.0, 4.0),
        ("key", "ci", 3.0, 2.5),
    ]
    assert {each.period for each in made.standings()} == {"2026-01-31", "2026-01"}


def test_yesterday_is_no_part_of_how_a_budget_stands():
    clock = Calendar(2026, 1, 30)
    made = optimizer(clock, daily_budget=1.0, monthly_budget=2.0)
    made.reserve(0.5)
    clock.now = datetime(2026, 1, 31, tzinfo=UTC)
    assert [each.committed for each in made.standings()] == [0.0, 0.5]


def test_restoring_again_takes_nothing_back():
    made = shared(tenant_budgets={"*": {"daily_budget": 1.0}})
    made.reserve(0.5, tenant="red")
    made.restore("daily_budget", 0.25, tenant="red")
    assert made.committed("daily_budget", tenant="red") == 0.5
    made.restore("daily_budget", 0.75, tenant="red")
    assert made.committed("daily_budget", tenant="red") == 0.75


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
