"""Whatever the labels: a calibration rises, stays within 0..1, knows no order, and is kept whole."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.calibration import (
    RisingMap,
    brier_score,
    expected_calibration_error,
    fit_isotonic,
    fit_rising_map,
)
from crossmodel.domain.config import ConfidenceConfig
from crossmodel.extraction import ConfidenceCalculator, InsightExtractor
from crossmodel.extraction.confidence import LEAST_LABELS

SCORES = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 0.75, 0.8318, 0.97, 1.0, 5e-324]))
LABELS = st.lists(st.tuples(SCORES, st.booleans()), min_size=LEAST_LABELS, max_size=60)
FITS = {
    "isotonic": lambda scores, outcomes: fit_isotonic(scores, outcomes, 5),
    "stretched": lambda scores, outcomes: fit_rising_map(scores, outcomes, 4.0),
}
POLITE = [
    "Great question!", "I am happy to help.", "Thank you for asking.",
    "Let me know if you have any questions.", "I hope that this helps!", "Feel free to verify it.", "## Overview", "---",
    "**Summary**", "Please double-check this if you like.", "Have a wonderful day 😊",
]  # fmt: skip


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@given(labels=LABELS, scores=st.lists(SCORES, min_size=1, max_size=8), rng=st.randoms())
def test_a_fit_rises_within_0_and_1_whatever_the_order_of_labels(fit, labels, scores, rng):
    learned = fit(*zip(*labels, strict=True))
    values = [learned(score) for score in sorted(scores)]
    assert all(0 <= value <= 1 for value in values)
    assert all(a <= b + 1e-12 for a, b in pairwise(values))
    shuffled = list(labels)
    rng.shuffle(shuffled)
    again = fit(*zip(*shuffled, strict=True))
    assert [again(score) for score in sorted(scores)] == pytest.approx(values, abs=1e-6)


@given(labels=LABELS)
def test_isotonic_blocks_say_what_is_right_on_average(labels):
    scores, outcomes = zip(*labels, strict=True)
    learned = fit_isotonic(scores, outcomes, len(labels))
    share = sum(outcomes) / len(outcomes)
    assert learned(0.5) == pytest.approx(share, abs=1 / len(labels))


@given(labels=LABELS)
def test_a_calibration_is_kept_whole_as_plain_json(labels):
    learned = ConfidenceCalculator().calibrated(labels)
    kept = json.loads(json.dumps(learned.to_dict(), allow_nan=False))
    again = ConfidenceCalculator(ConfidenceConfig(enable_confidence_calibration=True))
    again.restore(kept)
    assert again.to_dict() == learned.to_dict()


@given(
    knots=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, unique=True),
    images=st.data(),
    score=st.floats(allow_nan=False),
)
def test_a_map_stays_between_the_ends(knots, images, score):
    found = images.draw(st.lists(st.floats(0, 1), min_size=len(knots), max_size=len(knots)))
    probabilities = sorted(found)
    value = RisingMap(tuple(sorted(knots)), tuple(probabilities))(score)
    assert probabilities[0] <= value <= probabilities[-1] or value == pytest.approx(
        probabilities[-1]
    )


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans())), st.integers(1, 30))
def test_errors_lie_within_0_and_1(pairs, bins):
    said, came = [each for each, _ in pairs], [right for _, right in pairs]
    assert 0 <= expected_calibration_error(said, came, bins) <= 1
    assert 0 <= brier_score(said, came) <= 1


@given(before=st.lists(st.sampled_from(POLITE)), after=st.lists(st.sampled_from(POLITE)))
def test_courtesies_and_headings_move_no_score(before, after):
    text = "3 + 4 = 7, and 7 * 2 = 14. So the answer is 14."
    polite = "\n\n".join([*before, text, *after])
    found = [
        next(i for i in InsightExtractor().extract(each, "m").insights if i.kind == "final_answer")
        for each in (text, polite)
    ]
    assert found[0].metadata["answer"] == found[1].metadata["answer"] == "14"
    assert found[0].confidence_score == found[1].confidence_score
