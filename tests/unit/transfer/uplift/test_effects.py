"""Effects against figures worked out by hand, and what must hold of any scores."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.errors import InvalidInputError
from crossmodel.transfer.uplift import Effect, effect_of, measure
from crossmodel.transfer.uplift.effects import student_95

SCORES = st.lists(st.floats(0, 1), max_size=40)


def tally(*scores: float) -> Tally:
    summed = Tally()
    for score in scores:
        summed = summed.plus(score)
    return summed


def ones(successes: int, n: int) -> Tally:
    return Tally(n, float(successes), float(successes))


def key(arm: str, task: str = "", model: str = "m", unit: str = "insight:a") -> UpliftKey:
    return UpliftKey(model, task, unit, arm)


def test_the_interval_of_eight_in_ten_against_three_in_ten() -> None:
    # with a 0 and a 1 added: 9/12 and 4/12; variances 0.1875/12 and 0.2222/12; sd 0.18477;
    # Welch: (0.015625 + 0.018519)² / (0.015625²/11 + 0.018519²/11) = 21.844 degrees; t = 2.0747
    effect = effect_of(ones(8, 10), ones(3, 10))
    assert effect.difference == pytest.approx(0.5)
    assert effect.low == pytest.approx(5 / 12 - 2.0747 * 0.184784, abs=2e-4)
    assert effect.high == pytest.approx(5 / 12 + 2.0747 * 0.184784, abs=2e-4)


def test_scores_between_count_with_their_own_spread() -> None:
    even = effect_of(tally(*[0.5] * 30), tally(*[0.5] * 30))
    wild = effect_of(ones(15, 30), ones(15, 30))
    assert even.difference == wild.difference == 0.0
    # of 30 equal scores, a 0 and a 1: variance 0.5/32 of a score, 0.5/32² of the mean
    half = student_95(62) * math.sqrt(2 * 0.5 / 32**2)
    assert even.high == pytest.approx(half, abs=1e-9)
    assert wild.high > 2 * even.high


@pytest.mark.parametrize(
    ("treated", "control"), [(Tally(), Tally()), (ones(5, 9), Tally()), (Tally(), ones(5, 9))]
)
def test_without_scores_in_both_arms_nothing_is_known(treated: Tally, control: Tally) -> None:
    effect = effect_of(treated, control)
    assert (effect.difference, effect.low, effect.high) == (0.0, -1.0, 1.0)
    assert not effect.known
    assert effect.pairs == 0.0
    assert f"{treated.n} answers with, {control.n} without" in str(effect)


def test_it_says_what_it_found_in_points() -> None:
    said = str(effect_of(ones(80, 100), ones(30, 50)))
    assert said.startswith("+20.0 points (95 %: +")
    assert said.endswith("100 answers with, 50 without)")


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(2, 4.3027), (3, 3.1824), (5, 2.5706), (10, 2.2281), (30, 2.0423), (1e9, 1.95996)],
)
def test_students_quantile_is_that_of_the_tables(degrees: float, quantile: float) -> None:
    assert student_95(degrees) == pytest.approx(quantile, rel=0.01)
    if degrees >= 5:
        assert student_95(degrees) == pytest.approx(quantile, rel=0.0005)


@given(SCORES, SCORES)
def test_any_scores_give_an_interval_around_what_was_observed(
    one: list[float], other: list[float]
) -> None:
    effect = effect_of(tally(*one), tally(*other))
    assert -1.0 <= effect.low <= effect.difference <= effect.high <= 1.0
    turned = effect_of(tally(*other), tally(*one))
    assert turned.low == pytest.approx(-effect.high, abs=1e-9)
    assert effect.pairs == turned.pairs
    if one and other:
        difference = sum(one) / len(one) - sum(other) / len(other)
        assert effect.difference == pytest.approx(difference, abs=1e-9)


def test_more_of_the_same_narrows_the_interval() -> None:
    widths = [
        effect.high - effect.low
        for n in (1, 10, 100, 10_000)
        if (effect := effect_of(ones(7 * n, 10 * n), ones(6 * n, 10 * n)))
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.01


def test_pairs_are_what_two_equal_arms_would_need() -> None:
    assert effect_of(ones(5, 10), ones(5, 10)).pairs == 10.0
    assert effect_of(ones(500, 900), ones(50, 100)).pairs == pytest.approx(180.0)


def test_one_stratum_is_measured_as_its_sums_and_other_arms_are_left_out() -> None:
    tallies = {
        key(Arm.INSIGHTS): ones(8, 10),
        key(Arm.HOLDOUT): ones(3, 10),
        key(Arm.PADDING): ones(5, 10),
    }
    assert measure(tallies) == effect_of(ones(8, 10), ones(3, 10))
    assert measure(tallies, control=Arm.PADDING) == effect_of(ones(8, 10), ones(5, 10))


def test_an_easy_and_a_hard_task_do_not_pass_for_an_effect() -> None:
    # no effect in either; the gate withholds nearly always on the hard one (Simpson's paradox)
    tallies = {
        key(Arm.INSIGHTS, "easy"): ones(810, 900),
        key(Arm.HOLDOUT, "easy"): ones(90, 100),
        key(Arm.INSIGHTS, "hard"): ones(20, 100),
        key(Arm.HOLDOUT, "hard"): ones(180, 900),
    }
    naive = effect_of(ones(830, 1000), ones(270, 1000))
    fair = measure(tallies)
    assert naive.low > 0.5
    assert fair.difference == pytest.approx(0.0, abs=1e-9)
    assert fair.low < 0.0 < fair.high


def test_strata_with_equal_shares_are_as_good_as_one() -> None:
    tallies = {
        key(Arm.INSIGHTS, task): ones(60 * size, 90 * size) for task, size in (("a", 1), ("b", 2))
    } | {key(Arm.HOLDOUT, task): ones(5 * size, 10 * size) for task, size in (("a", 1), ("b", 2))}
    assert measure(tallies).treated == Tally(270, pytest.approx(180.0), pytest.approx(180.0))  # type: ignore[arg-type]
    assert measure(tallies).control.n == 30


def test_what_has_nothing_to_be_compared_with_tells_nothing() -> None:
    alone = {key(Arm.INSIGHTS, "a"): ones(9, 9), key(Arm.HOLDOUT, "b"): ones(1, 9)}
    assert measure(alone) == Effect()
    only = {key(Arm.INSIGHTS, "a"): ones(9, 9), key(Arm.INSIGHTS, "b"): ones(1, 9)}
    assert measure(only) == Effect(ones(10, 18), Tally())
    compared = alone | {key(Arm.INSIGHTS, "c"): ones(5, 10), key(Arm.HOLDOUT, "c"): ones(4, 10)}
    assert measure(compared).difference == pytest.approx(0.1)
    assert measure({}) == Effect()


def test_units_that_share_requests_are_not_added_up() -> None:
    with pytest.raises(InvalidInputError, match=r"one unit, not of insight:a, insight:b"):
        measure({key(Arm.INSIGHTS): Tally(), key(Arm.HOLDOUT, unit="insight:b"): Tally()})
