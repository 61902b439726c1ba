"""The evaluation of extraction holds for any answer, whatever is in it."""

import json
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel import InsightExtractor
from crossmodel.evaluation.extraction import chart
from crossmodel.evaluation.extraction.checkers import CHECKERS
from crossmodel.evaluation.extraction.items import items
from crossmodel.evaluation.extraction.judge import judge
from crossmodel.evaluation.extraction.rows import AnswerFile, AnswerRow
from crossmodel.evaluation.extraction.tables import tables

PIECES = st.sampled_from(
    [
        "So the answer is (B).", "#### 12", "FINAL ANSWER:\n", '"""', "```python\nx = 1\n```", "$$a = b$$",
        "\\[ x \\]", "<answer>", "[[7]]", "Passage:", "def f(x):\n    return x", "3 * 8 = 24", "not ",
        "Answer: ", "\n\n", " 5 km ", "because it is, ", "| a | b |\n|---|---|\n", "\ud800", "\0", "−",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=20), max_size=12).map("".join)
ROWS = st.builds(
    AnswerRow,
    id=st.just(""),
    output=TEXTS.filter(str.strip),
    domain=st.sampled_from(["", "math", "coding"]),
    task=st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    prompt=st.sampled_from(["", "Why?", "def f(x):\n", "Game of 24: 1 2 3 4"]),
    reference=st.none() | TEXTS,
    check=st.sampled_from([*CHECKERS, "", "oracle"]),
    correct=st.none() | st.booleans(),
    repo=st.sampled_from(["a", "b"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=6))
def test_any_answers_give_figures_that_scripts_can_read(rows):
    named = [
        AnswerRow(**{name: getattr(row, name) for name in row.__slots__} | {"id": str(number)})
        for number, row in enumerate(rows)
    ]
    found = judge(AnswerFile(named), InsightExtractor())
    json.dumps(found.to_dict(), allow_nan=False).encode()
    # what stands right behind a sign or a negation may be exact and yet not be said
    assert {each.reason for each in found.grounding.ungrounded} <= {"does not ground"}
    assert all(each.accepted <= each.claims for each in found.false_grounding)
    assert [item["id"] for item in items(found)] == [row.id for row in named]
    assert all(len(row) == len(table.columns) for table in tables(found) for row in table.rows)
    ET.fromstring(chart.picture(found))
    recall = found.answers.labelled
    assert recall.right <= sum(row.correct is True for row in named)


@given(st.sampled_from(list(CHECKERS)), TEXTS, TEXTS, TEXTS)
def test_a_checker_judges_any_text(check, output, text, reference):
    row = AnswerRow("a", output, check=check, reference=reference, prompt="def f(x):\n")
    stated = CHECKERS[check].stated(row)
    assert stated is None or stated.strip()
    assert CHECKERS[check].is_right(text, row) in {True, False}
    assert CHECKERS[check].holds(row) in {True, False}
