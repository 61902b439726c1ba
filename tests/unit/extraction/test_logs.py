"""Every form in which answers are logged, and rows that hold none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.errors import InvalidInputError, NotFoundError
from crossmodel.extraction.logs import (
    LoggedAnswer,
    UnreadableRow,
    answers_of_row,
    read_path,
    read_text,
)

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is 6 x 7?"}]},
]
CHAT = {
    "id": "chatcmpl-1",
    "model": "big",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "42"}}],
}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"id": "a", "source_model": "big", "prompt": "What is 6 x 7?", "output": "42"},
            LoggedAnswer("a", "big", "42", "What is 6 x 7?"),
        ),
        (CHAT, LoggedAnswer("chatcmpl-1", "big", "42")),
        (
            {"request": {"model": "alias", "messages": MESSAGES}, "response": CHAT},
            LoggedAnswer("chatcmpl-1", "big", "42", "What is 6 x 7?"),
        ),
        (
            {"custom_id": "job-7", "response": {"status_code": 200, "body": CHAT}},
            LoggedAnswer("job-7", "big", "42"),
        ),
        (
            {
                "id": "msg_1",
                "model": "big",
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "4"},
                    {"type": "tool_use", "name": "f"},
                    {"type": "text", "text": "2"},
                ],
            },
            LoggedAnswer("msg_1", "big", "42"),
        ),
        (
            {
                "id": "resp_1",
                "model": "big",
                "output": [
                    {"type": "reasoning", "summary": []},
                    {"type": "message", "content": [{"type": "output_text", "text": "42"}]},
                ],
            },
            LoggedAnswer("resp_1", "big", "42"),
        ),
        (
            {"id": 3, "messages": [*MESSAGES, {"role": "assistant", "content": "42"}]},
            LoggedAnswer("3", "unknown", "42", "What is 6 x 7?"),
        ),
        ({"id": "t", "choices": [{"text": "42"}]}, LoggedAnswer("t", "unknown", "42")),
    ],
)
def test_each_form_gives_its_answer(row, expected):
    assert answers_of_row(row) == [expected]


def test_several_choices_are_several_answers_with_their_own_ids():
    row = {**CHAT, "choices": [{"message": {"content": c}} for c in ("42", None, "forty-two")]}
    assert [(a.id, a.output) for a in answers_of_row(row)] == [
        ("chatcmpl-1", "42"),
        ("chatcmpl-1#1", "forty-two"),
    ]


@pytest.mark.parametrize(
    "row",
    [None, 3, [], "text", {}, {"output": ""}, {"output": None}, {"choices": []},
     {"choices": [None]}, {"response": None}, {"messages": MESSAGES}, {"content": [{"text": 3}]}],
)  # fmt: skip
def test_a_row_without_an_answer_is_refused(row):
    with pytest.raises(InvalidInputError):
        answers_of_row(row)


def test_a_bad_row_costs_no_other_row(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(CHAT) + "\n\n{broken\n[]\n" + json.dumps({**CHAT, "id": "b"}) + "\n")
    read = list(read_path(log))
    assert [r.id for r in read if isinstance(r, LoggedAnswer)] == ["chatcmpl-1", "b"]
    assert [r.origin for r in read if isinstance(r, UnreadableRow)] == [
        "log.jsonl:3",
        "log.jsonl:4",
    ]


def test_a_folder_is_read_in_order_and_texts_come_back_exactly(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.md").write_bytes("# é\r\nline\r\n".encode())
    (tmp_path / "sub" / "a.txt").write_text("plain")
    (tmp_path / "c.json").write_text(json.dumps([CHAT, CHAT]))
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "empty.md").write_text(" \n")
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    read = list(read_path(tmp_path, source_model="big"))
    texts = [(r.origin, r.output) for r in read if isinstance(r, LoggedAnswer)]
    assert texts == [
        ("b.md", "# é\r\nline\r\n"), ("c.json:1", "42"), ("c.json:2", "42"), ("a.txt", "plain"),
    ]  # fmt: skip
    reasons = {r.origin: r.reason for r in read if isinstance(r, UnreadableRow)}
    assert reasons == {
        "empty.md": "empty",
        "latin.txt": "not UTF-8: unexpected end of data at byte 3",
    }
    with pytest.raises(NotFoundError, match="nowhere"):
        list(read_path(tmp_path / "nowhere"))


def test_text_that_only_looks_like_json_is_text():
    text = "{not json} but prose\nover two lines"
    assert [r.output for r in read_text(text, origin="-")] == [text]


def test_jsonl_on_standard_input_is_recognised():
    lines = "\n".join(json.dumps({**CHAT, "id": str(i)}) for i in range(3))
    assert [r.id for r in read_text(lines, origin="-")] == ["0", "1", "2"]


@given(st.text())
def test_any_text_gives_answers_or_reasons(text):
    read = list(read_text(text, origin="-"))
    assert read
    assert all(isinstance(r, LoggedAnswer | UnreadableRow) for r in read)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["output", "choices", "message", "content", "text", "messages", "role",
                         "response", "body", "request", "model", "id", "prompt"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_any_json_gives_answers_or_a_clear_error(row):
    try:
        answers = answers_of_row(row)
    except InvalidInputError:
        return
    assert all(answer.output.strip() and isinstance(answer.id, str) for answer in answers)
