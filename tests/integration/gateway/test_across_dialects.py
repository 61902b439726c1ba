"""A client of one vendor and a model of the other: nothing that both dialects have is lost."""

import json

import anthropic
import openai
import pytest
from upstreams.account import digest
from upstreams.clients import RawClient

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
    settled,
)

CALLED = ["weather", "forecast", "weather"]
CITIES = [f'é"{number}\n\\' for number in range(3)]
FOREIGN = {"/v1/chat/completions": "claude/{}", "/v1/messages": "{}"}
"""The model that does not speak what is spoken on a path."""


# --- OpenAI's client, Anthropic's model


async def test_chat_with_claude(any_chat, upstream):
    raw = await settled(
        any_chat.chat.completions.with_raw_response.create(
            model="claude/text+cached",
            messages=[{"role": "system", "content": "Be brief."}, *ASKED],
            stop=["All"], max_completion_tokens=50, temperature=0.5,
        )
    )  # fmt: skip
    answer = await settled(raw.parse())
    (choice,) = answer.choices
    assert choice.finish_reason == "stop"
    assert choice.message.content.startswith("You said 'Wie wird das Wetter in Zürich?")
    sent = json.loads(upstream.last()["body"])
    assert upstream.last()["target"] == "/v1/messages"
    assert sent["system"] in ("Be brief.", [{"type": "text", "text": "Be brief."}])
    assert (sent["stop_sequences"], sent["max_tokens"]) == (["All"], 50)
    assert raw.headers["x-crossmodel-model"] == "claude/text+cached"
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert 0 < usage.prompt_tokens_details.cached_tokens < usage.prompt_tokens


@pytest.mark.parametrize("model", ["claude/tools", "claude/tools+split-1", "claude/tools+unknown"])
async def test_chat_with_claude_calls_tools(any_chat, model):
    asked = {"model": model, "messages": ASKED, "tools": CHAT_TOOLS}
    whole = await settled(any_chat.chat.completions.create(**asked))
    calls = whole.choices[0].message.tool_calls
    assert whole.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in calls] == CALLED
    assert [json.loads(call.function.arguments)["city"] for call in calls] == CITIES
    chunks = await listed(
        any_chat.chat.completions.create(
            **asked, stream=True, stream_options={"include_usage": True}
        )
    )
    arguments, ids = {}, {}
    for chunk in chunks:
        for choice in chunk.choices:
            for part in choice.delta.tool_calls or ():
                ids.setdefault(part.index, part.id)
                arguments[part.index] = arguments.get(part.index, "") + part.function.arguments
    assert [json.loads(each)["city"] for each in arguments.values()] == CITIES
    assert [*ids.values()] == [call.id for call in calls]
    assert [c.finish_reason for chunk in chunks for c in chunk.choices][-1] == "tool_calls"
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


async def test_chat_gives_claude_results_of_tools(any_chat, upstream):
    asked = {"model": "claude/tools", "tools": CHAT_TOOLS}
    first = await settled(any_chat.chat.completions.create(messages=ASKED, **asked))
    said = first.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{number} °C"}
        for number, call in enumerate(said.tool_calls)
    ]
    answer = await settled(
        any_chat.chat.completions.create(
            messages=[*ASKED, said.model_dump(exclude_none=True), *results], **asked
        )
    )
    assert answer.choices[0].message.content == "The tools said: 0 °C | 1 °C | 2 °C"
    told = json.loads(upstream.last()["body"])["messages"][-1]
    assert [block["tool_use_id"] for block in told["content"]] == [c.id for c in said.tool_calls]


def test_chats_own_stream_helper_reads_claudes_calls(chat):
    tools = [
        {"type": "function", "function": {**t["function"], "strict": True}} for t in CHAT_TOOLS
    ]
    with chat.chat.completions.stream(
        model="claude/text+tools", messages=ASKED, tools=tools
    ) as stream:
        list(stream)
        final = stream.get_final_completion()
    assert [call.function.name for call in final.choices[0].message.tool_calls] == CALLED


@pytest.mark.parametrize(
    ("url", "expected"), [(PIXEL_URL, {"sha256": digest(PIXEL)}), (FAR_URL, {"url": FAR_URL})]
)
async def test_chat_shows_claude_images(any_chat, url, expected):
    answer = await settled(
        any_chat.chat.completions.create(model="claude/image", messages=chat_image(url))
    )
    (image,) = json.loads(answer.choices[0].message.content)["images"]
    assert image.items() >= expected.items()


async def test_chat_asks_claude_for_a_schema(any_chat):
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "trip", "schema": {**SCHEMA, "additionalProperties": False}},
    }
    answer = await settled(
        any_chat.chat.completions.create(
            model="claude/json", messages=ASKED, response_format=wanted
        )
    )
    assert json.loads(answer.choices[0].message.content).keys() == SCHEMA["properties"].keys()


@pytest.mark.parametrize(
    ("model", "more", "reason"),
    [
        ("claude/text", {"max_tokens": 2}, "length"),
        ("claude/text", {}, "stop"),
        ("claude/refusal", {}, "content_filter"),
        ("claude/tools", {"tools": CHAT_TOOLS}, "tool_calls"),
    ],
)
async def test_chat_learns_why_claude_stopped(any_chat, model, more, reason):
    asked = {"model": model, "messages": ASKED, **more}
    whole = await settled(any_chat.chat.completions.create(**asked))
    chunks = await listed(any_chat.chat.completions.create(**asked, stream=True))
    assert whole.choices[0].finish_reason == reason
    assert chunks[-1].choices[0].finish_reason == reason


@pytest.mark.parametrize("model", ["text", "text+reasoning", "unicode", "text+split-1", "text+cr"])
async def test_chat_streams_what_claude_says(any_chat, model):
    asked = {"model": f"claude/{model}", "messages": ASKED}
    whole = await settled(any_chat.chat.completions.create(**asked))
    chunks = await listed(any_chat.chat.completions.create(**asked, stream=True))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert said == whole.choices[0].message.content
    if "reasoning" in model:
        thought = "".join(
            getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks
        )
        assert thought == whole.choices[0].message.reasoning_content != ""


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (400, openai.BadRequestError, 400),
        (404, openai.NotFoundError, 404),
        (500, openai.InternalServerError, 500),
        (503, openai.InternalServerError, 503),
        (529, openai.InternalServerError, 503),
    ],
)
async def test_chat_is_told_of_claudes_errors(any_chat, status, kind, told):
    with pytest.raises(kind) as caught:
        await settled(
            any_chat.chat.completions.create(model=f"claude/status-{status}", messages=ASKED)
        )
    assert caught.value.status_code == told
    assert caught.value.body["message"] == f"told to answer {status}"
    assert set(caught.value.body) == {"message", "type", "param", "code"}


# --- Anthropic's client, OpenAI's model


async def test_messages_with_a_chat_model(any_claude, upstream):
    raw = await settled(
        any_claude.messages.with_raw_response.create(
            model="text+cached", system="Be brief.", messages=ASKED, max_tokens=50,
            stop_sequences=["All"],
        )
    )  # fmt: skip
    answer = await settled(raw.parse())
    assert answer.content[0].text.startswith("You said 'Wie wird das Wetter in Zürich?")
    seen = upstream.last()
    sent = json.loads(seen["body"])
    assert seen["target"] == "/v1/chat/completions"
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent["stop"] == ["All"]
    assert sent.get("max_tokens", sent.get("max_completion_tokens")) == 50
    assert "anthropic-version" not in dict(seen["headers"])
    assert raw.headers["x-crossmodel-model"] == "text+cached"
    assert answer.usage.cache_read_input_tokens > 0
    assert answer.usage.output_tokens > 0


@pytest.mark.parametrize("model", ["tools", "tools+split-1", "tools+unknown"])
async def test_messages_with_a_chat_model_call_tools(any_claude, model):
    asked = {"model": model, "messages": ASKED, "tools": CLAUDE_TOOLS, "max_tokens": 99}
    whole = await settled(any_claude.messages.create(**asked))
    assert whole.stop_reason == "tool_use"
    assert [block.name for block in whole.content] == CALLED
    assert [block.input["city"] for block in whole.content] == CITIES
    events = await listed(any_claude.messages.create(**asked, stream=True))
    parts, ids, open_blocks = {}, {}, set()
    for event in events:
        if event.type == "content_block_start":
            assert not open_blocks
            open_blocks.add(event.index)
            ids[event.index] = event.content_block.id
        elif event.type == "content_block_delta":
            parts[event.index] = parts.get(event.index, "") + event.delta.partial_json
        elif event.type == "content_block_stop":
            open_blocks.remove(event.index)
    assert [json.loads(each)["city"] for each in parts.values()] == CITIES
    assert [*ids.values()] == [block.id for block in whole.content]
    (ended,) = [event for event in events if event.type == "message_delta"]
    assert ended.delta.stop_reason == "tool_use"
    assert ended.usage.output_tokens == whole.usage.output_tokens
    assert events[-1].type == "message_stop"


async def test_messages_give_a_chat_model_results_of_tools(any_claude, upstream):
    asked = {"model": "tools", "tools": CLAUDE_TOOLS, "max_tokens": 99}
    first = await settled(any_claude.messages.create(messages=ASKED, **asked))
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"{number} °C"}
        for number, block in enumerate(first.content)
    ]
    answer = await settled(
        any_claude.messages.create(
            messages=[
                *ASKED,
                {"role": "assistant", "content": [block.model_dump() for block in first.content]},
                {"role": "user", "content": results},
            ],
            **asked,
        )
    )
    assert answer.content[0].text == "The tools said: 0 °C | 1 °C | 2 °C"
    turns = json.loads(upstream.last()["body"])["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool", "tool", "tool"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [(BASE64_SOURCE, {"sha256": digest(PIXEL)}), (URL_SOURCE, {"url": FAR_URL})],
)
async def test_messages_show_a_chat_model_images(any_claude, source, expected):
    answer = await settled(
        any_claude.messages.create(model="image", messages=claude_image(source), max_tokens=500)
    )
    (image,) = json.loads(answer.content[0].text)["images"]
    assert image.items() >= expected.items()


@pytest.mark.parametrize(
    ("model", "more", "reason"),
    [
        ("text", {"max_tokens": 2}, "max_tokens"),
        ("text", {}, "end_turn"),
        ("tools", {"tools": CLAUDE_TOOLS}, "tool_use"),
        ("refusal", {}, "refusal"),
    ],
)
async def test_messages_learn_why_a_chat_model_stopped(any_claude, model, more, reason):
    asked = {"model": model, "messages": ASKED, "max_tokens": 99, **more}
    whole = await settled(any_claude.messages.create(**asked))
    events = await listed(any_claude.messages.create(**asked, stream=True))
    (ended,) = [event for event in events if event.type == "message_delta"]
    assert (whole.stop_reason, ended.delta.stop_reason) == (reason, reason)


@pytest.mark.parametrize("model", ["text", "unicode", "text+split-1", "text+crlf"])
def test_messages_own_stream_helper_reads_a_chat_model(claude, model):
    asked = {"model": model, "messages": ASKED, "max_tokens": 999}
    whole = claude.messages.create(**asked)
    with claude.messages.stream(**asked) as stream:
        said = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert said == final.content[0].text == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, anthropic.BadRequestError),
        (404, anthropic.NotFoundError),
        (500, anthropic.InternalServerError),
        (503, anthropic.InternalServerError),
        (529, anthropic.InternalServerError),
    ],
)
async def test_messages_are_told_of_a_chat_models_errors(any_claude, status, kind):
    with pytest.raises(kind) as caught:
        await settled(
            any_claude.messages.create(model=f"status-{status}", messages=ASKED, max_tokens=9)
        )
    assert caught.value.status_code == status
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["message"] == f"told to answer {status}"


# --- both


@pytest.mark.parametrize("answer", ["unicode", "tools"])
@pytest.mark.parametrize("path", FOREIGN)
def test_a_translated_stream_is_the_same_wherever_it_is_cut(gateway, upstream, path, answer):
    body = body_of(path, FOREIGN[path].format(answer), stream=True) | {"max_tokens": 2}
    if answer == "tools":
        body["tools"] = CLAUDE_TOOLS if path == "/v1/messages" else CHAT_TOOLS
    other = "/v1/chat/completions" if path == "/v1/messages" else "/v1/messages"
    plain = gateway.ask(path, body)
    assert plain.complete
    expected = _dated(plain.body)
    with RawClient(upstream.host, upstream.port) as client:
        sent = json.loads(upstream.last()["body"])
        size = len(client.ask("POST", other, sent).raw)
    step = 1 if answer == "unicode" else 7
    for at, got in at_every_cut(gateway, path, body, size, step=step):
        assert _dated(got) == expected, at


def _dated(body):
    """The body but for the second that it was made in."""
    lines = body.split(b"\n")
    for number, line in enumerate(lines):
        if line.startswith(b"data: {") and b'"created":' in line:
            event = json.loads(line[6:])
            event["created"] = 0
            lines[number] = json.dumps(event).encode()
    return b"\n".join(lines)


@pytest.mark.parametrize("model", ["text", "claude/text"])
async def test_whatever_the_dialect_the_cost_is_the_same(gateway, model):
    by_chat = gateway.ask("/v1/chat/completions", body_of("/v1/chat/completions", model))
    by_messages = gateway.ask("/v1/messages", body_of("/v1/messages", model))
    assert by_chat.header("x-crossmodel-cost") == by_messages.header("x-crossmodel-cost")
    assert by_chat.header("x-crossmodel-price") == by_messages.header("x-crossmodel-price")
