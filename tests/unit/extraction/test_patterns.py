"""What each of the six patterns finds, and what none of them does."""

import pytest

from crossmodel.domain.insight import InsightType
from crossmodel.errors import NotFoundError
from crossmodel.extraction.patterns import (
    AnalysisExtractionPattern,
    CodingExtractionPattern,
    CreativityExtractionPattern,
    ExtractionPattern,
    LanguageExtractionPattern,
    MathExtractionPattern,
    PatternRegistry,
    ReasoningExtractionPattern,
)

PATTERNS = (
    ReasoningExtractionPattern(), CreativityExtractionPattern(), AnalysisExtractionPattern(),
    CodingExtractionPattern(), MathExtractionPattern(), LanguageExtractionPattern(),
)  # fmt: skip


def kinds(text):
    return [(i.insight_type, i.kind) for p in PATTERNS for i in p.extract(text, {})]


@pytest.mark.parametrize(
    ("text", "insight_type", "kind"),
    [
        ("Therefore the ball keeps on rolling for a while.", "reasoning", "conclusion"),
        ("The ball stops because friction slows it down.", "reasoning", "claim"),
        ("Combining both clues leaves Bob in seat two.", "reasoning", "step"),
        ("So the answer is (B).", "reasoning", "final_answer"),
        ("Another idea is a garden on the roof of the station.", "creativity", "idea"),
        ("Think of a cache as a desk beside a library.", "creativity", "idea"),
        ("The study shows that sleep improves memory.", "analysis", "finding"),
        ("SQLite is faster than a server for small data sets.", "analysis", "comparison"),
        ("The main risk is a single point of failure.", "analysis", "risk"),
        ("We recommend a staged rollout for this change.", "analysis", "recommendation"),
        ("Good work.\nRating: [[7]]", "analysis", "final_answer"),
        ("The time complexity of this search is O(log n).", "coding", "claim"),
        ("The parser raises a `ValueError` on empty input strings.", "coding", "risk"),
        ("```python\nx = 1\n```", "coding", "code"),
        ("The area follows:\n\n$$ A = \\pi r^2 $$", "math", "equation"),
        ("F = m * a", "math", "equation"),
        ("Let $n$ be the number of vertices of the graph.", "math", "definition"),
        ("3 * 4 = 12\n12 + 1 = 13\nSo she has 13 eggs in the end.", "math", "final_answer"),
        ('"Hund" means "dog" in German, as everybody knows.', "language", "translation"),
        ("Entropy is defined as the logarithm of a count.", "language", "definition"),
    ],
)
def test_each_kind_is_found(text, insight_type, kind):
    assert (insight_type, kind) in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sure, here is the answer you asked for.",
        "I hope this helps! Let me know if you have any questions.",
        "Would you like me to go on because it is long?",
        "Let's think step by step about this problem.",
        "Here's a summary of the main points:",
        "As an AI, I do not have opinions, so I cannot say.",
        "The sun rose over the quiet hills.",
        "",
    ],
)
def test_filler_is_no_insight(text):
    assert kinds(text) == []


def test_code_says_its_language_and_whether_it_parses():
    text = (
        "```python\ndef f(x):\n    return x\nclass C: ...\n```\n```python\ndef f(:\n```\n"
        "```js\nlet x = 1\n```\n```\nimport os\n```\n```text\noutput\n```\n"
        '```json\n{"a": [1]}\n```\n```json\n{"a": [1}\n```'
    )
    found = [
        i.metadata for i in CodingExtractionPattern().extract(text, {}) if i.kind == "code"
    ]  # fmt: skip
    assert found == [
        {"language": "python", "parses": True, "defines": ["f", "C"], "imports": []},
        {"language": "python", "parses": False},
        {"language": "js"},
        {"language": "python", "parses": True, "defines": [], "imports": ["os"]},
        {"language": "json", "parses": True},
        {"language": "json", "parses": False},
    ]


def test_an_answer_that_is_all_code_is_one_block():
    text = '\nimport re\n\ndef f(s):\n    """Must always hold: s -> t."""\n    return "\\d"\n'
    assert kinds(text) == [("coding", "code")]
    (insight,) = CodingExtractionPattern().extract(text, {})
    assert insight.content == text.strip()


def test_no_sentence_is_found_by_two_patterns():
    text = """## Codes
Codes must always start with RF because the router reads the prefix. Example: a -> RF1.
The risk is high, so we recommend tests. `f(1)` returns `2`. So the answer is 5.
"""
    spans = [
        (e.start, e.end) for p in PATTERNS for i in p.extract(text, {}) for e in i.evidence
    ]  # fmt: skip
    assert len(spans) == len(set(spans))
    assert len(spans) >= 4


def test_patterns_are_abstract_and_of_one_type_each():
    with pytest.raises(TypeError):
        ExtractionPattern()
    assert [p.insight_type for p in PATTERNS] == list(InsightType)


def test_the_registry_knows_what_was_registered():
    registry = PatternRegistry()
    with pytest.raises(NotFoundError, match="none"):
        registry.get("a")
    registry.register_pattern("a", PATTERNS[0])
    registry.register_pattern("a", PATTERNS[1])
    assert registry.get("a") is PATTERNS[1]
    assert registry.names() == ["a"]
    with pytest.raises(NotFoundError, match="registered: a"):
        registry.get("b")
