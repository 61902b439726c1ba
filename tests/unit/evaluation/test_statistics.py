"""Intervals and p-values against published and independently worked figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.statistics import mcnemar_exact, wilson_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_are_those_published(
    successes: int, n: int, low: float, high: float
) -> None:
    interval = wilson_interval(successes, n)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_interval_holds_the_share_and_mirrors(successes: int, failures: int) -> None:
    n = successes + failures
    interval, mirrored = wilson_interval(successes, n), wilson_interval(failures, n)
    assert 0.0 <= interval.low <= (successes / n if n else 0.5) <= interval.high <= 1.0
    assert interval.low == pytest.approx(1.0 - mirrored.high, abs=1e-12)


def test_of_nothing_nothing_is_known() -> None:
    assert tuple(wilson_interval(0, 0)) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (1, 0), (0, -1)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(InvalidInputError):
        wilson_interval(successes, n)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (0, 5, 0.0625), (5, 0, 0.0625), (2, 8, 0.109375), (3, 3, 1.0)],
)
def test_mcnemar_is_the_two_sided_binomial(first: int, second: int, p: float) -> None:
    assert mcnemar_exact(first, second) == pytest.approx(p)


def test_mcnemar_of_many_pairs_is_a_number() -> None:
    assert 0.0 <= mcnemar_exact(0, 5000) < 1e-300
    with pytest.raises(InvalidInputError):
        mcnemar_exact(-1, 3)
