"""Tasks are read strictly; the examples that come with us are what they say they are."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from crossmodel.errors import InvalidInputError, NotFoundError
from crossmodel.evaluation.rows import parse_rows, read_rows
from crossmodel.evaluation.tasks import Prompt, Task
from crossmodel.extraction import InsightExtractor
from crossmodel.extraction.logs import LoggedAnswer, read_path
from crossmodel.text.injected import injected_spans

EXAMPLES = Path(__file__).parents[3] / "examples"
ROW = {"id": "1", "family": "f", "question": "q?", "answer": "a"}


def test_fields_of_other_tools_are_skipped_and_empty_lines_too() -> None:
    (task,) = parse_rows(["", json.dumps(ROW | {"choices": ["a"], "lie": "b"}), " "], "here", Task)
    assert (task.id, task.question, task.answer, task.rule) == ("1", "q?", "a", "")


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{",
        "null",
        json.dumps(ROW | {"answer": 3}),
        json.dumps(ROW | {"question": " "}),
        "\ud800",
    ],
)
def test_a_line_that_is_no_task_is_named(line: str) -> None:
    with pytest.raises(InvalidInputError, match="here:2: not a task"):
        parse_rows([json.dumps(ROW), line], "here", Task)


def test_an_id_that_is_there_twice_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="'1' is there twice"):
        parse_rows([json.dumps(ROW)] * 2, "here", Task)
    with pytest.raises(InvalidInputError, match="no tasks"):
        parse_rows([], "here", Task)
    with pytest.raises(NotFoundError):
        read_rows(tmp_path / "nowhere.jsonl", Task)


def answers() -> list[LoggedAnswer]:
    rows = list(read_path(EXAMPLES / "answers"))
    assert all(isinstance(row, LoggedAnswer) for row in rows)
    return [row for row in rows if isinstance(row, LoggedAnswer)]


def test_our_questions_are_held_out() -> None:
    tasks = read_rows(EXAMPLES / "questions.jsonl", Task)
    texts = "\n".join(answer.output for answer in answers())
    for task in tasks:
        assert task.question not in texts
        told = re.search(rf"(?<![\w-]){re.escape(task.answer)}(?![\w-])", texts)
        assert told is None or task.family == "service-desk"  # its four answers are the desks


def test_our_questions_come_in_families_of_eight_to_twelve() -> None:
    families = Counter(task.family for task in read_rows(EXAMPLES / "questions.jsonl", Task))
    assert len(families) >= 4
    assert all(8 <= n <= 12 for n in families.values())


def test_our_parcel_numbers_are_computed_right() -> None:
    texts = "\n".join(answer.output for answer in answers())
    found = [(t.question, t.answer) for t in read_rows(EXAMPLES / "questions.jsonl", Task)]
    found += re.findall(r"(of parcel \d+)\?`? ?(?:\n|→).{0,4}?(\d+-\d\d)", texts)
    checked = 0
    for asked, number in found:
        if parcel := re.search(r"of parcel (\d+)", asked):
            digits = parcel[1]
            assert number == f"{digits}-{sum(map(int, digits)) * 7 % 97:02d}"
            checked += 1
    assert checked >= 12


def test_our_answers_are_long_and_carry_rules_and_examples() -> None:
    for answer in answers():
        assert 2000 <= len(answer.output.encode()) <= 6 * 1024, answer.origin
        assert not injected_spans(answer.output)
        kinds = Counter(
            insight.kind for insight in InsightExtractor().extract(answer.output, "m").insights
        )
        assert kinds["rule"] >= 1, answer.origin
        assert kinds["example"] >= 2, answer.origin


def test_our_prompts_give_a_teacher_what_the_answers_say() -> None:
    rows = read_rows(EXAMPLES / "prompts.jsonl", Prompt)
    questions = {task.question for task in read_rows(EXAMPLES / "questions.jsonl", Task)}
    assert len(rows) == len(answers())
    assert not any(question in row.prompt for row in rows for question in questions)
