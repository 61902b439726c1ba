"""All figures together: of our extractor, of one that breaks every promise, and as pictures."""

import dataclasses
import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import crossmodel
from crossmodel import InsightExtractor
from crossmodel.domain.config import ConfidenceConfig, InsightExtractorConfig
from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.extraction import chart
from crossmodel.evaluation.extraction.items import items
from crossmodel.evaluation.extraction.judge import calibration_of, judge
from crossmodel.evaluation.extraction.rows import AnswerFile, AnswerRow, read_answers
from crossmodel.evaluation.extraction.throughput import judge_throughput
from crossmodel.extraction import ConfidenceCalculator

EXAMPLES = Path(crossmodel.__file__).parents[2] / "examples" / "answers.jsonl"
SVG = "{http://www.w3.org/2000/svg}"


class Liar(InsightExtractor):
    """Changes what insights say after they were found, and drops every final answer."""

    def extract(self, model_output, source_model, extraction_context=None):
        result = super().extract(model_output, source_model, extraction_context)
        kept = [
            dataclasses.replace(insight, content=f"{insight.content} or so")
            for insight in result.insights
            if insight.kind != "final_answer"
        ]
        return dataclasses.replace(result, insights=kept)


@pytest.fixture(scope="module")
def found():
    return judge(read_answers(EXAMPLES), InsightExtractor())


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, float):
        yield value


def test_the_examples_are_judged_as_they_were_made(found):
    assert found.grounding.rate == 1
    assert all(each.accepted == 0 for each in found.false_grounding)
    assert found.answers.of_group("answer").share == 1
    assert found.answers.of_group("code").share == 1
    assert found.answers.labelled.right == 2
    assert found.code.segments.share == found.code.bare.share == 1
    assert found.duplicates.edits[0].pairs > 5
    assert found.throughput.megabytes_per_second > 0
    assert found.throughput.megabytes_per_second < found.throughput.patterns_megabytes_per_second
    assert found.domains.most_frequent.answers == len(found.extracted) == 13
    assert found.remarks == {"without 'check'": 2}


def test_figures_are_plain_json_without_texts(found):
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert all(map(math.isfinite, numbers(document)))
    text = json.dumps(document)
    assert not any(word in text for word in ("ferry carries", "Hooke", "gulls"))


def test_an_extractor_that_lies_is_found_out():
    found = judge(read_answers(EXAMPLES), Liar())
    assert found.grounding.rate == 0
    assert found.grounding.ungrounded[0].reason == "evidence that says something else"
    assert found.answers.of_group("answer").share == 0
    assert found.calibration == ()
    assert any("ungrounded" in fault for item in items(found) for fault in item["faults"])
    with pytest.raises(InvalidInputError, match="nothing to calibrate with"):
        calibration_of(found, Liar())


def test_an_extractor_that_finds_nothing_is_found_out():
    config = InsightExtractorConfig(confidence_config=ConfidenceConfig(1.0))
    found = judge(read_answers(EXAMPLES), InsightExtractor(config))
    assert found.grounding.insights == 0
    assert found.answers.of_group("answer").missed == found.answers.of_group("answer").right > 0
    assert found.code.insights.found == 0
    assert found.domains.most_frequent.right == 0
    json.dumps(found.to_dict(), allow_nan=False)


def test_an_unknown_check_is_said():
    rows = [AnswerRow("a", "It is 5.", check="oracle", reference="5")]
    found = judge(AnswerFile(rows, {"seen": 1}), InsightExtractor())
    assert found.remarks == {"seen": 1, "check 'oracle', which is not known": 1}
    assert found.domains is None
    assert chart.pictures(found) == {}
    ET.fromstring(chart.picture(found))
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_failing_pattern_is_counted():
    extractor = InsightExtractor()

    class Broken:
        def extract(self, text, context):
            raise RuntimeError("no")

    extractor.register_extraction_pattern("broken", Broken())
    found = judge(AnswerFile([AnswerRow("a", "x"), AnswerRow("b", "y")]), extractor)
    assert found.pattern_errors["broken"] == 2


def test_each_item_shows_what_was_found_and_judged(found):
    rows = {item["id"]: item for item in items(found)}
    assert rows["ferry-1"]["verdict"] == "found"
    assert rows["ferry-2"]["verdict"] == "model wrong"
    assert rows["ferry-2"]["stated"] == "$3024"
    spring = rows["spring"]
    assert {insight["kind"] for insight in spring["insights"]} >= {"equation", "final_answer"}
    assert all(insight["evidence"] for insight in spring["insights"])


def test_pictures_are_svg_that_parses(found):
    drawn = chart.pictures(found)
    assert set(drawn) == {"reliability.svg", "final-answers.svg"}
    whole = ET.fromstring(chart.picture(found))
    assert whole.tag == f"{SVG}svg"
    assert "sums" in "".join(ET.fromstring(drawn["final-answers.svg"]).itertext())
    circles = ET.fromstring(drawn["reliability.svg"]).iter(f"{SVG}circle")
    assert len(list(circles)) >= 2


def test_names_of_tasks_are_no_markup():
    row = AnswerRow("a", "It is 5.", task="<script>&", check="last_number", reference="5")
    found = judge(AnswerFile([row]), InsightExtractor())
    assert "<script>" not in chart.picture(found)
    ET.fromstring(chart.picture(found))


def test_lone_surrogates_are_judged_like_any_text():
    row = AnswerRow("a", "So \ud800 it is 5.", check="last_number", reference="5")
    found = judge(AnswerFile([row]), InsightExtractor())
    assert found.answers.judged[0].stated == "5"


def test_speed_is_that_of_the_extractor_that_is_handed_in():
    class Slow(InsightExtractor):
        def extract(self, *arguments):
            sum(range(300_000))
            return super().extract(*arguments)

    rows = [AnswerRow("a", "It is 5, because 2 + 3 = 5.")]
    slow, fast = judge_throughput(rows, Slow(), 3), judge_throughput(rows, InsightExtractor(), 3)
    assert slow.megabytes_per_second < fast.megabytes_per_second
    assert slow.microseconds_per_answer > 1000
    assert slow.ratio < fast.ratio


class Shares:
    """Calibrates to the share that was right."""

    def __init__(self, labels):
        self.share = sum(right for _, right in labels) / len(labels)

    def calculate_confidence(self, insight, text, context):
        return self.share

    def to_dict(self):
        return {"share": self.share}


def test_a_calculator_that_learns_is_cross_validated():
    class Learning(ConfidenceCalculator):
        def calibrated(self, labels):
            return Shares(labels)

    extractor = InsightExtractor()
    extractor.confidence_calculator = Learning()
    found = judge(read_answers(EXAMPLES), extractor)
    by_reference = next(each for each in found.calibration if each.labels == "reference")
    assert by_reference.calibrated is not None
    assert by_reference.answers == 8
    assert calibration_of(found, extractor) == {"share": pytest.approx(6 / 8)}
