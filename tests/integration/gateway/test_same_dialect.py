"""Clients and models of the same dialect: not a byte of a question or an answer is changed."""

import json

import openai
import pytest
from anthropic.types import Message
from openai.types.chat import ChatCompletion
from upstreams.account import digest
from upstreams.clients import RawClient, request

from gateway.asking import (
    ASKED,
    BASE64_SOURCE,
    CHAT_TOOLS,
    CLAUDE_TOOLS,
    FAR_URL,
    PIXEL,
    PIXEL_URL,
    SCHEMA,
    URL_SOURCE,
    at_every_cut,
    body_of,
    chat_image,
    claude_image,
    listed,
    model_for,
    settled,
)
from gateway.setting import ANSWERS, ANTHROPIC_KEY, OPENAI_KEY, TRAVELS

PATHS = ["/v1/chat/completions", "/v1/messages", "/v1/completions", "/v1/responses"]
TALKS = PATHS[:2]
SAME = [each for each in ANSWERS if each != "echo"]  # which tells the headers, and they differ
TOOLS = {
    "/v1/chat/completions": {"tools": CHAT_TOOLS},
    "/v1/messages": {"tools": CLAUDE_TOOLS},
    "/v1/responses": {
        "tools": [{"type": "function", "strict": False, **CHAT_TOOLS[0]["function"]}]
    },
}


def straight(upstream, path, body, headers=()):
    """What the upstream answers without a gateway in between."""
    with RawClient(upstream.host, upstream.port) as client:
        version = [("anthropic-version", "2023-06-01")] if path == "/v1/messages" else []
        return client.ask("POST", path, body, [*version, *headers], timeout=15)


# --- bytes


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("behaviour", [*SAME, *(f"text+{each}" for each in TRAVELS)])
def test_an_answer_comes_byte_for_byte(gateway, upstream, path, behaviour, stream):
    name = model_for(path, behaviour)
    more = {"stream": stream, **TOOLS.get(path, {})}
    answer = gateway.ask(path, body_of(path, name, **more))
    expected = straight(upstream, path, body_of(path, behaviour, **more))
    assert answer.complete
    assert answer.status == expected.status == 200
    assert answer.body == expected.content
    assert answer.header("content-type") == expected.header("content-type")
    assert answer.header("x-crossmodel-model") == name


@pytest.mark.parametrize("path", TALKS)
@pytest.mark.parametrize(("ends", "step"), [("", 1), ("+crlf", 17), ("+cr", 17)])
def test_a_stream_comes_byte_for_byte_wherever_it_is_cut(gateway, upstream, path, ends, step):
    body = body_of(path, "unicode", stream=True) | {"max_tokens": 2}
    expected = straight(upstream, path, body, [("x-behave", f"unicode{ends}")])
    asked = body | {"model": model_for(path, "unicode")}
    for at, got in at_every_cut(gateway, path, asked, len(expected.raw), step=step, ends=ends):
        assert got == expected.body, at


@pytest.mark.parametrize("path", PATHS)
def test_a_question_goes_byte_for_byte_but_for_the_models_name(gateway, upstream, path):
    rest = (
        '"x_new": {"deep": [1.10, 1E+2, 123456789012345678901234567890, "\\u00e9\\/"]}, '
        '"messages": [{"role": "user", "content": "a\\u0000 \\ud83d\\ude42 é", "x": 1.0}],'
        '"input": "x", "prompt": "x", "max_tokens" : 7,  "temperature":0.70, "seed": 7'
    )
    name = model_for(path, "text")
    raw = f'{{"model": "{name}", {rest}}}'.encode()
    assert gateway.ask(path, raw, [("content-type", "application/json")]).status == 200
    sent = upstream.last()["body"]
    assert json.loads(sent) == json.loads(raw) | {"model": "text"}
    for part in ("1.10", "1E+2", "123456789012345678901234567890", "\\u00e9\\/", "0.70",
                 '[{"role": "user", "content": "a\\u0000 \\ud83d\\ude42 é", "x": 1.0}]'):  # fmt: skip
        assert part in sent


@pytest.mark.parametrize("path", TALKS)
def test_headers_go_through_but_for_those_of_the_connection(gateway, upstream, path):
    headers = [
        ("x-vendor-new", "1"), ("openai-beta", "a=b"), ("anthropic-beta", "tools-1"),
        ("cookie", "s=1"), ("x-hop", "1"), ("connection", "keep-alive, x-hop"),
        ("x-forwarded-for", "10.0.0.1"), ("user-agent", "me/1"), ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
    ]  # fmt: skip
    answer = gateway.ask(path, body_of(path, model_for(path, "text+unknown")), headers)
    seen = dict(upstream.last()["headers"])
    assert seen["x-vendor-new"] == "1"
    assert seen["user-agent"] == "me/1"
    assert seen["anthropic-beta" if path == "/v1/messages" else "openai-beta"]
    assert {"cookie", "x-hop", "x-forwarded-for"}.isdisjoint(seen)
    secret = ANTHROPIC_KEY if path == "/v1/messages" else OPENAI_KEY
    shown = seen.get("x-api-key") or seen.get("authorization")
    assert shown is not None
    assert shown.removeprefix("Bearer ") == secret
    assert gateway.key not in str(seen)
    assert answer.all("x-vendor-odd") == ["first", "second"]
    assert answer.header("x-empty") == ""
    assert answer.header("set-cookie") is None


@pytest.mark.parametrize("path", TALKS)
def test_large_bodies_go_through(gateway, upstream, path):
    text = "é🙂x" * 200_000
    body = body_of(path, model_for(path, "text"), messages=[{"role": "user", "content": text}])
    answer = gateway.ask(path, body)
    assert answer.status == 200
    assert upstream.last()["body_bytes"] > 1_400_000
    sent = json.dumps({**body, "model": "text"})
    again = straight(upstream, path, json.loads(sent))
    assert answer.body == again.body


def test_chunks_of_a_mebibyte_come_as_fast_as_the_client_reads(gateway, upstream):
    body = body_of("/v1/chat/completions", "big", stream=True)
    with gateway.connect() as client:
        client.send(request("POST", "/v1/chat/completions", body, [("x-api-key", gateway.key)]))
        upstream.wait_until(lambda seen: seen["total"] == 1)
        answer = client.read_response()
    assert answer.complete
    assert len(answer.body) > 3 << 20


# --- OpenAI's client


async def test_chat_has_text_and_all_that_belongs_to_it(any_chat, upstream):
    asked = {
        "messages": [{"role": "system", "content": "Be brief."}, *ASKED],
        "temperature": 0.5, "seed": 7, "n": 2, "stop": ["All"], "logprobs": True,
        "top_logprobs": 2, "max_completion_tokens": 50, "user": "u", "metadata": {"a": "b"},
    }  # fmt: skip
    raw = await settled(any_chat.chat.completions.with_raw_response.create(model="text", **asked))
    answer = raw.parse()
    assert isinstance(answer, ChatCompletion)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert "Zürich" in answer.choices[0].message.content
    assert not answer.choices[0].message.content.endswith("All good.")
    assert json.loads(upstream.last()["body"]) == {"model": "text", **asked}
    assert raw.headers["x-crossmodel-model"] == "text"
    assert raw.headers["x-crossmodel-selection"] == "named"
    assert raw.headers["x-crossmodel-price"].startswith("input=3; output=15;")
    assert float(raw.headers["x-crossmodel-cost"].partition(";")[0]) == pytest.approx(
        (answer.usage.prompt_tokens * 3 + answer.usage.completion_tokens * 15) / 1e6
    )
    assert raw.headers["x-crossmodel-witness"] == raw.headers["x-crossmodel-request-id"]
    assert raw.headers["x-request-id"].startswith("req_")


async def test_chat_streams_with_usage_in_the_last_chunk(any_chat):
    whole = await settled(any_chat.chat.completions.create(model="text", messages=ASKED, n=2))
    chunks = await listed(
        any_chat.chat.completions.create(
            model="text", messages=ASKED, n=2, stream=True, stream_options={"include_usage": True}
        )
    )
    for index in (0, 1):
        said = [
            choice.delta.content or ""
            for chunk in chunks
            for choice in chunk.choices
            if choice.index == index
        ]
        assert "".join(said) == whole.choices[index].message.content
    assert chunks[-1].usage == whole.usage
    assert not chunks[-1].choices


@pytest.mark.parametrize("model", ["tools", "tools+split-1", "tools+unknown", "text+tools"])
async def test_chat_streams_parallel_calls_in_fragments(any_chat, model):
    whole = await settled(
        any_chat.chat.completions.create(model=model, messages=ASKED, tools=CHAT_TOOLS)
    )
    calls = whole.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["weather", "forecast", "weather"]
    chunks = await listed(
        any_chat.chat.completions.create(model=model, messages=ASKED, tools=CHAT_TOOLS, stream=True)
    )
    arguments, names = {}, {}
    for chunk in chunks:
        for choice in chunk.choices:
            for part in choice.delta.tool_calls or ():
                names.setdefault(part.index, part.function.name)
                arguments[part.index] = arguments.get(part.index, "") + part.function.arguments
    assert [*arguments.values()] == [call.function.arguments for call in calls]
    assert [*names.values()] == ["weather", "forecast", "weather"]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_chat_takes_results_of_tools(any_chat):
    first = await settled(
        any_chat.chat.completions.create(model="tools", messages=ASKED, tools=CHAT_TOOLS)
    )
    said = first.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{n} °C"}
        for n, call in enumerate(said.tool_calls)
    ]
    answer = await settled(
        any_chat.chat.completions.create(
            model="tools",
            messages=[*ASKED, said.model_dump(exclude_none=True), *results],
            tools=CHAT_TOOLS,
        )
    )
    assert answer.choices[0].message.content == "The tools said: 0 °C | 1 °C | 2 °C"


@pytest.mark.parametrize(
    ("url", "expected"), [(PIXEL_URL, {"sha256": digest(PIXEL)}), (FAR_URL, {"url": FAR_URL})]
)
async def test_chat_takes_images(any_chat, url, expected):
    answer = await settled(
        any_chat.chat.completions.create(model="image", messages=chat_image(url))
    )
    (image,) = json.loads(answer.choices[0].message.content)["images"]
    assert image.items() >= expected.items()


async def test_chat_answers_by_a_schema(any_chat):
    wanted = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA}}
    answer = await settled(
        any_chat.chat.completions.create(model="json", messages=ASKED, response_format=wanted)
    )
    assert json.loads(answer.choices[0].message.content).keys() == SCHEMA["properties"].keys()


async def test_chat_says_no_with_a_refusal(any_chat):
    answer = await settled(any_chat.chat.completions.create(model="refusal", messages=ASKED))
    assert answer.choices[0].message.refusal == "I cannot help with that."


def test_chats_own_stream_helper_works(chat):
    with chat.chat.completions.stream(model="text+cached", messages=ASKED) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"content.delta", "content.done"} <= kinds
    assert "Zürich" in final.choices[0].message.content


# --- Anthropic's client


async def test_messages_have_text_and_all_that_belongs_to_it(any_claude, upstream):
    asked = {
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": ASKED, "max_tokens": 500, "stop_sequences": ["All"],
        "metadata": {"user_id": "u"},
    }  # fmt: skip
    raw = await settled(
        any_claude.messages.with_raw_response.create(model="claude/text+cached", **asked)
    )
    answer = await settled(raw.parse())
    assert isinstance(answer, Message)
    assert "Zürich" in answer.content[0].text
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "All")
    assert json.loads(upstream.last()["body"]) == {"model": "text+cached", **asked}
    assert raw.headers["x-crossmodel-model"] == "claude/text+cached"
    assert raw.headers["request-id"].startswith("req_")
    assert answer.usage.cache_read_input_tokens > 0


@pytest.mark.parametrize(
    "model", ["text", "text+reasoning", "text+cached", "text+unknown", "tools"]
)
async def test_messages_stream_what_they_answer_whole(any_claude, model):
    asked = {"model": f"claude/{model}", "messages": ASKED, "max_tokens": 500}
    if model == "tools":
        asked["tools"] = CLAUDE_TOOLS
    whole = await settled(any_claude.messages.create(**asked))
    events = await listed(any_claude.messages.create(**asked, stream=True))
    assert events[0].type == "message_start"
    assert events[-1].type == "message_stop"
    blocks = {}
    for event in events:
        if event.type == "content_block_delta":
            delta = event.delta
            said = next(
                (
                    value
                    for name in ("text", "thinking", "partial_json")
                    if (value := getattr(delta, name, None)) is not None
                ),
                "",
            )
            blocks[event.index] = blocks.get(event.index, "") + said
    expected = [
        getattr(block, "text", None)
        or getattr(block, "thinking", None)
        or json.dumps(block.input, ensure_ascii=False)
        for block in whole.content
    ]
    assert [*blocks.values()] == expected
    (ended,) = [event for event in events if event.type == "message_delta"]
    assert ended.delta.stop_reason == whole.stop_reason
    assert ended.usage.output_tokens == whole.usage.output_tokens


async def test_messages_take_results_of_tools(any_claude):
    first = await settled(
        any_claude.messages.create(
            model="claude/tools", messages=ASKED, tools=CLAUDE_TOOLS, max_tokens=99
        )
    )
    assert first.stop_reason == "tool_use"
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"{number} °C"}
        for number, block in enumerate(first.content)
    ]
    answer = await settled(
        any_claude.messages.create(
            model="claude/tools", max_tokens=99, tools=CLAUDE_TOOLS,
            messages=[
                *ASKED,
                {"role": "assistant", "content": [block.model_dump() for block in first.content]},
                {"role": "user", "content": results},
            ],
        )
    )  # fmt: skip
    assert answer.content[0].text == "The tools said: 0 °C | 1 °C | 2 °C"


@pytest.mark.parametrize(
    ("source", "expected"),
    [(BASE64_SOURCE, {"sha256": digest(PIXEL)}), (URL_SOURCE, {"url": FAR_URL})],
)
async def test_messages_take_images(any_claude, source, expected):
    answer = await settled(
        any_claude.messages.create(
            model="claude/image", messages=claude_image(source), max_tokens=500
        )
    )
    (image,) = json.loads(answer.content[0].text)["images"]
    assert image.items() >= expected.items()


def test_messages_own_stream_helper_works(claude):
    with claude.messages.stream(
        model="claude/tools", messages=ASKED, tools=CLAUDE_TOOLS, max_tokens=99
    ) as stream:
        final = stream.get_final_message()
    assert [block.name for block in final.content] == ["weather", "forecast", "weather"]
    assert all(block.input["city"] for block in final.content)


def test_the_models_error_is_told_as_it_is(chat, gateway, upstream):
    with pytest.raises(openai.BadRequestError) as caught:
        chat.chat.completions.create(model="status-400", messages=ASKED)
    assert caught.value.body["message"] == "told to answer 400"
    body = body_of("/v1/messages", "claude/status-400")
    expected = straight(upstream, "/v1/messages", body | {"model": "status-400"})
    answer = gateway.ask("/v1/messages", body)
    assert (answer.status, answer.body) == (400, expected.body)
