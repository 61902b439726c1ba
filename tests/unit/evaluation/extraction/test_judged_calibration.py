"""Whether confidences come true, on confidences of which that is known."""

import math
import random

import pytest

from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.extraction.calibration import (
    contexts_of_agreement,
    cross_validated,
    judge_calibration,
    reliability,
    samples_by_label,
    samples_by_reference,
)
from crossmodel.evaluation.extraction.rows import AnswerRow

SUM = "So it is 15 in all."


def test_perfect_and_perfectly_wrong_confidences():
    right = reliability([1.0, 1.0, 0.0], [True, True, False])
    assert (right.ece, right.brier, right.auc) == (0, 0, 1)
    wrong = reliability([0.0, 1.0], [True, False])
    assert (wrong.ece, wrong.brier, wrong.auc) == (1, 1, 0)


def test_figures_worked_out_by_hand():
    found = reliability([0.85, 0.85, 0.85, 0.15], [True, True, False, False])
    assert [(each.low, each.answers, each.right) for each in found.bins] == [
        (0.1, 1, 0),
        (0.8, 3, 2),
    ]
    assert found.ece == pytest.approx((3 * abs(0.85 - 2 / 3) + 0.15) / 4)
    assert found.brier == pytest.approx((2 * 0.15**2 + 0.85**2 + 0.15**2) / 4)
    assert found.auc == pytest.approx((2 * 1 + 2 * 0.5) / 4)


def test_honest_confidences_have_no_error_to_speak_of():
    rng = random.Random(1)
    said = [rng.random() for _ in range(20_000)]
    found = reliability(said, [rng.random() < each for each in said])
    assert found.ece < 0.02
    assert found.chance_ece == pytest.approx(found.ece, abs=0.01)
    assert found.brier == pytest.approx(1 / 6, abs=0.01)


def test_few_answers_have_an_error_by_chance_alone():
    few, many = (reliability([0.5] * n, [n % 2 == 0] * n).chance_ece for n in (4, 4_000))
    assert few == pytest.approx(0.1875, abs=0.03)  # E|k/4 - 1/2| of a binomial
    assert many < 0.02
    assert reliability([0.0, 1.0], [True, False]).chance_ece == 0


@pytest.mark.parametrize("said", [[], [math.nan], [1.1], [-0.1], [math.inf]])
def test_what_is_no_confidence_is_refused(said):
    with pytest.raises(InvalidInputError):
        reliability(said, [True] * len(said))


def test_one_class_has_no_auc():
    assert reliability([0.5, 0.6], [True, True]).auc is None


def answers(of, count=40):
    """A confidence of 0.9 is right half of the time, one of 0.6 always."""
    for n in range(count):
        confidence, right = (0.9, n % 4 == 0) if n % 2 == 0 else (0.6, True)
        found = [("final_answer", "15", "math", confidence)]
        yield of(SUM, found, id=f"{n}", prompt=f"question {n}", correct=right)


def learned(labels):
    """The share that is right at each confidence."""
    shares = {}
    for confidence in (0.6, 0.9):
        outcomes = [right for insight, right in labels if insight.confidence_score == confidence]
        shares[confidence] = sum(outcomes) / len(outcomes)
    return lambda sample: shares[sample.insight.confidence_score]


def test_calibration_is_judged_on_what_it_has_not_seen(of):
    found = judge_calibration("label", samples_by_label(list(answers(of))), learned)
    assert (found.answers, found.right) == (40, 30)
    assert found.raw.ece == pytest.approx(0.4)
    assert found.calibrated.ece < 0.1
    assert found.calibrated.brier < found.raw.brier

    seen = []
    cross_validated(
        samples_by_label(list(answers(of))),
        lambda labels: seen.append(len(labels)) or (lambda sample: 0.5),
    )
    assert seen == [32] * 5


def test_too_few_labels_are_said_to_be(of):
    def refuse(labels):
        raise InvalidInputError(f"{len(labels)} labels are too few")

    found = judge_calibration("label", samples_by_label(list(answers(of, 10))), refuse)
    assert found.calibrated is None
    assert "too few" in found.remark
    one = judge_calibration("label", samples_by_label(list(answers(of, 1))), learned)
    assert "two questions" in one.remark
    assert judge_calibration("label", [], learned) is None


def test_by_reference_the_extracted_answer_must_be_it(of):
    fields = {"check": "last_number", "reference": "15", "correct": True}
    found = [
        of(SUM, [("final_answer", "15")], id="a", **fields),
        of(SUM, [("final_answer", "So it is")], id="b", **fields),
        of(SUM, [], id="c", **fields),
        of(SUM, [("final_answer", "15")], id="d", correct=True),
    ]
    by_reference = samples_by_reference(found)
    assert [(each.row.id, each.is_right) for each in by_reference] == [("a", True), ("b", False)]
    assert [each.row.id for each in samples_by_label(found)] == ["a", "b", "d"]


def test_other_answers_to_the_question_are_known():
    rows = [
        AnswerRow("a", "first", prompt="Why  so?"),
        AnswerRow("b", "second", prompt="Why so?"),
        AnswerRow("c", "third", prompt="How?"),
        AnswerRow("d", "fourth"),
    ]
    assert contexts_of_agreement(rows) == {
        "a": {"answers": ["second"]},
        "b": {"answers": ["first"]},
    }
