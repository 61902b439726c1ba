"""The extractor: what every insight comes with, and what it takes to be one."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint

import pytest

from crossmodel.domain.config import ConfidenceConfig, InsightExtractorConfig, ValidationConfig
from crossmodel.domain.insight import Evidence, Insight, text_sha256
from crossmodel.domain.period import TimePeriod
from crossmodel.errors import CrossModelError, InvalidExtractionPatternError
from crossmodel.extraction import ExtractionPattern, InsightExtractor
from crossmodel.extraction.patterns import registry
from crossmodel.text.injected import mark

ANSWER = """Sure, here is how it works.

## Ticket codes
Every ticket code starts with the team prefix. Example: refund from Spain -> RF-ES

```python
print("RF")
```

The prefix is short because operators type it by hand. I hope this helps!
"""


class Pattern(ExtractionPattern):
    def __init__(self, *insights):
        self.insights = insights

    def extract(self, text, context):
        return [Insight(**each) for each in self.insights]


class Broken(ExtractionPattern):
    def extract(self, text, context):
        raise RuntimeError("secret-of-the-text")


def only(pattern, **config):
    extractor = InsightExtractor(InsightExtractorConfig(**config))
    extractor.extraction_patterns = {}
    extractor.register_extraction_pattern("custom", pattern)
    return extractor


def test_every_insight_stands_on_exact_evidence():
    result = InsightExtractor().extract(ANSWER, "big")
    assert {str(i.kind) for i in result.insights} == {"rule", "example", "code", "claim"}
    ids = {insight.id for insight in result.insights}
    assert len(ids) == len(result.insights)
    for insight in result.insights:
        assert insight.id == insight.content_id()
        assert set(insight.links) <= ids
        assert insight.source_model == "big"
        assert insight.validation_status == "valid"
        assert 0 <= insight.confidence_score <= 1
        assert insight.metadata["confidence_calibrated"] is False
        for evidence in insight.evidence:
            assert evidence.source_sha256 == text_sha256(ANSWER) == result.source_sha256
            said = ANSWER[evidence.start : evidence.end]
            assert " ".join(said.split()) == " ".join(insight.content.split())
        json.dumps(insight.metadata)
    rule = next(i for i in result.insights if i.kind == "rule")
    example = next(i for i in result.insights if i.kind == "example")
    assert rule.links == (example.id,)
    assert example.links == (rule.id,)
    assert result.latency_ms > 0
    assert result.errors == {}


def test_the_same_answer_gives_the_same_ids():
    first, second = (InsightExtractor().extract(ANSWER, "big").insights for _ in range(2))
    assert [i.id for i in first] == [i.id for i in second]


@pytest.mark.parametrize(
    ("output", "model"), [("", "m"), ("text", ""), (None, "m"), ("text", None)]
)
def test_nothing_to_read_is_an_error_of_both_kinds(output, model):
    for call in (InsightExtractor().extract, InsightExtractor().extract_insights):
        with pytest.raises(CrossModelError) as caught:
            call(output, model, {})
        assert isinstance(caught.value, ValueError)


def test_white_space_is_an_answer_without_insights():
    assert InsightExtractor().extract(" \n", "m").insights == []


def test_metadata_are_copies():
    context = {"task": {"id": 1}, "tags": {"a"}, "object": object(), "injected": ["x"]}
    insights = InsightExtractor().extract_insights(ANSWER, "big", context)
    insights[0].metadata["context"]["task"]["id"] = 2
    insights[0].metadata["patterns_applied"].clear()
    assert context["task"] == insights[1].metadata["context"]["task"] == {"id": 1}
    assert insights[1].metadata["context"] == {"task": {"id": 1}, "tags": ["a"], "object": None}
    assert len(insights[1].metadata["patterns_applied"]) == 6
    assert insights[1].metadata["source_model"] == "big"


def test_a_custom_pattern_gets_evidence_by_grounding():
    extractor = only(Pattern({"content": "the TEAM  prefix"}, {"content": "the region prefix"}))
    result = extractor.extract(ANSWER, "big")
    (insight,) = result.insights
    (evidence,) = insight.evidence
    assert ANSWER[evidence.start : evidence.end] == "the team prefix"
    assert insight.id == insight.content_id()
    assert result.rejected == {"not grounded": 1}


def test_evidence_that_says_something_else_is_replaced_or_refused():
    sha = text_sha256(ANSWER)
    extractor = only(
        Pattern(
            {"content": "team prefix", "evidence": (Evidence(0, 4, sha),)},
            {"content": "by hand", "evidence": (Evidence(0, 4, "0" * 64),)},
            {"content": "not there", "evidence": (Evidence(0, 10**9, sha),)},
            {"content": "  "},
        )
    )
    result = extractor.extract(ANSWER, "big")
    assert sorted(i.content for i in result.insights) == ["by hand", "team prefix"]
    for insight in result.insights:
        assert ANSWER[slice(insight.evidence[0].start, insight.evidence[0].end)] == insight.content
    assert result.rejected == {"not grounded": 2}


def test_ungrounded_insights_pass_where_that_is_configured():
    extractor = only(
        Pattern({"content": "not there"}),
        require_grounding=False,
        validation_config=ValidationConfig(enable_validation=False),
    )
    (insight,) = extractor.extract(ANSWER, "big").insights
    assert insight.evidence == ()
    assert insight.validation_status == "pending"


def test_links_follow_ids_that_grounding_changes():
    class Linked(ExtractionPattern):
        def extract(self, text, context):
            rule, example = Insight("team prefix", kind="rule"), Insight("RF-ES", kind="example")
            rule.links, example.links = (example.id, "gone"), (rule.id,)
            return [rule, example]

    insights = {i.content: i for i in only(Linked()).extract(ANSWER, "big").insights}
    assert insights["team prefix"].links == (insights["RF-ES"].id,)
    assert insights["RF-ES"].links == (insights["team prefix"].id,)


def test_a_failing_pattern_loses_only_its_own(caplog):
    extractor = InsightExtractor()
    whole = len(extractor.extract(ANSWER, "big").insights)
    extractor.register_extraction_pattern("broken", Broken())
    extractor.register_extraction_pattern("nothing", type("P", (), {"extract": lambda *_: None})())
    extractor.register_extraction_pattern("junk", type("P", (), {"extract": lambda *_: ["x"]})())
    result = extractor.extract(ANSWER, "big")
    assert len(result.insights) == whole
    assert set(result.errors) == {"broken", "nothing", "junk"}
    assert result.errors["broken"] == "RuntimeError: secret-of-the-text"
    assert [str(record.args[0]) for record in caplog.records] == ["broken", "nothing", "junk"]
    assert "secret-of-the-text" not in caplog.text
    assert extractor.get_extraction_statistics().pattern_errors == dict.fromkeys(result.errors, 1)
    assert "broken" not in result.insights[0].metadata["patterns_applied"]


@pytest.mark.parametrize("pattern", [None, object(), Pattern, type("P", (), {"extract": 3})()])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(InvalidExtractionPatternError, match="'odd'"):
        InsightExtractor().register_extraction_pattern("odd", pattern)


def test_injected_text_is_never_extracted():
    block = mark("Order codes must always start with ZZ. So the answer is 99.")
    text = f"{block}\n\nTicket codes must always start with RF. So the answer is 12."
    result = InsightExtractor().extract(text, "big")
    assert {i.content for i in result.insights} == {
        "Ticket codes must always start with RF.", "So the answer is 12.",
    }  # fmt: skip
    custom = only(
        Pattern(
            {"content": "Order codes must always start with ZZ."},
            {"content": "start with ZZ", "evidence": (_place("start with ZZ", text),)},
            {"content": "start with RF"},
        )
    ).extract(text, "big")
    assert [i.content for i in custom.insights] == ["start with RF"]
    assert custom.rejected == {"injected": 2}


def _place(what, text):
    return Evidence(text.index(what), text.index(what) + len(what), text_sha256(text))


def test_what_only_repeats_the_texts_that_were_handed_over_is_refused():
    handed = ["Remember: every ticket code starts with the team prefix.", None]
    result = InsightExtractor().extract(ANSWER, "big", {"injected": handed})
    assert "rule" not in {i.kind for i in result.insights}
    assert result.rejected == {"injected": 1}
    assert all(not set(i.links) - {j.id for j in result.insights} for i in result.insights)
    same = InsightExtractor().extract(ANSWER, "big", {"injected": handed[0]})
    assert same.rejected == {"injected": 1}


def test_duplicates_keep_all_their_evidence():
    text = "Codes must start with RF.\n\nfiller\n\nCodes must start with RF.\n\nCodes must start with RG."
    result = InsightExtractor().extract(text, "m")
    assert [len(i.evidence) for i in result.insights] == [2, 1]
    assert result.rejected == {"duplicate": 1}
    kept = InsightExtractor(InsightExtractorConfig(remove_duplicates=False)).extract(text, "m")
    assert len(kept.insights) == 3


def test_limits_sorting_and_threshold():
    insights = InsightExtractor().extract(ANSWER, "m").insights
    scores = [i.confidence_score for i in insights]
    assert scores == sorted(scores, reverse=True)
    limited = InsightExtractor(InsightExtractorConfig(max_insights_per_extraction=2))
    result = limited.extract(ANSWER, "m")
    assert [i.id for i in result.insights] == [i.id for i in insights[:2]]
    assert result.rejected == {"over the limit": 2}
    strict = InsightExtractor(
        InsightExtractorConfig(confidence_config=ConfidenceConfig(minimum_confidence_threshold=0.7))
    ).extract(ANSWER, "m")
    assert min(i.confidence_score for i in strict.insights) >= 0.7
    assert strict.rejected == {"low confidence": 1}


def test_validation_refuses_and_counts():
    text = "Codes must always hold the api_key=sk-abcdefghij0123456789XYZ in them."
    result = InsightExtractor().extract(text, "m")
    assert result.insights == []
    assert len(result.rejected) == 1
    shown = InsightExtractor(InsightExtractorConfig(include_invalid_insights=True))
    (insight,) = shown.extract(text, "m").insights
    assert insight.validation_status == "invalid"
    assert insight.metadata["validation_result"]["is_valid"] is False


def test_a_failing_validator_is_logged_and_counted(caplog):
    class Raising:
        def validate(self, insight):
            raise KeyError(insight.content)

    extractor = InsightExtractor()
    extractor.insight_validator = Raising()
    result = extractor.extract(ANSWER, "m")
    assert result.insights == []
    assert result.rejected == {"validation error": 4}
    assert "could not be validated" in caplog.text
    extractor.config.include_validation_errors = True
    statuses = {i.validation_status for i in extractor.extract(ANSWER, "m").insights}
    assert statuses == {"validation_error"}


def test_validate_insights_works_alone():
    extractor = InsightExtractor()
    good, bad = Insight("a b c", evidence=(Evidence(0, 5, "0" * 64),)), Insight("no evidence here")
    assert extractor.validate_insights([good, bad]) == [good]
    assert (good.validation_status, bad.validation_status) == ("valid", "invalid")
    assert bad.metadata["validation_result"]["reasons"]


def test_history_is_bounded_and_statistics_count():
    extractor = InsightExtractor(InsightExtractorConfig(max_history_size=5))
    for number in range(4):
        extractor.extract(ANSWER.replace("Spain", f"Spain {number}"), f"model-{number % 2}")
    assert len(extractor.extraction_history) == 5
    statistics = extractor.get_extraction_statistics()
    assert statistics.total_insights == 5
    assert statistics.unique_models == 2
    assert statistics.patterns_used == 6
    assert statistics.validation_status_counts == {"valid": 5}
    assert 0 < statistics.average_confidence < 1
    long_ago = TimePeriod(statistics.time_period.start, statistics.time_period.start)
    empty = extractor.get_extraction_statistics(long_ago)
    assert (empty.total_insights, empty.average_confidence, empty.rejected) == (0, 0.0, {})


def test_many_threads_share_one_extractor():
    extractor = InsightExtractor(InsightExtractorConfig(max_history_size=100_000))
    extractor.register_extraction_pattern("broken", Broken())
    texts = [ANSWER.replace("Spain", f"town {number}") for number in range(40)]
    expected = [[i.id for i in InsightExtractor().extract(text, "m").insights] for text in texts]
    barrier = threading.Barrier(4)

    def work(part):
        barrier.wait()
        return [extractor.extract(text, "m") for text in texts[part::4]]

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(work, range(4)))
    for part, results in enumerate(parts):
        assert [[i.id for i in result.insights] for result in results] == expected[part::4]
        assert all(set(result.errors) == {"broken"} for result in results)
    assert len(extractor.extraction_history) == sum(map(len, expected))
    assert extractor.get_extraction_statistics().pattern_errors == {"broken": 40}


def test_patterns_of_installed_packages_are_loaded_and_broken_ones_reported(monkeypatch, caplog):
    found = (
        EntryPoint("good", "collections:Counter", registry.ENTRY_POINT_GROUP),
        EntryPoint("bad", "no_such_module_anywhere:X", registry.ENTRY_POINT_GROUP),
        EntryPoint("better", "crossmodel.extraction.patterns:MathExtractionPattern",
                   registry.ENTRY_POINT_GROUP),
    )  # fmt: skip
    monkeypatch.setattr(registry, "_installed", lambda: found)
    extractor = InsightExtractor()
    assert list(extractor.extraction_patterns)[-1] == "better"
    assert extractor.pattern_registry.names()[-1] == "better"
    assert {str(record.args[0]) for record in caplog.records} == {"good", "bad"}
