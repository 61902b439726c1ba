"""Where insights are handed over: the gate, and the relevance from which on they help."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.errors import InvalidInputError
from crossmodel.transfer.uplift import RELEVANCE_UNITS, Decision, Gate, RelevanceBound

Told = dict[UpliftKey, Tally]


def told(
    unit: str, with_it: tuple[int, int], without: tuple[int, int], task: str = "coding"
) -> Told:
    return {
        UpliftKey("m", task, unit, arm): Tally(n, float(ones), float(ones))
        for arm, (ones, n) in ((Arm.INSIGHTS, with_it), (Arm.HOLDOUT, without))
    }


def decide(tallies: Told, gate: Gate | None = None, **changes: str) -> Decision:
    asked = {"target_model": "m", "task_type": "coding", "protocol": "standard"} | changes
    return (gate or Gate()).decide(tallies, **asked)


def test_without_figures_the_prior_decides() -> None:
    found = decide({})
    assert (found.inject, found.expected) == (True, 0.05)
    assert found.deviation == pytest.approx(math.sqrt(2 * 0.25 / 20))
    assert "a gain is expected of standard insights for m on coding: +5.0 points" in found.reason
    assert "not measured yet" in found.reason
    assert not decide({}, Gate(prior_effect=0.0)).inject
    assert not decide({}, Gate(prior_effect=-0.1)).inject


def test_what_was_measured_is_weighed_with_the_prior() -> None:
    # 40 with and 40 without are 40 pairs; the prior is 20 worth +0.05
    found = decide(told("protocol:standard", (18, 40), (24, 40)))
    assert found.expected == pytest.approx((20 * 0.05 + 40 * -0.15) / 60)
    assert not found.inject
    assert found.reason.startswith(
        "a gain is not expected of standard insights for m on coding: -8.3"
    )
    assert "measured here -15.0 points (95 %: " in found.reason
    assert found.measured.control.n == 40


def test_it_opens_again_when_figures_change() -> None:
    closed = told("protocol:standard", (18, 40), (24, 40))
    more = told("protocol:standard", (318, 440), (24, 40))
    assert not decide(closed).inject
    assert decide(more).inject


def test_other_forms_models_and_kinds_are_kept_apart() -> None:
    bad = told("protocol:standard", (100, 1000), (900, 1000))
    assert not decide(bad).inject
    assert decide(bad, protocol="exemplar").expected == 0.05
    assert decide(bad, target_model="other").expected == 0.05


def test_the_same_form_elsewhere_counts_a_little() -> None:
    bad = told("protocol:standard", (100, 1000), (900, 1000), task="math")
    found = decide(bad)
    # a tenth of 1,000 pairs, at most 20, say -0.8; 20 of the prior say +0.05
    assert found.expected == pytest.approx((20 * 0.05 - 20 * 0.8) / 40)
    assert not found.inject
    assert "on other tasks -80.0 points" in found.reason
    assert decide(bad, Gate(borrowed_share=0.0)).inject


def test_more_than_a_gain_can_be_asked_for() -> None:
    asked = Gate(least_effect=0.1)
    found = decide({}, asked)
    assert not found.inject
    assert found.reason.startswith("more than +10.0 points is not expected")


@pytest.mark.parametrize(
    "wrong",
    [
        {"prior_effect": 1.5},
        {"prior_effect": math.nan},
        {"prior_weight": 0.0},
        {"prior_weight": math.inf},
        {"least_effect": -2.0},
        {"borrowed_share": -0.1},
        {"most_borrowed": -1.0},
    ],
)
def test_wrong_options_of_the_gate_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        Gate(**wrong)


def bins(**effects: tuple[tuple[int, int], tuple[int, int]]) -> Told:
    tallies: Told = {}
    for name, (with_it, without) in effects.items():
        tallies |= told(f"relevance:0.{name[1:]}", with_it, without)
    return tallies


HELPS = (90, 100), (50, 100)
HARMS = (50, 100), (90, 100)


def test_without_figures_the_bound_stays_where_it_starts() -> None:
    assert RelevanceBound(0.35).of({}) == 0.35
    assert RelevanceBound(0.2, start=0.55).of({}) == 0.55
    assert RelevanceBound(0.0).of({}) == 0.0
    assert RelevanceBound(1.0).of({}) == 1.0


def test_harm_near_the_bound_raises_it() -> None:
    assert RelevanceBound(0.3).of(bins(b3=HARMS, b4=HARMS, b6=HELPS)) == 0.5
    assert RelevanceBound(0.3).of(bins(b9=HARMS)) == math.inf


def test_help_below_the_bound_lowers_it_to_the_floor_at_most() -> None:
    asked = RelevanceBound(0.25, start=0.6)
    assert asked.of(bins(b4=HELPS, b5=HELPS)) == 0.4
    assert asked.of(bins(b0=HELPS, b1=HELPS, b2=HELPS, b3=HELPS, b4=HELPS, b5=HELPS)) == 0.25


def test_a_sparse_bin_borrows_from_its_neighbours() -> None:
    unlucky = (1, 3), (3, 3)
    alone = RelevanceBound(0.3).effects(bins(b6=unlucky))
    between = RelevanceBound(0.3).effects(bins(b5=HELPS, b6=unlucky, b7=HELPS))
    assert alone[6] < 0.0 < between[6]
    assert RelevanceBound(0.3).of(bins(b5=HELPS, b6=unlucky, b7=HELPS)) == 0.3


def test_neighbours_that_fall_are_pooled_by_what_they_are_worth() -> None:
    # bin 8: (5 · 0.05 + 100 · 0.4) / 105; bin 9: (5 · 0.05 + 100 · 0.1) / 105; pooled: their mean
    effects = RelevanceBound(0.3).effects(bins(b8=HELPS, b9=((60, 100), (50, 100))))
    assert effects[8] == effects[9] == pytest.approx((40.25 + 10.25) / 210)
    assert effects[7] == pytest.approx(0.05)


@given(
    st.dictionaries(
        st.sampled_from(RELEVANCE_UNITS),
        st.tuples(st.integers(0, 500), st.integers(0, 500), st.floats(0, 1), st.floats(0, 1)),
    ),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_any_figures_give_rising_effects_and_a_bound_above_the_floor(
    figures: dict[str, tuple[int, int, float, float]], one: float, other: float
) -> None:
    floor, start = sorted((one, other))
    tallies: Told = {}
    for unit, (n, m, p, q) in figures.items():
        tallies |= told(unit, (int(p * n), n), (int(q * m), m))
    asked = RelevanceBound(floor, start)
    assert all(a <= b for a, b in pairwise(asked.effects(tallies)))
    assert asked.of(tallies) >= floor


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"floor": 1.5}, "floor"),
        ({"floor": math.nan}, "floor"),
        ({"floor": 0.5, "start": 0.4}, "below the floor"),
        ({"floor": 0.5, "prior_effect": 0.0}, "prior_effect"),
        ({"floor": 0.5, "prior_weight": 0.0}, "prior_weight"),
    ],
)
def test_wrong_options_of_the_bound_are_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        RelevanceBound(**wrong)
