"""Maps, their fits and what tells how far they are off: by hand, and on bad input."""

import math

import pytest

from crossmodel.calibration import (
    RisingMap,
    brier_score,
    expected_calibration_error,
    fit_isotonic,
    fit_rising_map,
    pooled,
)
from crossmodel.errors import InvalidInputError


def test_a_map_joins_its_knots_by_lines_and_holds_on_beyond():
    learned = RisingMap((0.2, 0.6), (0.1, 0.5))
    assert [learned(x) for x in (0.0, 0.2, 0.4, 0.6, 1.0)] == pytest.approx(
        [0.1, 0.1, 0.3, 0.5, 0.5]
    )


def test_violators_are_pooled():
    first, second = pooled([(0.1, 0.6, 1), (0.2, 0.2, 3), (0.3, 0.9, 1)])
    assert first == pytest.approx((0.175, 0.3, 4))
    assert second == (0.3, 0.9, 1)


def test_blocks_hold_as_many_as_they_must_and_part_no_score():
    scores = [0.1] * 7 + [0.2] * 2 + [0.3] * 5 + [0.9]
    outcomes = [False] * 9 + [True] * 6
    learned = fit_isotonic(scores, outcomes, 5)
    assert learned.scores == pytest.approx((0.1, (0.2 * 2 + 0.3 * 5 + 0.9) / 8))
    assert learned.probabilities == pytest.approx((1 / 9, 7 / 10))


def test_few_labels_move_a_score_little_and_many_move_it_all_the_way():
    near = fit_rising_map([0.8] * 4, [False] * 4, 4.0)(0.8)
    far = fit_rising_map([0.8] * 4000, [True, False] * 2000, 4.0)(0.8)
    assert 0.01 < near < 0.5
    assert far == pytest.approx(0.5, abs=0.01)
    assert fit_rising_map([], [], 4.0)(0.8) == pytest.approx(0.8, abs=0.001)


def test_errors_by_hand():
    assert expected_calibration_error([0.9, 0.9, 0.1], [1, 0, 0]) == pytest.approx((0.8 + 0.1) / 3)
    assert expected_calibration_error([1.0, 0.0], [1, 0], bins=3) == 0
    assert brier_score([0.9, 0.5], [1, 0]) == pytest.approx((0.01 + 0.25) / 2)
    assert expected_calibration_error([], []) == brier_score([], []) == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_refused(bad):
    with pytest.raises(InvalidInputError, match=r"0\.\.1|NaN"):
        expected_calibration_error([0.5, bad], [1, 0])
    for fit in (lambda *pairs: fit_isotonic(*pairs, 1), lambda *pairs: fit_rising_map(*pairs, 4.0)):
        with pytest.raises(InvalidInputError, match=r"0\.\.1|NaN"):
            fit([0.5, bad], [True, False])
        with pytest.raises(InvalidInputError, match="2 scores, but 1 outcomes"):
            fit([0.5, 0.6], [True])


@pytest.mark.parametrize("scores", [(), (0.0,), (-math.inf, 0.0), (0.0, math.nan), (0.0, 0.0)])
def test_what_is_no_rising_map_is_refused(scores):
    with pytest.raises(InvalidInputError):
        RisingMap(scores, (0.1, 0.2))


def test_no_probability_goes_with_nan():
    with pytest.raises(InvalidInputError, match="NaN"):
        RisingMap((0.0, 1.0), (0.1, 0.9))(math.nan)
