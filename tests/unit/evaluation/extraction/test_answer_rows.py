"""Files of answers: what is read, what is remarked on, what is refused."""

import json

import pytest

from crossmodel.errors import InvalidInputError, NotFoundError
from crossmodel.evaluation.extraction.rows import AnswerRow, read_answers


def written(tmp_path, *lines):
    path = tmp_path / "answers.jsonl"
    path.write_text(
        "\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines)
    )
    return path


def test_all_but_the_answer_may_be_missing(tmp_path):
    file = read_answers(
        written(tmp_path, {"output": "The answer is 4."}, "", {"output": "5", "id": 7})
    )
    assert [(row.id, row.output) for row in file.rows] == [
        ("line 1", "The answer is 4."),
        ("7", "5"),
    ]
    assert file.rows[0].reference is None
    assert file.rows[0].correct is None
    assert file.remarks["without 'prompt'"] == 2


def test_what_means_nothing_is_counted_and_never_a_crash(tmp_path):
    file = read_answers(
        written(
            tmp_path,
            {"id": "a", "output": "x", "correct": "yes", "reference": ["4"], "task": 3},
            {"id": "b", "output": ""},
            {"id": "c"},
            {"id": "a", "output": "again"},
            {"id": "d", "output": "y", "reference": 42, "unheard_of": {}},
        )
    )
    assert [row.id for row in file.rows] == ["a", "d"]
    assert file.rows[0].correct is None
    assert file.rows[0].reference is None
    assert file.rows[1].reference == "42"
    assert file.remarks["left out without an answer"] == 2
    assert file.remarks["left out with the id of another"] == 1
    assert file.remarks["with a 'correct' that is neither true nor false"] == 1
    assert file.remarks["with a 'reference' that is no text"] == 1
    assert file.remarks["with a 'task' that is no text"] == 1


def test_strings_may_hold_line_separators(tmp_path):
    file = read_answers(written(tmp_path, '{"output": "one\u2028two"}'))
    assert file.rows[0].output == "one\u2028two"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("# Heading", ":1: not a JSON object"),
        ("[1]", ":1: not a JSON object"),
        ("", "holds no row with an answer"),
        ('{"id": "x"}', "holds no row with an answer"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, line, error):
    with pytest.raises(InvalidInputError, match=error):
        read_answers(written(tmp_path, line))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"gone\.jsonl"):
        read_answers(tmp_path / "gone.jsonl")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NotFoundError, match="binary"):
        read_answers(tmp_path / "binary")


def test_answers_without_a_prompt_are_to_questions_of_their_own():
    assert AnswerRow("a", "x").question != AnswerRow("b", "x").question
    assert (
        AnswerRow("a", "x", prompt="Why?\n").question == AnswerRow("b", "y", prompt="Why?").question
    )


def test_lone_surrogates_stay_in_answers_and_leave_names(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "\\ud800", "output": "\\ud83d 5", "task": "a\\udfff"}')
    (row,) = read_answers(path).rows
    assert (row.id, row.output, row.task) == ("?", "\ud83d 5", "a?")


def test_a_line_that_nests_without_end_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="not a JSON object"):
        read_answers(written(tmp_path, '{"output": ' + "[" * 200_000))
