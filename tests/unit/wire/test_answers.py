"""What an answer says, whole or as a stream, in every dialect."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.wire.answers import answer_text
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.sse import write_event


def body(dialect, document):
    return answer_text(json.dumps(document).encode(), dialect, is_stream=False)


def stream(dialect, *documents, done=b""):
    raw = b"".join(write_event(json.dumps(each).encode()) for each in documents)
    return answer_text(raw + done, dialect, is_stream=True)


CALLS = '[tool call] get_weather {"city":"Köln"}\n[tool call] get_time {"zone":"CET"}'


def test_a_chat_answer_is_its_text_and_its_tool_calls():
    message = {
        "content": "Let me look.",
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "1", "function": {"name": "get_weather", "arguments": '{"city": "Köln"}'}},
            {"id": "2", "function": {"name": "get_time", "arguments": {"zone": "CET"}}},
        ],
    }
    assert body(Dialect.CHAT, {"choices": [{"message": message}]}) == f"Let me look.\n{CALLS}"


def test_a_chat_stream_says_the_same():
    def piece(**delta):
        return {"choices": [{"index": 0, "delta": delta}]}

    said = stream(
        Dialect.CHAT,
        piece(role="assistant", content=""),
        piece(content="Let me "),
        piece(content="look."),
        piece(tool_calls=[{"index": 0, "function": {"name": "get_weather", "arguments": ""}}]),
        piece(tool_calls=[{"index": 1, "function": {"name": "get_time", "arguments": ""}}]),
        piece(tool_calls=[{"index": 1, "function": {"arguments": '{"zone": "CET"}'}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": '{"city": '}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": '"Köln"}'}}]),
        {"choices": [], "usage": {"prompt_tokens": 3}},
        done=b"data: [DONE]\n\n",
    )
    assert said == f"Let me look.\n{CALLS}"


def test_choices_follow_each_other_in_their_order():
    choices = [{"index": 1, "text": "b"}, {"index": 0, "text": "a"}]
    assert body(Dialect.CHAT, {"choices": choices}) == "a\n\nb"


def test_a_message_is_its_text_and_its_tool_calls():
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Let me "},
        {"type": "text", "text": "look."},
        {"type": "tool_use", "name": "get_weather", "input": {"city": "Köln"}},
        {"type": "tool_use", "name": "get_time", "input": {"zone": "CET"}},
    ]
    assert body(Dialect.MESSAGES, {"content": content}) == f"Let me look.\n{CALLS}"


def test_a_message_stream_says_the_same():
    def begun(index, **block):
        return {"type": "content_block_start", "index": index, "content_block": block}

    def piece(index, **delta):
        return {"type": "content_block_delta", "index": index, "delta": delta}

    said = stream(
        Dialect.MESSAGES,
        {"type": "message_start", "message": {"model": "m", "content": []}},
        begun(0, type="thinking", thinking=""),
        piece(0, thinking="hm"),
        begun(1, type="text", text=""),
        {"type": "ping"},
        piece(1, text="Let me look."),
        begun(2, type="tool_use", name="get_weather", input={}),
        piece(2, partial_json='{"city": "K'),
        piece(2, partial_json='öln"}'),
        begun(3, type="tool_use", name="get_time", input={}),
        piece(3, partial_json='{"zone": "CET"}'),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    )
    assert said == f"Let me look.\n{CALLS}"


RESPONSE = {
    "output": [
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Let me look."}]},
        {"type": "function_call", "name": "get_weather", "arguments": '{"city": "Köln"}'},
        {"type": "web_search_call", "status": "completed"},
        {"type": "function_call", "name": "get_time", "arguments": '{"zone":"CET"}'},
    ]
}


def test_a_response_is_its_text_and_its_tool_calls():
    assert body(Dialect.RESPONSES, RESPONSE) == f"Let me look.\n{CALLS}"


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_response_stream_says_the_same_even_if_its_last_event_is_lost(is_whole):
    events = []
    for index, item in enumerate(RESPONSE["output"]):
        begun = {k: v for k, v in item.items() if k in {"type", "name"}}
        events.append({"type": "response.output_item.added", "output_index": index, "item": begun})
        pieces = {
            "message": [("response.output_text.delta", "Let me look.")],
            "function_call": [
                ("response.function_call_arguments.delta", item.get("arguments", "")[:7]),
                ("response.function_call_arguments.delta", item.get("arguments", "")[7:]),
            ],
        }.get(item["type"], [])
        events += [{"type": kind, "output_index": index, "delta": said} for kind, said in pieces]
    if is_whole:
        events.append({"type": "response.completed", "response": RESPONSE})
    assert stream(Dialect.RESPONSES, *events) == f"Let me look.\n{CALLS}"


def test_a_refusal_is_an_answer():
    message = {"content": None, "refusal": "No."}
    assert body(Dialect.CHAT, {"choices": [{"message": message}]}) == "No."


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b"{}", b'{"error":{"message":"no"}}', b"<html>", b'{"content', b"\xff"],
)
def test_what_is_no_answer_has_no_text(dialect, raw):
    assert answer_text(raw, dialect, is_stream=False) is None


@given(st.binary(max_size=200), st.sampled_from(Dialect), st.booleans())
def test_no_bytes_raise(raw, dialect, is_stream):
    said = answer_text(raw, dialect, is_stream=is_stream)
    assert said is None or said.encode() is not None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "message", "delta", "content", "text", "index", "tool_calls", "function",
             "arguments", "name", "type", "content_block", "output", "item", "response", "input"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@given(_JSON, st.sampled_from(Dialect), st.booleans())
def test_no_json_raises(document, dialect, is_stream):
    raw = json.dumps(document).encode()
    answer_text(write_event(raw) if is_stream else raw, dialect, is_stream=is_stream)


@given(st.text(max_size=40).filter(lambda t: "\ud800" not in t), st.integers(1, 9))
def test_texts_come_out_as_they_were_said_however_a_stream_cuts_them(text, size):
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    chunks = [{"choices": [{"delta": {"content": piece}}]} for piece in pieces] or [{"choices": []}]
    assert stream(Dialect.CHAT, *chunks) == text
    assert body(Dialect.CHAT, {"choices": [{"message": {"content": text}}]}) == text
