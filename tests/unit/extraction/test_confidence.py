"""Confidence: signs that count, signs that must not, agreement, and what labels make of it."""

import json
import math
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import InsightExtractor, InsightExtractorConfig, load_settings
from crossmodel.assembly import build_extractor
from crossmodel.calibration import expected_calibration_error
from crossmodel.domain.config import ConfidenceConfig
from crossmodel.errors import ConfigurationError, InvalidInputError
from crossmodel.extraction import ConfidenceCalculator
from crossmodel.extraction.agreement import agreement_odds, is_consistent, same_answer
from crossmodel.extraction.confidence import LEAST_LABELS
from crossmodel.extraction.reading import READING, Reading

SUM = "3 + 4 = 7, and 7 * 2 = 14. So the answer is 14."


def answer(text, **context):
    insights = InsightExtractor().extract(text, "strong", context).insights
    return next(insight for insight in insights if insight.kind == "final_answer")


def confidence(text, **context):
    return answer(text, **context).confidence_score


def test_agreement_raises_and_disagreement_lowers():
    alone = confidence(SUM)
    agreed = confidence(SUM, answers=["Seven and seven.\n#### 14"])
    contradicted = confidence(SUM, answers=["#### 13", "The answer is 12."])
    split = confidence(SUM, answers=["#### 14", "#### 13"])
    assert contradicted < split < agreed
    assert contradicted < alone < agreed
    assert contradicted < 0.5 < agreed


def test_what_other_answers_tell_depends_on_how_they_agree():
    against = agreement_odds("14", ["13", "13"])
    scattered = agreement_odds("14", ["13", "12"])
    single = agreement_odds("14", ["13"])
    split = agreement_odds("14", ["14", "13"])
    assert against < scattered < single < 0 < split < agreement_odds("14", ["14"])
    assert agreement_odds("14", ["14", "14"]) > agreement_odds("14", ["14"])
    assert (
        agreement_odds("14", ["14"]) > agreement_odds("B", ["(B)"]) > agreement_odds("yes", ["Yes"])
    )


@given(
    st.lists(st.sampled_from(["14", "13", "12", "yes", "(B)", "\\frac{1}{0}", "9" * 90])),
    st.randoms(),
)
def test_the_order_of_other_answers_makes_no_difference(answers, rng):
    shuffled = list(answers)
    rng.shuffle(shuffled)
    # a few at most, since of many only the first are compared
    odds = agreement_odds("14", answers[:9])
    assert math.isfinite(odds)
    assert agreement_odds("14", sorted(answers[:9])) == pytest.approx(odds)
    assert agreement_odds("14", [*answers[:9], "14"]) > agreement_odds("14", [*answers[:9], "13"])


def test_other_answers_are_not_kept_with_the_insight():
    assert "secret tale" not in json.dumps(answer(SUM, answers=["secret tale #### 14"]).metadata)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("14", "14.0", True), ("1,400", "$1400", True), ("(B)", "B", True), ("(b)", "B.", True),
        ("14", "15", False), ("(A)", "(B)", False), ("Paris", "paris.", True), ("Paris", "Rome", False),
        ("-5", "5", False), ("3/4", "3/5", False), ("", "x", False),
        ("−5", "5", False), ("−5", "-5", True), ("-$5", "$5", False), ("-$5", "$-5", True),
        ("1,5", "15", False), ("1,2,3", "123", False), ("1{,}400", "1400", True),
        ("5 km", "5 m", False), ("5 am", "5 pm", False), ("5 km", "5", True), (".5", "1/2", True),
        (r"\frac{3}{4}", "0.75", True), (r"\text{(B)}", "B", True), ("**B**", "B) 12", True),
        ("Yes, it is.", "yes", True), ("Valid", "invalid", False), ("9" * 90, "9" * 89, False),
        ("1/0", "1/1", False),
    ],
)  # fmt: skip
def test_results_are_compared_by_what_they_mean(first, second, same):
    assert same_answer(first, second) is same


@pytest.mark.parametrize("answers", [None, (), "#### 14", 14, [None, 3], ["", " "], ["x" * 500]])
def test_without_results_other_answers_say_nothing(answers):
    assert agreement_odds("14", answers) == 0


def test_a_text_that_contradicts_itself_is_doubted():
    assert confidence("The final answer is 14.\n\n#### 13") < confidence(
        "The final answer is 13.\n\n#### 13"
    )


@pytest.mark.parametrize(
    ("text", "consistent"),
    [
        ("**Answer: 12**\n\nWait, 3 + 10 = 13.", False),
        ("The answer is 12. Then we check.", False),
        ("The answer is **(B)**.", True),  # of another sort: nothing to compare
        ("The answer is the sum of both.", True),
        ("The answer to part one is 5.", True),
        ("If the answer is 12, the sum is odd.", True),
        ("The answer is 10 + 3 = 13.", True),
        ("So the final answer is:", True),
        ("There are no mistakes in the reference answer.", True),
        ("The answer is $13.00.", True),
        ("Answer: \\boxed{12}", False),
    ],
)
def test_an_answer_is_contradicted_only_by_one_of_its_sort(text, consistent):
    assert is_consistent("13", Reading(text)) is consistent


@pytest.mark.parametrize("hostile", [
    "answer is " * 30_000, "answer: A" + "*" * 300_000, "answer is " + "1," * 150_000 + "x",
    "if " * 100_000 + "the answer is 5", "let's check " * 30_000 + " you",
])  # fmt: skip
def test_hostile_text_is_read_in_little_time(hostile):
    insight = answer(SUM)
    calculator = ConfidenceCalculator()
    started = time.process_time()
    calculator.calculate_confidence(insight, hostile, {READING: Reading(hostile)})
    agreement_odds("13", [hostile])
    assert time.process_time() - started < 3


@pytest.mark.parametrize("end", ["3 +", "verify that 14 is the", "This holds, because"])
def test_a_text_that_was_cut_off_is_doubted(end):
    assert confidence(f"#### 14\n\nNow {end}") < confidence("#### 14\n\nNow this is all.")


@pytest.mark.parametrize(
    "fluffed",
    [
        "Great question! I am delighted to help.\n\n" + SUM,
        "# Solution\n\n**Overview**\n\nWe proceed with care.\n\n" + SUM,
        SUM + "\n\nI hope that this helps! Have a wonderful day.",
        "It is worth noting that arithmetic is a beautiful subject. " * 20 + "\n\n" + SUM,
        SUM + "\n\nLet me know if you would like me to double-check or verify anything else.",
        SUM + "\n\nPlease feel free to verify this yourself! 😊",
        SUM.replace("3 + 4 = 7", "**3 + 4 = 7**"),
    ],
)
def test_fluff_moves_nothing(fluffed):
    assert confidence(fluffed) == confidence(SUM)


def labels(count, seed=0, *, of=lambda score: score**2):
    """Scores that come true less often than they say."""
    rng = random.Random(seed)
    scores = [rng.choice([0.5, 0.65, 0.75, 0.83, 0.95]) for _ in range(count)]
    return [(score, rng.random() < of(score)) for score in scores]


@pytest.mark.parametrize("count", [200, 3000])
def test_calibrated_scores_come_true_on_answers_that_were_not_learned_from(count):
    learned = ConfidenceCalculator().calibrated(labels(count))
    apply = learned.calibration_of("claim")
    unseen = labels(5000, seed=1)
    outcomes = [float(right) for _, right in unseen]
    raw = expected_calibration_error([score for score, _ in unseen], outcomes)
    calibrated = expected_calibration_error([apply(score) for score, _ in unseen], outcomes)
    assert calibrated < 0.05 < raw


def test_a_calibration_is_kept_as_plain_numbers():
    learned = ConfidenceCalculator().calibrated(labels(500))
    kept = json.loads(json.dumps(learned.to_dict(), allow_nan=False))
    again = ConfidenceCalculator(ConfidenceConfig(enable_confidence_calibration=True))
    again.restore(kept)
    for score in (0.0, 0.3, 0.8318, 1.0):
        assert again.calibration_of("x")(score) == learned.calibration_of("x")(score)


def test_labels_of_one_score_teach_their_share_in_whatever_order_they_come():
    outcomes = [number >= 300 for number in range(600)]
    for ordered in (outcomes, outcomes[::-1]):
        learned = ConfidenceCalculator().calibrated([(0.8, right) for right in ordered])
        assert learned.calibration_of("claim")(0.8) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("count", [60, 1000])
def test_scores_that_tell_the_wrong_way_round_become_the_share_that_is_right(count):
    given_labels = labels(count, of=lambda score: 1 - score)
    share = sum(right for _, right in given_labels) / count
    apply = ConfidenceCalculator().calibrated(given_labels).calibration_of("claim")
    assert apply(0.5) == pytest.approx(share, abs=0.02)
    assert apply(0.95) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("count", [20, 1000])
def test_labels_of_one_class_teach_no_certainty(count, right):
    apply = ConfidenceCalculator().calibrated([(0.7, right)] * count).calibration_of("claim")
    assert 0 < abs(apply(0.7) - right) < 0.2


def test_a_kind_with_labels_enough_has_a_map_of_its_own():
    insights = [answer(SUM) for _ in range(30)]
    wrong = [(insight, number % 10 == 0) for number, insight in enumerate(insights)]
    learned = ConfidenceCalculator().calibrated([*wrong, *labels(300)])
    assert learned.calibration_of("final_answer")(0.8) < 0.4
    assert learned.calibration_of("rule")(0.8) > 0.4


def test_the_threshold_applies_to_the_calibrated_score():
    config = ConfidenceConfig(minimum_confidence_threshold=0.6)
    extractor = InsightExtractor(InsightExtractorConfig(confidence_config=config))
    assert extractor.extract(SUM, "strong").insights
    extractor.confidence_calculator.calibrate([(0.8, number % 5 == 0) for number in range(100)])
    result = extractor.extract(SUM, "strong")
    assert not result.insights
    assert result.rejected["low confidence"] >= 1
    config.minimum_confidence_threshold = 0.0
    [found] = [i for i in extractor.extract(SUM, "strong").insights if i.kind == "final_answer"]
    assert found.metadata["confidence_calibrated"] is True


def test_calibration_is_off_unless_it_is_asked_for():
    calculator = ConfidenceCalculator()
    calculator.restore(ConfidenceCalculator().calibrated(labels(100)).to_dict())
    assert calculator.calibration_of("claim") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "20 are needed"),
        ([(0.5, True)] * (LEAST_LABELS - 1), "19 labels"),
        ([(math.nan, True)] * 30, "score"),
        ([(1.2, True)] * 30, "score"),
        ([("0.5", True)] * 30, "score"),
    ],
)
def test_labels_that_make_no_sense_are_refused_and_change_nothing(given, message):
    calculator = ConfidenceCalculator().calibrated(labels(100))
    before = calculator.to_dict()
    with pytest.raises(InvalidInputError, match=message):
        calculator.calibrate(given)
    assert calculator.to_dict() == before


@pytest.mark.parametrize(
    "data",
    [
        {}, {"overall": None}, {"overall": {}, "by_kind": {}}, {"overall": None, "by_kind": 3},
        {"overall": {"scores": [0, 0], "probabilities": [0, 1]}, "by_kind": {}},
        {"overall": {"scores": [0, 1], "probabilities": [1, 0]}, "by_kind": {}},
        {"overall": {"scores": [0, 1], "probabilities": [0, 2]}, "by_kind": {}},
        {"overall": {"scores": [0, math.nan], "probabilities": [0, 1]}, "by_kind": {}},
    ],
)  # fmt: skip
def test_what_is_no_calibration_is_refused(data):
    with pytest.raises(InvalidInputError):
        ConfidenceCalculator().restore(data)


def test_settings_name_the_calibration_that_an_extractor_starts_with(tmp_path):
    file = tmp_path / "confidence.json"
    learned = ConfidenceCalculator().calibrated([(0.8, number % 5 == 0) for number in range(100)])
    file.write_text(json.dumps(learned.to_dict()))
    confidence_config = {"enable_confidence_calibration": True, "calibration_file": str(file)}
    settings = {"insight_extractor": {"confidence_config": confidence_config}}
    [found] = [
        insight
        for insight in build_extractor(load_settings(settings)).extract(SUM, "strong").insights
        if insight.kind == "final_answer"
    ]
    assert found.confidence_score < 0.4 < found.metadata["raw_confidence"]
    for content in ("no json", "{}"):
        file.write_text(content)
        with pytest.raises(ConfigurationError, match="calibration_file"):
            build_extractor(load_settings(settings))
    file.unlink()
    with pytest.raises(ConfigurationError, match="cannot read"):
        build_extractor(load_settings(settings))
