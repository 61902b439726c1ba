"""Whatever the answer: evidence is exact, ids are unique, links resolve, time is linear."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.config import InsightExtractorConfig
from crossmodel.extraction import InsightExtractor
from crossmodel.text.injected import injected_spans, mark

EXTRACTOR = InsightExtractor(InsightExtractorConfig(max_insights_per_extraction=0))

any_text = st.text(st.characters())
pieces = st.sampled_from(
    ["Codes must start with RF", "Never use `a b`", "RF stands for refund", ". ", ": ", "\n", "\n\n", "\r\n",
     "- ", "1. ", "## Codes\n", "**Rule:** ", "Example: ", "e.g. ", "a -> b", "`x` becomes `y`", "→", "=>",
     "Q: why? ", "A: so. ", "Input: 3\n", "Output: 9\n", "| a | b |\n|---|---|\n| 1 | 2 |\n",
     "```python\n# store 5\nput(5)\n```\n", "```\n>>> f(1)\n2\n```\n", "So the answer is (B).", "#### 42\n",
     "\\boxed{7}", "FINAL ANSWER:\n<answer>\n", "</answer>", "because it is cold", "Therefore we stop here. ",
     "E = m * c", "3 * 4 = 12 ", "O(n)", '`put("a", 5)` stores 5. ', "To save 5, call `put(5)`. ", "and ",
     "They must be short. ", "I think that maybe ", "\x00", "\ud800", "e\u0301", "عربي", "👍🏽", "[[8]]", "api_key=abcd1234efgh "]
)  # fmt: skip
answers = any_text | st.lists(pieces, max_size=30).map("".join)


def check(text, result):
    ids = [insight.id for insight in result.insights]
    known = set(ids)
    assert len(ids) == len(known)
    for insight in result.insights:
        assert insight.id == insight.content_id()
        assert set(insight.links) <= known
        assert insight.id not in insight.links
        assert insight.evidence
        for number, evidence in enumerate(insight.evidence):
            assert 0 <= evidence.start < evidence.end <= len(text)
            said = text[evidence.start : evidence.end]
            if number == 0:
                assert " ".join(said.split()) == " ".join(insight.content.split())
        for side in ("input", "output", "answer"):
            if side in insight.metadata:
                start, end = insight.metadata[f"{side}_span"]
                assert text[start:end] == insight.metadata[side] != ""
        assert 0 <= insight.confidence_score <= 1


@given(answers)
def test_every_insight_is_exact(text):
    if not text:
        return
    result = EXTRACTOR.extract(text, "m")
    assert result.errors == {}
    check(text, result)
    again = EXTRACTOR.extract(text, "m")
    assert [i.id for i in again.insights] == [i.id for i in result.insights]


@given(answers, answers, answers)
def test_nothing_comes_out_of_injected_text(before, body, after):
    text = f"{before}\n{mark(body)}\n{after}"
    spans = injected_spans(text)
    result = EXTRACTOR.extract(text, "m")
    assert result.errors == {}
    for insight in result.insights:
        for evidence in insight.evidence:
            assert not any(evidence.start < s.end and s.start < evidence.end for s in spans)


HOSTILE = {
    "backticks": "`" * 100_000,
    "brackets": "[" * 100_000 + "](" * 1000,
    "pipes": "|" * 100_000,
    "becauses": "because " * 100_000,
    "because lines": "It is so because it is.\n" * 20_000,
    "arrows": "a -> b, " * 20_000,
    "arrow lines": "`a`->" * 150 + "\n",
    "many arrow lines": ("`a`->" * 150 + "\n") * 300,
    "labels": "Q: a\n" * 20_000,
    "label pairs": "Q: a\nA: b\n" * 10_000,
    "spaces in code": "```\n" + ("f(x)" + " " * 900 + "\n") * 500 + "```",
    "long code line": "```\n" + "f(" * 100_000 + "\n```",
    "colons": "a:" * 50_000,
    "colon lines": "a: b\n" * 30_000,
    "equals": "= " * 100_000,
    "dashes": "- " * 100_000,
    "stars": "*" * 100_000,
    "parentheses": "a(" * 50_000,
    "boxed": "\\boxed{" * 20_000,
    "answers": "the answer is " * 20_000,
    "digits": "So it is " + "1" * 100_000 + ".",
    "nested python": "def f():\n    return " + "(" * 50_000,
    "one rule": "Codes must start with RF " * 20_000,
    "many rules": "".join(f"Codes of team {i} must start with T{i}.\n" for i in range(5_000)),
    "table": "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 5_000,
    "wide table": "|a" * 20_000 + "\n" + "|-" * 20_000 + "\n" + "|b" * 20_000,
    "secrets": "api_key=" * 20_000,
    "tags": "<answer>" * 20_000,
    "quotes": '"a" becomes ' * 10_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_take_linear_time(name):
    text = HOSTILE[name]
    started = time.perf_counter()
    result = EXTRACTOR.extract(text, "m")
    assert time.perf_counter() - started < 8  # measured: under 0.6 s each
    assert result.errors == {}
    for insight in result.insights[:200]:
        evidence = insight.evidence[0]
        said = text[evidence.start : evidence.end]
        assert " ".join(said.split()) == " ".join(insight.content.split())


@pytest.mark.slow
def test_ten_megabytes():
    part = (
        "## Team {0}\nCodes must start with T{0}, e.g. a -> T{0}.\n\n"
        + "Some plain prose. " * 60
        + "\n\n"
    )
    text = "".join(part.format(number) for number in range(9_000))
    assert len(text) > 10_000_000
    started = time.perf_counter()
    result = EXTRACTOR.extract(text, "m")
    assert time.perf_counter() - started < 60
    assert sum(i.kind == "example" for i in result.insights) == 9_000
    check(text, result)
