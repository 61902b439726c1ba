"""Translated streams, read by the official clients over a transport without a network."""

import json

import anthropic
import httpx2
import openai
import pytest

from crossmodel.gateway.translation.chat_stream import ChatStream
from crossmodel.gateway.translation.message_stream import MessageStream
from crossmodel.wire.sse import DONE, EventParser, write_event

HI = [{"role": "user", "content": "hi"}]


def translate(stream, translator, size=None):
    """All that the client gets for a stream that comes in pieces of ``size`` bytes."""
    parser, size = EventParser(), size or max(len(stream), 1)
    sent = b""
    for start in range(0, len(stream), size):
        for event in parser.feed(stream[start : start + size]):
            sent += translator.feed(event)
    return sent + translator.close()


def transport(body):
    def answer(request):
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def read_as_openai(body):
    client = openai.OpenAI(
        api_key="k", base_url="http://x/v1", http_client=transport(body), max_retries=0
    )
    tools = [
        {"type": "function", "function": {"name": n, "strict": True, "parameters": {}}}
        for n in "fg"
    ]
    with client.chat.completions.stream(model="m", messages=HI, tools=tools) as stream:
        for _ in stream:
            pass
        return stream.get_final_completion()


def read_as_anthropic(body):
    client = anthropic.Anthropic(
        api_key="k", base_url="http://x", http_client=transport(body), max_retries=0
    )
    with client.messages.stream(model="m", max_tokens=9, messages=HI) as stream:
        for _ in stream:
            pass
        return stream.get_final_message()


def messages(*events):
    return b"".join(
        write_event(json.dumps(event).encode(), event["type"].encode()) for event in events
    )


def chunks(*choices, done=True, **more):
    made = []
    for choice in choices:
        body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt", **more}
        body |= (
            choice
            if "choices" in choice or "error" in choice
            else {"choices": [{"index": 0, "finish_reason": None} | choice]}
        )
        made.append(write_event(json.dumps(body).encode()))
    return b"".join(made) + (DONE if done else b"")


def block(index, **start):
    return {"type": "content_block_start", "index": index, "content_block": start}


def delta(index, kind, **said):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **said}}


def stop(index):
    return {"type": "content_block_stop", "index": index}


START = {"type": "message_start", "message": {"id": "m1", "type": "message", "role": "assistant", "content": [], "model": "claude",
         "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 1}}}  # fmt: skip
END = [
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 9},
    },
    {"type": "message_stop"},
]
FULL = messages(
    START,
    {"type": "ping"},
    block(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="hm "),
    delta(0, "thinking_delta", thinking="so"),
    delta(0, "signature_delta", signature="sig"),
    stop(0),
    block(1, type="text", text=""),
    delta(1, "text_delta", text="Hé"),
    delta(1, "text_delta", text="llo 👍🏽"),
    stop(1),
    {"type": "an_event_of_the_future", "x": 1},
    block(2, type="tool_use", id="t1", name="f", input={}),
    block(3, type="tool_use", id="t2", name="g", input={}),  # interleaved with the first
    delta(2, "input_json_delta", partial_json=""),
    delta(3, "input_json_delta", partial_json='{"b"'),
    delta(2, "input_json_delta", partial_json='{"a": [1,'),
    delta(3, "input_json_delta", partial_json=": 2}"),
    delta(2, "input_json_delta", partial_json="2]}"),
    stop(3),
    stop(2),
    block(4, type="tool_use", id="t3", name="f", input={}),
    stop(4),
    *END,
)


@pytest.mark.parametrize("size", [None, 1, 7])
def test_messages_read_by_the_openai_client(size):
    translator = MessageStream(created=5, include_usage=True)
    body = translate(FULL, translator, size)
    assert (translator.ended, translator.failed) == (True, False)
    made = read_as_openai(body)
    assert (made.id, made.model, made.created) == ("m1", "claude", 5)
    said = made.choices[0].message
    assert (said.content, said.reasoning_content) == ("Héllo 👍🏽", "hm so")
    assert made.choices[0].finish_reason == "tool_calls"
    calls = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in said.tool_calls]
    assert calls == [("t1", "f", {"a": [1, 2]}), ("t2", "g", {"b": 2}), ("t3", "f", {})]
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (5, 9)
    assert made.usage.prompt_tokens_details.cached_tokens == 2


def test_the_usage_is_sent_only_if_asked_for():
    assert b'"usage"' not in translate(FULL, MessageStream(created=5))
    assert translate(FULL, MessageStream(created=5)).endswith(DONE)


def test_input_that_a_block_starts_with_is_not_lost():
    body = translate(
        messages(START, block(0, type="tool_use", id="t", name="f", input={"a": 1}), stop(0), *END),
        MessageStream(created=1),
    )
    assert json.loads(read_as_openai(body).choices[0].message.tool_calls[0].function.arguments) == {
        "a": 1
    }


def test_a_refusal_says_why():
    ended = {
        "type": "message_delta",
        "delta": {
            "stop_reason": "refusal",
            "stop_details": {"type": "refusal", "explanation": "not that"},
        },
        "usage": {"output_tokens": 1},
    }
    body = translate(messages(START, ended, END[1]), MessageStream(created=1))
    assert b'"refusal":"not that"' in body
    assert b'"finish_reason":"content_filter"' in body


def test_messages_cut_anywhere_are_never_a_clean_end():
    for end in range(0, len(FULL) - 1, 11):
        translator = MessageStream(created=1)
        body = translate(FULL[:end], translator)
        assert (translator.ended, translator.failed) == (False, True)
        assert b"[DONE]" not in body
        assert body.count(b'"error"') == 1
        with pytest.raises(openai.APIError, match="broke off"):
            read_as_openai(body)


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "error", "error": {"type": "overloaded_error", "message": "too much"}},
        {"type": "error"},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use"}},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "t"},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": []}},
        {"type": "content_block_start", "index": True, "content_block": {"type": "text"}},
        {"type": "content_block_start", "index": {}, "content_block": {"type": "text"}},
        {"type": "content_block_start"},
        {"type": "message_delta"},
        {"type": "message_start", "message": {"id": 3}},
    ],
)
def test_bad_events_end_in_one_error(bad):
    translator = MessageStream(created=1)
    body = translate(messages(START, bad, *END), translator)
    assert (translator.ended, translator.failed) == (False, True)
    assert body.count(b'"error"') == 1
    assert b"[DONE]" not in body
    with pytest.raises(openai.APIError):
        read_as_openai(body)


@pytest.mark.parametrize("data", [b"{", b"3", b"\xff", b"[" * 100_000, b'{"type":[]}'])
def test_garbage_does_not_crash(data):
    for translator in (MessageStream(created=1), ChatStream()):
        assert not translate(write_event(data), translator).endswith(DONE)
        assert translator.failed
        assert not translator.ended


def test_an_end_before_a_block_has_ended_is_an_error():
    translator = MessageStream(created=1)
    translate(messages(START, block(0, type="text", text=""), *END), translator)
    assert translator.failed


def tool(index, **more):
    return {"delta": {"tool_calls": [{"index": index, **more}]}}


CHAT = chunks(
    {"delta": {"role": "assistant", "content": ""}},
    {"delta": {"reasoning_content": "hm"}},
    {"delta": {"content": "Hé"}},
    {"delta": {"content": "llo 👍🏽"}},
    {"choices": [{"index": 1, "delta": {"content": "another"}, "finish_reason": "length"}]},
    tool(0, id="t1", type="function", function={"name": "f", "arguments": ""}),
    tool(0, function={"arguments": '{"a": [1,'}),
    tool(1, id="t.2", type="function", function={"name": "g", "arguments": '{"b"'}),
    tool(0, function={"arguments": "2]}"}),  # interleaved with the second
    {"delta": {"content": "After."}},
    tool(1, function={"arguments": ": 2}"}),
    tool(2, id="t3", type="function", function={"name": "f"}),
    {"delta": {}, "finish_reason": "tool_calls"},
    {
        "choices": [],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 2},
        },
    },
)


@pytest.mark.parametrize("size", [None, 1, 7])
def test_chat_read_by_the_anthropic_client(size):
    translator = ChatStream()
    body = translate(CHAT, translator, size)
    assert (translator.ended, translator.failed) == (True, False)
    made = read_as_anthropic(body)
    assert (made.id, made.model, made.stop_reason) == ("c1", "gpt", "tool_use")
    said = [(b.type, b.text if b.type == "text" else (b.name, b.input)) for b in made.content]
    assert said == [
        ("text", "Héllo 👍🏽"),
        ("tool_use", ("f", {"a": [1, 2]})),
        ("tool_use", ("g", {"b": 2})),
        ("text", "After."),
        ("tool_use", ("f", {})),
    ]
    assert made.content[2].id.startswith("call_")
    assert (
        made.usage.input_tokens,
        made.usage.cache_read_input_tokens,
        made.usage.output_tokens,
    ) == (3, 2, 9)


def test_blocks_come_one_after_the_other():
    opened = None
    for event in EventParser().feed(translate(CHAT, ChatStream())):
        data = json.loads(event.data)
        assert event.event.decode() == data["type"]
        if data["type"] == "content_block_start":
            assert opened is None
            opened = data["index"]
        elif data["type"] == "content_block_delta":
            assert data["index"] == opened
        elif data["type"] == "content_block_stop":
            assert data["index"] == opened
            opened = None
    assert opened is None


def test_text_and_the_first_call_go_out_as_they_come():
    translator = ChatStream()
    sent = [translator.feed(event) for event in EventParser().feed(CHAT)[:7]]
    assert b"H\xc3\xa9" in sent[2]
    assert b"llo" in sent[3]
    assert b'"name":"f"' in sent[5]
    assert b"[1," in sent[6]


def test_calls_without_index_or_id():
    body = translate(chunks(
        {"delta": {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}},
        {"delta": {"tool_calls": [{"id": "b", "function": {"name": "g", "arguments": '{"x":'}}]}},
        {"delta": {"tool_calls": [{"function": {"arguments": "1}"}}]}},
        tool(9, function={"name": "f", "arguments": "{}"}),
        {"delta": {}, "finish_reason": "stop"},
    ), ChatStream())  # fmt: skip
    made = read_as_anthropic(body)
    assert [(b.id, b.input) for b in made.content] == [("a", {}), ("b", {"x": 1}), ("c1_2", {})]
    assert made.stop_reason == "tool_use"


def test_a_name_that_comes_late():
    body = translate(chunks(tool(0, id="a"), tool(0, function={"arguments": "{}"}), tool(0, function={"name": "f"}),
                            {"delta": {}, "finish_reason": "tool_calls"}), ChatStream())  # fmt: skip
    assert [(b.id, b.name) for b in read_as_anthropic(body).content] == [("a", "f")]


def test_refusals_and_stop_sequences():
    body = translate(
        chunks({"delta": {"refusal": "no"}}, {"delta": {}, "finish_reason": "stop"}), ChatStream()
    )
    assert (read_as_anthropic(body).stop_reason, read_as_anthropic(body).content[0].text) == (
        "refusal",
        "no",
    )
    body = translate(
        chunks({"delta": {"content": "x"}, "finish_reason": "stop", "stop_reason": "END"}),
        ChatStream(),
    )
    assert (read_as_anthropic(body).stop_reason, read_as_anthropic(body).stop_sequence) == (
        "stop_sequence",
        "END",
    )


def test_arguments_may_be_cut_by_a_limit_and_by_nothing_else():
    half = tool(0, id="a", function={"name": "f", "arguments": '{"x":'})
    body = translate(chunks(half, {"delta": {}, "finish_reason": "length"}), ChatStream())
    assert read_as_anthropic(body).stop_reason == "max_tokens"
    translator = ChatStream()
    translate(chunks(half, {"delta": {}, "finish_reason": "tool_calls"}), translator)
    assert translator.failed


def test_chat_cut_anywhere_is_never_a_clean_end():
    for end in range(0, len(CHAT) - 1, 11):
        translator = ChatStream()
        body = translate(CHAT[:end], translator)
        assert (translator.ended, translator.failed) == (False, True)
        assert b"message_stop" not in body
        with pytest.raises(anthropic.APIStatusError, match="broke off"):
            read_as_anthropic(body)


@pytest.mark.parametrize(
    "bad",
    [
        {"error": {"message": "too much"}},
        {"error": "plain"},
        {"choices": 3},
        {"choices": [3]},
        {"delta": {"content": 3}},
        {"delta": {"audio": {}}},
        {"delta": {"tool_calls": [{}]}},
        {"delta": {"tool_calls": [{"index": 0, "id": 3}]}},
        {"delta": {"tool_calls": [{"index": 0, "id": "a"}]}},  # it never gets a name
        {"delta": {}, "finish_reason": 3},
    ],
)
def test_bad_chunks_end_in_one_error(bad):
    translator = ChatStream()
    body = translate(
        chunks({"delta": {"content": "x"}}, bad, {"delta": {}, "finish_reason": "stop"}), translator
    )
    assert (translator.ended, translator.failed) == (False, True)
    assert body.count(b"event: error") == 1
    assert b"message_stop" not in body


def test_done_alone_is_no_answer():
    for stream in (DONE, chunks({"delta": {"content": "x"}})):
        translator = ChatStream()
        translate(stream, translator)
        assert translator.failed
