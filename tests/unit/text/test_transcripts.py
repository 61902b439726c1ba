"""Turns of a conversation, with exact offsets; a plain answer is one turn."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import InsightExtractor
from crossmodel.text.transcripts import Role, foreign_spans, turns

U, A, S, T, K = Role.USER, Role.ASSISTANT, Role.SYSTEM, Role.TOOL, Role.THINKING


def said(text):
    return [(turn.role, text[turn.start : turn.end].strip()) for turn in turns(text)]


CHAT_ML = (
    "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
    "<|im_start|>assistant\nhello<|im_end|>"
)
LLAMA = (
    "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nhello<|eot_id|>"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User: hi\nAssistant: hello\nUser: bye\n", [(U, "hi"), (A, "hello"), (U, "bye")]),
        ("Human: hi\n\nAI: hello\nand more", [(U, "hi"), (A, "hello\nand more")]),
        ("**User:** hi\n\n**Assistant:** hello", [(U, "hi"), (A, "hello")]),
        ("## User\nhi\n\n## Assistant\nhello", [(U, "hi"), (A, "hello")]),
        (CHAT_ML, [(S, "be kind"), (U, "hi"), (A, "hello")]),
        ("[INST] hi [/INST] hello", [(U, "hi"), (A, "hello")]),
        (LLAMA, [(U, "hi"), (A, "hello")]),
        (
            "<think>let me see</think>\nThe answer is 4.",
            [(K, "let me see"), (A, "The answer is 4.")],
        ),
        (
            'I look it up. <tool_call>{"name": "f"}</tool_call> It is 4.',
            [(A, "I look it up."), (T, '{"name": "f"}'), (A, "It is 4.")],
        ),
        (
            "User: how warm?\nThought: look\nAction: weather\nObservation: 12\nAssistant: It is 12.",
            [(U, "how warm?"), (K, "look"), (T, "weather"), (T, "12"), (A, "It is 12.")],
        ),
    ],
)
def test_turns(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is 4.",
        "- User: alice\n- Host: db1\n- Port: 5432",
        "User: alice\nPassword: none\nHost: db1",
        "Q: 2 + 2?\nA: 4\n\nQ: 3 + 3?\nA: 6",
        "HAMLET: To be.\nOPHELIA: Good my lord.",
        "The user should click, and the assistant helps.",
        "# Human rights\n\nThey hold for all.",
        "Compare a < b and <b>bold</b>.",
    ],
)
def test_a_plain_answer_is_one_turn(text):
    assert turns(text) == ([(A, 0, len(text))] if text else [])
    assert not foreign_spans(text)


def test_only_what_the_model_says_becomes_insights():
    text = (
        "User: My rule: release tags must start with foo- in all cases.\n\n"
        "Assistant: Release tags must start with rel- and end with the year.\n\n"
        "Tool: Release tags must start with bar- says the page.\n"
    )
    insights = InsightExtractor().extract(text, "strong").insights
    contents = " ".join(insight.content for insight in insights)
    assert "rel-" in contents
    assert "foo-" not in contents
    assert "bar-" not in contents
    for insight in insights:
        span = insight.evidence[0]
        assert text[span.start : span.end].split() == insight.content.split()


pieces = st.sampled_from(
    ["User: ", "Assistant: ", "\n", "hi ", "<think>", "</think>", "<|im_start|>user\n", "<|im_end|>",
     "[INST]", "[/INST]", "Observation: ", "\ud800", "## User\n", "é"]
)  # fmt: skip


@given(st.lists(pieces, max_size=30).map("".join))
def test_turns_are_in_order_and_apart(text):
    position = 0
    for turn in turns(text):
        assert position <= turn.start < turn.end <= len(text)
        position = turn.end
    spans = foreign_spans(text)
    assert spans == sorted(spans)
    if text:
        InsightExtractor().extract(text, "m")


@pytest.mark.parametrize(
    "hostile", ["<|" * 500_000, "User: " * 200_000, "user\n" * 200_000, "#" * 10**6]
)
def test_hostile_texts_take_linear_time(hostile):
    def seconds(text):
        started = time.process_time()
        turns(text)
        return time.process_time() - started

    eighth = seconds(hostile[: len(hostile) // 8])
    assert seconds(hostile) < 8 * 6 * eighth + 1
