"""Harm against figures worked out by hand; how often it is found is in the simulations."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.uplift import Tally
from crossmodel.errors import InvalidInputError
from crossmodel.transfer.uplift import (
    Effect,
    Verdict,
    effect_of,
    evidence,
    reason,
    suspected_rate,
    upper_bound,
    verdict,
)
from crossmodel.transfer.uplift.monitor import DEMOTE_EVIDENCE, QUARANTINE_EVIDENCE


def of(with_it: tuple[int, int], without: tuple[int, int]) -> Effect:
    return effect_of(*(Tally(n, float(ones), float(ones)) for ones, n in (with_it, without)))


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    arms = []
    for _ in range(2):
        n = draw(st.integers(0, 10**9))
        total = draw(st.floats(0, 1)) * n
        squares = (
            draw(st.floats(0, 1)) * (total - total * total / n) + total * total / n if n else 0
        )
        arms.append(Tally(n, total, squares))
    return effect_of(*arms)


def test_evidence_is_the_ratio_of_likelihoods() -> None:
    # with a 0 and a 1 added: 49/98 and 63/98; variances 0.25 and 0.22959; the pooled one, 0.23980,
    # stands for the second arm's: 1/I = (0.25 + 0.23980)/98, I = 200.08; shortfall 1/7
    information = 98 / (0.25 + (0.25 + 45 / 196) / 2)
    expected = 0.9 * math.exp(0.075 * information / 7 - 0.075**2 * information / 2)
    expected += 0.1 * math.exp(0.2 * information / 7 - 0.2**2 * information / 2)
    assert evidence(of((48, 96), (62, 96))) == pytest.approx(expected)
    assert expected == pytest.approx(4.93, abs=0.1)


@pytest.mark.parametrize(
    ("with_it", "without", "expected"),
    [
        ((0, 0), (0, 0), Verdict.KEEP),
        ((0, 30), (0, 0), Verdict.KEEP),
        ((700, 1000), (70, 100), Verdict.KEEP),
        ((900, 1000), (50, 100), Verdict.KEEP),
        ((55, 100), (75, 100), Verdict.DEMOTE),
        ((40, 100), (75, 100), Verdict.QUARANTINE),
        ((6000, 10_000), (700, 1000), Verdict.QUARANTINE),
    ],
)
def test_verdicts(with_it: tuple[int, int], without: tuple[int, int], expected: Verdict) -> None:
    assert verdict(of(with_it, without)) == expected


def test_few_uses_convict_nobody() -> None:
    assert verdict(of((0, 4), (4, 4))) == Verdict.KEEP
    assert evidence(of((0, 19), (9, 9))) > QUARANTINE_EVIDENCE
    assert verdict(of((0, 19), (9, 9))) == Verdict.DEMOTE
    assert verdict(of((0, 9), (9, 9))) == Verdict.KEEP
    assert verdict(of((0, 20), (10, 10))) == Verdict.QUARANTINE


def test_equal_scores_of_few_that_were_held_out_are_no_certainty() -> None:
    # five 1s have no variance of their own; that of the many stands in
    assert evidence(of((850, 1000), (5, 5))) < DEMOTE_EVIDENCE


def test_the_reason_has_the_figures() -> None:
    said = reason(of((40, 100), (75, 100)))
    assert said.startswith("harm is established: effect -35.0 points (95 %: -")
    assert "100 answers with, 100 without" in said
    assert reason(Effect()).startswith("no harm is shown: effect not measured yet")


@given(effects())
def test_any_sums_have_a_verdict_and_a_bound(effect: Effect) -> None:
    found = evidence(effect)
    assert found >= 0.0
    assert math.isfinite(found)
    assert verdict(effect) in Verdict
    bound = upper_bound(effect)
    assert -1.0 <= bound <= 1.0
    # the bound is below 0 where harm is established, and only there
    if abs(found / QUARANTINE_EVIDENCE - 1) > 1e-6:
        assert (bound < 0.0) == (found > QUARANTINE_EVIDENCE)


@given(effects(), st.floats(-1, 1), st.floats(-1, 1))
def test_less_is_always_as_likely_to_be_reached(effect: Effect, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert evidence(effect, above=low) <= evidence(effect, above=high)


def test_the_bound_holds_more_narrowly_with_more_scores() -> None:
    bounds = [upper_bound(of((60 * n, 100 * n), (60 * n, 100 * n))) for n in (1, 10, 100)]
    assert bounds == sorted(bounds, reverse=True)
    assert 0.0 < bounds[-1] < 0.1
    assert upper_bound(Effect()) == 1.0
    assert upper_bound(of((60, 100), (60, 100)), 5.0) < bounds[0]


@pytest.mark.parametrize("against", [0.5, -1.0, math.nan, math.inf])
def test_a_confidence_that_is_none_is_refused(against: float) -> None:
    with pytest.raises(InvalidInputError, match=r"at least 1|NaN"):
        upper_bound(Effect(), against)


def test_more_go_without_while_one_of_the_insights_is_suspected() -> None:
    fine, bad = of((70, 100), (7, 10)), of((55, 100), (9, 10))
    assert suspected_rate([fine, Effect()], 0.1) == 0.1
    assert suspected_rate([fine, bad], 0.1) == 0.5
    assert suspected_rate([bad], 0.7) == 0.7
    assert suspected_rate([], 0.0) == 0.0
    with pytest.raises(InvalidInputError, match="holdout_rate"):
        suspected_rate([fine], math.nan)
