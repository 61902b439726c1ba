"""The upstream process by itself: the vendors' own clients in what goes well, sockets in the rest."""

import base64
import contextlib
import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from itertools import pairwise

import anthropic
import openai
import pytest
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from upstreams import Upstream
from upstreams.account import digest
from upstreams.behaviours import ANSWERS, FAULTS, Behaviour, UnknownBehaviourError
from upstreams.clients import RawClient, request
from upstreams.parsing import MalformedRequestError, RequestParser

PIXEL = b"\x89PNG\r\n\x1a\n not much of an image"
IMAGE_URL = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "units": {"enum": ["C", "F"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "deep": {"type": "object", "properties": {"yes": {"type": "boolean"}}},
    },
}
CHAT_TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": SCHEMA}}
    for name in ("weather", "forecast")
]
FLAT_TOOLS = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
CLAUDE_TOOLS = [{"name": "weather", "input_schema": SCHEMA}]
ASKED = [{"role": "user", "content": "Wie wird das Wetter in Zürich? 🙂"}]
WITH_IMAGE = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": IMAGE_URL}},
        ],
    }
]
CLAUDE_IMAGE = [
    {
        "role": "user",
        "content": [
            {
                "type": "image",
                "source": {
                    "type": "base64",
                    "media_type": "image/png",
                    "data": base64.b64encode(PIXEL).decode(),
                },
            },
            {"type": "text", "text": "What is this?"},
        ],
    }
]
TRAVELS = [
    "split-1", "split-7", "one-write", "chunk-ext", "close", "slow-1", "first-20", "crlf", "cr",
    "keepalive-2", "gzip", "100", "split-5+crlf+chunk-ext", "split-3+gzip", "one-write+close+cr",
]  # fmt: skip
PLAIN = [
    *sorted(ANSWERS - {"big", "long", "echo"}),
    *("long-50", "text+reasoning", "text+cached", "text+tools", "text+unknown", "tools+unknown"),
]


@pytest.fixture
def openai_client(upstream):
    with openai.OpenAI(base_url=upstream.v1, api_key="sk-1", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
def claude(upstream):
    with anthropic.Anthropic(
        base_url=upstream.url, api_key="sk-2", max_retries=0, timeout=10
    ) as client:
        yield client


@pytest.fixture
def raw(upstream):
    with RawClient(upstream.host, upstream.port) as client:
        yield client


def chat_body(model, **more):
    return {"model": model, "messages": ASKED, **more}


def messages_body(model, **more):
    return {"model": model, "messages": ASKED, "max_tokens": 9000, **more}


def connect(upstream):
    return RawClient(upstream.host, upstream.port)


# --- what is asked for by name


def test_every_word_of_the_documentation_is_a_behaviour():
    import upstreams.behaviours

    documented = {
        word.strip()
        for line in upstreams.behaviours.__doc__.splitlines()
        if line.startswith("    ") and line.strip()
        for word in line.strip().split("  ")[0].split(", ")
        if " " not in word.strip()
    }
    known = upstreams.behaviours._BARE | {f"{word}-N" for word in upstreams.behaviours._NUMBERED}
    takes_both = {"long", "error-event", "refuse", "huge-header"}
    assert documented == known - takes_both
    for word in documented:
        Behaviour.parse(word.replace("-N", "-418"))


@pytest.mark.parametrize(
    "name",
    ["", "gpt-5", "text+", "split", "split-0", "split--1", "split-x", "status-200", "text-3"],
)
def test_a_name_that_says_something_else_is_unknown(name):
    with pytest.raises(UnknownBehaviourError):
        Behaviour.parse(name)


@given(st.text())
def test_any_name_is_a_behaviour_or_unknown(name):
    try:
        behaviour = Behaviour.parse(name)
    except UnknownBehaviourError:
        return
    assert behaviour.answer in ANSWERS
    assert FAULTS & behaviour.failing().words.keys()
    assert not FAULTS & behaviour.well().words.keys()


# --- OpenAI


@pytest.mark.parametrize("model", PLAIN)
def test_chat_is_what_openais_own_types_say(upstream, model):
    asked = chat_body(model, tools=CHAT_TOOLS, n=2)
    with connect(upstream) as client:
        whole = client.ask("POST", "/v1/chat/completions", asked)
        stream = client.ask(
            "POST",
            "/v1/chat/completions",
            asked | {"stream": True, "stream_options": {"include_usage": True}},
        )
    answer = ChatCompletion.model_validate(whole.json())
    events = stream.events()
    assert events[-1] == (None, "[DONE]")
    chunks = [
        ChatCompletionChunk.model_validate_json(data) for name, data in events[:-1] if not name
    ]
    assert chunks[-1].usage == answer.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    for index, choice in enumerate(answer.choices):
        deltas = [c for chunk in chunks for c in chunk.choices if c.index == index]
        assert "".join(d.delta.content or "" for d in deltas) == (choice.message.content or "")
        assert "".join(d.delta.refusal or "" for d in deltas) == (choice.message.refusal or "")
        assert deltas[-1].finish_reason == choice.finish_reason


@pytest.mark.parametrize("travels", ["", *TRAVELS])
def test_openais_client_reads_parallel_calls_whatever_the_way(openai_client, travels):
    model = "+".join(["tools", *filter(None, [travels])])
    asked = chat_body(model, tools=CHAT_TOOLS)
    whole = openai_client.chat.completions.create(**asked).choices[0]
    with openai_client.chat.completions.stream(**asked) as stream:
        streamed = stream.get_final_completion().choices[0]
    calls = whole.message.tool_calls
    assert whole.finish_reason == streamed.finish_reason == "tool_calls"
    assert [call.function.name for call in calls] == ["weather", "forecast", "weather"]
    assert len({call.function.arguments for call in calls}) == 3
    assert set(json.loads(calls[0].function.arguments)) == set(SCHEMA["properties"])
    for call, other in zip(calls, streamed.message.tool_calls, strict=True):
        assert call.id == other.id
        assert call.function.name == other.function.name
        assert call.function.arguments == other.function.arguments


def test_calls_take_turns_in_a_chat_stream(upstream, raw):
    asked = chat_body("tools", tools=CHAT_TOOLS, stream=True)
    events = raw.ask("POST", "/v1/chat/completions", asked).events()
    turns = [
        call["index"]
        for _, data in events[:-1]
        for choice in json.loads(data)["choices"]
        for call in choice["delta"].get("tool_calls", [])
    ]
    assert turns[:9] == [0, 1, 2] * 3
    assert upstream.last()["events"] == len(events)


def test_results_of_tools_are_answered_in_text(openai_client, claude):
    asked = chat_body("tools", tools=CHAT_TOOLS)
    message = openai_client.chat.completions.create(**asked).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"rain {number}"}
        for number, call in enumerate(message.tool_calls)
    ]
    asked["messages"] = [*ASKED, message.model_dump(exclude_none=True), *results]
    text = openai_client.chat.completions.create(**asked).choices[0].message.content
    assert text == "The tools said: rain 0 | rain 1 | rain 2"

    asked = messages_body("tools", tools=CLAUDE_TOOLS)
    first = claude.messages.create(**asked)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"sun {number}"}
        for number, block in enumerate(first.content)
    ]
    asked["messages"] = [
        *ASKED,
        {
            "role": "assistant",
            "content": [block.model_dump(exclude_none=True) for block in first.content],
        },
        {"role": "user", "content": results},
    ]
    assert (
        claude.messages.create(**asked).content[0].text == "The tools said: sun 0 | sun 1 | sun 2"
    )


@pytest.mark.parametrize("model", PLAIN)
def test_responses_are_what_openais_own_types_say(upstream, openai_client, model):
    asked = {"model": model, "input": ASKED, "tools": FLAT_TOOLS}
    with connect(upstream) as client:
        whole = client.ask("POST", "/v1/responses", asked)
        stream = client.ask("POST", "/v1/responses", asked | {"stream": True})
    answer = Response.model_validate(whole.json())
    read = TypeAdapter(ResponseStreamEvent).validate_json
    events = [
        read(data) for name, data in stream.events() if name != "response.vendor_note"
    ]  # fmt: skip
    assert events[-1].response == answer
    assert [json.loads(data)["sequence_number"] for _, data in stream.events()] == list(
        range(len(stream.events()))
    )
    parts = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert parts == answer.output_text
    with openai_client.responses.stream(model=model, input=ASKED, tools=FLAT_TOOLS) as accumulated:
        final = accumulated.get_final_response()
    assert final.output_text == answer.output_text
    assert [item.type for item in final.output] == [item.type for item in answer.output]


def test_thoughts_and_cached_tokens_are_told(openai_client, claude):
    asked = chat_body("text+reasoning+cached")
    answer = openai_client.chat.completions.create(**asked)
    assert answer.choices[0].message.reasoning_content.startswith("The user said")
    assert answer.usage.prompt_tokens_details.cached_tokens > 0
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    response = openai_client.responses.create(model="text+reasoning+cached", input="Hm?")
    assert response.output[0].summary[0].text.startswith("The user said")
    assert response.usage.input_tokens_details.cached_tokens > 0
    message = claude.messages.create(**messages_body("text+thinking+cached"))
    assert message.content[0].type == "thinking"
    assert message.usage.cache_read_input_tokens > 0


def test_old_completions_embeddings_and_models(openai_client, claude, raw):
    made = openai_client.completions.create(model="text", prompt="once", max_tokens=3)
    assert made.choices[0].finish_reason == "length"
    parts = openai_client.completions.create(model="text", prompt="once", max_tokens=3, stream=True)
    assert "".join(part.choices[0].text for part in parts) == made.choices[0].text
    Completion.model_validate(made.model_dump())

    few = openai_client.embeddings.create(model="text", input=["a", "b", "a"], dimensions=8)
    plain = raw.ask(
        "POST", "/v1/embeddings", {"model": "text", "input": ["a", "b", "a"], "dimensions": 8}
    ).json()
    CreateEmbeddingResponse.model_validate(plain)
    assert [row.embedding for row in few.data] == [row["embedding"] for row in plain["data"]]
    assert few.data[0].embedding == few.data[2].embedding != few.data[1].embedding

    assert {model.id for model in openai_client.models.list()} == ANSWERS
    assert openai_client.models.retrieve("tools+split-1").id == "tools+split-1"
    assert {model.id for model in claude.models.list()} == ANSWERS
    with pytest.raises(openai.NotFoundError) as caught:
        openai_client.models.retrieve("gpt-5")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("kind", ["text", "json", "unicode"])
def test_an_answer_depends_on_the_prompt_and_on_nothing_else(raw, kind):
    def ask(text):
        asked = {"model": kind, "messages": [{"role": "user", "content": text}]}
        return raw.ask("POST", "/v1/chat/completions", asked).raw

    assert ask("one") == ask("one")
    assert ask("one") != ask("two")


def test_limits_and_stops_end_an_answer(openai_client, claude):
    ask = openai_client.chat.completions.create
    assert ask(**chat_body("text", max_tokens=2)).choices[0].finish_reason == "length"
    assert ask(**chat_body("text", max_completion_tokens=2)).usage.completion_tokens == 2
    assert "digest" not in ask(**chat_body("text", stop=["digest"])).choices[0].message.content
    short = openai_client.responses.create(model="text", input="a", max_output_tokens=2)
    assert short.status == "incomplete"
    assert (
        claude.messages.create(**messages_body("text") | {"max_tokens": 2}).stop_reason
        == "max_tokens"
    )
    stopped = claude.messages.create(**messages_body("text", stop_sequences=["never", "digest"]))
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "digest")


def test_an_image_and_a_schema_arrive(openai_client, claude):
    expected = {"media_type": "image/png", "sha256": digest(PIXEL), "bytes": len(PIXEL)}
    chat = openai_client.chat.completions.create(model="image", messages=WITH_IMAGE)
    assert json.loads(chat.choices[0].message.content) == {"images": [expected]}
    message = claude.messages.create(model="image", messages=CLAUDE_IMAGE, max_tokens=5000)
    assert json.loads(message.content[0].text) == {"images": [expected]}
    wanted = {"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA}}
    filled = openai_client.chat.completions.create(**chat_body("json", response_format=wanted))
    assert set(json.loads(filled.choices[0].message.content)) == set(SCHEMA["properties"])


# --- Anthropic


@pytest.mark.parametrize("model", PLAIN)
def test_messages_are_what_anthropics_own_types_say(upstream, claude, model):
    asked = messages_body(model, tools=CLAUDE_TOOLS)
    with connect(upstream) as client:
        whole = client.ask("POST", "/v1/messages", asked)
        stream = client.ask("POST", "/v1/messages", asked | {"stream": True})
    answer = Message.model_validate(whole.json())
    read = TypeAdapter(RawMessageStreamEvent).validate_json
    events = [
        read(data) for name, data in stream.events() if name not in {"ping", "vendor_note"}
    ]  # fmt: skip
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")
    with claude.messages.stream(**asked) as accumulated:
        final = accumulated.get_final_message()
    assert [block.type for block in final.content] == [block.type for block in answer.content]
    for block, other in zip(final.content, answer.content, strict=True):
        if block.type == "text":
            assert block.text == other.text
        elif block.type == "tool_use":
            assert (block.id, block.name, block.input) == (other.id, other.name, other.input)
        else:
            assert (block.thinking, block.signature) == (other.thinking, other.signature)
    assert final.stop_reason == answer.stop_reason
    assert final.usage.output_tokens == answer.usage.output_tokens
    assert final.usage.input_tokens == answer.usage.input_tokens


@pytest.mark.parametrize("travels", TRAVELS)
def test_anthropics_client_reads_text_and_calls_whatever_the_way(claude, travels):
    asked = messages_body(f"text+tools+{travels}", tools=CLAUDE_TOOLS)
    whole = claude.messages.create(**asked)
    with claude.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    assert [block.type for block in whole.content] == ["text", "tool_use", "tool_use", "tool_use"]
    assert [block.input for block in whole.content[1:]] == [
        block.input for block in streamed.content[1:]
    ]
    assert streamed.content[0].text == whole.content[0].text == "Let me look that up."


def test_tokens_are_counted_alike(claude):
    counted = claude.messages.count_tokens(model="text", messages=ASKED)
    MessageTokensCount.model_validate(counted.model_dump())
    assert (
        counted.input_tokens == claude.messages.create(**messages_body("text")).usage.input_tokens
    )


# --- what is added


def test_unknown_things_are_everywhere_and_both_clients_read_on(upstream, openai_client, claude):
    with openai_client.chat.completions.stream(**chat_body("text+unknown")) as stream:
        text = stream.get_final_completion().choices[0].message.content
    assert (
        text
        == openai_client.chat.completions.create(**chat_body("text")).choices[0].message.content
    )
    with claude.messages.stream(**messages_body("text+unknown")) as stream:
        assert stream.get_final_message().content[0].text == text
    with connect(upstream) as client:
        answer = client.ask("POST", "/v1/chat/completions", chat_body("text+unknown"))
        stream = client.ask("POST", "/v1/chat/completions", chat_body("text+unknown", stream=True))
    assert answer.all("x-vendor-odd") == ["first", "second"]
    assert answer.all("set-cookie") == ["a=1; Path=/", "b=2"]
    assert b'"n": 1.10, "big": 123456789012345678901234567890' in answer.body
    assert answer.json()["choices"][0]["message"]["x_vendor"]["odd"]["e"] == 100
    assert b"event: vendor_note" in stream.body
    assert b": comment 0" in stream.body


def test_no_usage_means_none(raw):
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    for path, body in [
        ("/v1/chat/completions", chat_body("no-usage")),
        ("/v1/completions", {"model": "no-usage", "prompt": "a"}),
        ("/v1/responses", {"model": "no-usage", "input": "a"}),
        ("/v1/messages", messages_body("no-usage")),
    ]:
        assert b"_tokens" not in raw.ask("POST", path, body).body.replace(b"max_output_tokens", b"")
        assert b"_tokens" not in raw.ask("POST", path, body | usage).body


def test_big_answers_come_in_chunks_of_a_mebibyte(upstream, openai_client):
    parts = openai_client.chat.completions.create(**chat_body("big", stream=True))
    sizes = [len(part.choices[0].delta.content or "") for part in parts]
    assert sizes.count(1 << 20) == 3
    with connect(upstream) as client:
        answer = client.ask("POST", "/v1/chat/completions", chat_body("big"))
    assert answer.complete
    assert len(answer.body) > 3 << 20
    assert upstream.idle()["requests"][-1]["written"] == len(answer.raw)


def test_characters_are_cut_in_two(raw):
    answer = raw.ask("POST", "/v1/chat/completions", chat_body("unicode", stream=True))

    def broken(chunk):
        try:
            chunk.decode()
        except UnicodeDecodeError:
            return True
        return False

    assert sum(map(broken, answer.chunks)) > 20
    assert "東京" in answer.content.decode()


# --- how it travels


def test_split_splits_wire_and_chunks(raw):
    answer = raw.ask("POST", "/v1/chat/completions", chat_body("split-1", stream=True))
    assert {len(chunk) for chunk in answer.chunks} == {1}
    plain = raw.ask("POST", "/v1/chat/completions", chat_body("text@split", stream=True))
    assert [data.replace("text@split", "split-1") for _, data in plain.events()][-1] == "[DONE]"
    assert len(plain.chunks) == len(plain.events())


def test_extensions_and_trailers(raw):
    answer = raw.ask("POST", "/v1/chat/completions", chat_body("chunk-ext"))
    assert answer.extensions[0].startswith("name=value;quoted=")
    assert answer.trailers == [("X-Checksum", "12ab"), ("X-Vendor-Trailer", "last")]
    assert answer.json()["object"] == "chat.completion"


def test_close_ends_the_body(raw):
    answer = raw.ask("POST", "/v1/chat/completions", chat_body("close", stream=True))
    assert answer.header("connection") == "close"
    assert answer.header("content-length") is answer.header("transfer-encoding") is None
    assert answer.events()[-1][1] == "[DONE]"
    assert raw.peer_state(1) == "fin"


def test_interim_answers(raw):
    assert raw.ask("POST", "/v1/chat/completions", chat_body("100")).interim == [100]
    whole = request("POST", "/v1/chat/completions", chat_body("text"), [("Expect", "100-continue")])
    head, _, body = whole.partition(b"\r\n\r\n")
    raw.send(head + b"\r\n\r\n")
    assert raw.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.send(body)
    assert raw.read_response().status == 200


def test_gzip_is_for_who_accepts_it(raw):
    accepts = [("Accept-Encoding", "gzip, br")]
    for stream in (False, True):
        body = chat_body("gzip", stream=stream)
        packed = raw.ask("POST", "/v1/chat/completions", body, accepts)
        plain = raw.ask("POST", "/v1/chat/completions", body)
        assert packed.header("content-encoding") == "gzip"
        assert plain.header("content-encoding") is None
        assert packed.content == plain.body


def test_time_is_taken(upstream, raw):
    raw.ask(
        "POST", "/v1/chat/completions", chat_body("first-60+slow-10", max_tokens=5, stream=True)
    )
    record = upstream.idle()["requests"][-1]
    assert record["first_byte_at"] - record["received_at"] >= 0.06
    assert record["ended_at"] - record["first_byte_at"] >= 0.01 * (record["events"] - 1)


# --- what goes wrong


@pytest.mark.parametrize(
    ("word", "ended"),
    [("drop-3", "reset"), ("cut-3", "fin"), ("short", "fin"), ("drop-999", "reset")],
)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("travels", ["", "+split-2", "+one-write", "+gzip", "+chunk-ext"])
def test_what_is_broken_off_is_never_whole(upstream, word, ended, stream, travels):
    headers = [("Accept-Encoding", "gzip")]
    body = chat_body(word + travels, stream=stream)
    with connect(upstream) as client:
        answer = client.ask("POST", "/v1/chat/completions", body, headers)
    assert (answer.status, answer.ended) == (200, ended)
    seen = upstream.idle()
    assert seen["requests"][-1]["outcome"] == word.partition("-")[0]
    assert seen["requests"][-1]["left_at"] is None
    if word.endswith("-3"):
        assert seen["requests"][-1]["events"] == 3
    if stream and word == "drop-3" and "gzip" not in travels:
        assert len(answer.events()) == 3


@pytest.mark.parametrize("word", ["drop-3", "cut-3"])
def test_both_clients_notice_what_is_broken_off(openai_client, claude, word):
    with pytest.raises(openai.APIConnectionError):
        list(openai_client.chat.completions.create(**chat_body(word, stream=True)))
    with pytest.raises(Exception, match=r"(?i)peer closed|reset|incomplete"):
        list(claude.messages.create(**messages_body(word, stream=True)))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503, 529])
def test_errors_are_the_vendors_own(openai_client, claude, status):
    with pytest.raises(openai.APIStatusError) as caught:
        openai_client.chat.completions.create(**chat_body(f"status-{status}"))
    assert caught.value.status_code == status
    assert caught.value.body["message"] == f"told to answer {status}"
    with pytest.raises(anthropic.APIStatusError) as caught:
        claude.messages.create(**messages_body(f"status-{status}", stream=True))
    assert caught.value.status_code == status
    assert caught.value.body["error"]["message"] == f"told to answer {status}"


def test_when_to_come_again_is_said(raw):
    ask = raw.ask("POST", "/v1/chat/completions", chat_body("retry-after-7"))
    assert (ask.status, ask.header("retry-after")) == (429, "7")
    ask = raw.ask("POST", "/v1/messages", messages_body("retry-date-60+status-503"))
    assert ask.status == 503
    ahead = parsedate_to_datetime(ask.header("retry-after")).timestamp() - time.time()
    assert 55 < ahead <= 60


@pytest.mark.parametrize("status", [404, 400])
def test_bad_requests_get_the_dialects_errors(raw, status):
    body = {404: chat_body("gpt-5"), 400: {"model": "text"}}[status]
    answer = raw.ask("POST", "/v1/chat/completions", body)
    assert answer.status == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
    answer = raw.ask("POST", "/v1/messages", body)
    assert answer.status == status
    assert answer.json()["type"] == "error"
    assert raw.ask("POST", "/v1/messages", b"{").status == 400
    assert raw.ask("POST", "/v1/messages", b"[" * 100_000).status == 400
    assert raw.ask("GET", "/v1/messages").status == 405
    assert raw.ask("GET", "/v2").status == 404


def test_garbage_and_broken_json(upstream, raw, openai_client):
    with pytest.raises(openai.APIConnectionError):
        openai_client.chat.completions.create(**chat_body("garbage"))
    answer = raw.ask("POST", "/v1/chat/completions", chat_body("badjson"))
    assert (answer.status, answer.ended) == (200, "complete")
    with pytest.raises(ValueError):
        answer.json()
    stream = raw.ask("POST", "/v1/messages", messages_body("badjson", stream=True))
    whole = raw.ask("POST", "/v1/messages", messages_body("text", stream=True))
    assert len(stream.events()) == len(whole.events())
    broken = 0
    for _, data in stream.events():
        with contextlib.suppress(ValueError):
            json.loads(data)
            continue
        broken += 1
    assert broken == 1
    raw.send(request("POST", "/v1/messages", messages_body("garbage")))
    assert not raw.read_until_close().startswith(b"HTTP")


def test_errors_within_a_stream(openai_client, claude, raw):
    with pytest.raises(openai.APIError, match="broke"):
        list(openai_client.chat.completions.create(**chat_body("error-event", stream=True)))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(claude.messages.create(**messages_body("error-event", stream=True)))
    found = raw.ask(
        "POST", "/v1/responses", {"model": "error-event-3", "input": "a", "stream": True}
    )
    assert [name for name, _ in found.events()].index("error") == 3
    assert raw.ask("POST", "/v1/messages", messages_body("error-event")).status == 500


def test_the_last_event_may_be_missing(raw):
    chat = raw.ask("POST", "/v1/chat/completions", chat_body("no-done", stream=True))
    assert chat.complete
    assert b"[DONE]" not in chat.body
    messages = raw.ask("POST", "/v1/messages", messages_body("no-done", stream=True))
    assert messages.events()[-1][0] == "message_delta"
    responses = raw.ask("POST", "/v1/responses", {"model": "no-done", "input": "a", "stream": True})
    assert responses.events()[-1][0] == "response.output_item.done"


def test_silence(upstream):
    with connect(upstream) as client:
        client.send(request("POST", "/v1/chat/completions", chat_body("stall")))
        assert client.peer_state(0.1) == "open"
    with connect(upstream) as client:
        answer = client.ask(
            "POST", "/v1/chat/completions", chat_body("stall-2", stream=True), timeout=0.2
        )
        assert answer.ended == "timeout"
        assert len(answer.events()) == 2
        assert upstream.seen()["in_flight"] == 1
    assert [r["outcome"] for r in upstream.idle()["requests"]] == ["left", "left"]


def test_refusing_closes_new_connections_for_a_while(upstream):
    with connect(upstream) as client:
        asked = chat_body("refuse-150")
        assert client.ask("POST", "/v1/chat/completions", asked).ended == "reset"
    with connect(upstream) as client:
        assert client.peer_state(1) in {"fin", "reset"}
    seen = upstream.seen()  # asks until it is let in
    assert seen["refused_connections"] >= 1
    assert seen["requests"][0]["outcome"] == "refuse"
    with connect(upstream) as client:
        assert client.ask("POST", "/v1/chat/completions", chat_body("text")).status == 200


def test_a_huge_header(raw):
    answer = raw.ask("POST", "/v1/chat/completions", chat_body("huge-header-70"))
    assert len(answer.header("x-huge")) == 70 * 1024


def test_flaky_fails_for_each_prompt_then_answers(upstream, raw):
    def ask(model, text="a", **more):
        asked = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return raw.ask("POST", "/v1/chat/completions", asked)

    assert [ask("flaky-2").status for _ in range(4)] == [500, 500, 200, 200]
    assert [ask("flaky-2", "b").status for _ in range(3)] == [500, 500, 200]
    late = [ask("flaky-1+retry-after-3+text") for _ in range(2)]
    assert [(answer.status, answer.header("retry-after")) for answer in late] == [
        (429, "3"),
        (200, None),
    ]
    upstream.reset()
    assert ask("flaky-2").status == 500


def test_faults_can_be_added_from_outside(upstream, raw):
    upstream.behave("status-503")
    assert raw.ask("POST", "/v1/chat/completions", chat_body("text")).status == 503
    with pytest.raises(AssertionError):
        upstream.behave("nothing-known")
    upstream.behave("")
    assert raw.ask("POST", "/v1/chat/completions", chat_body("text")).status == 200


# --- what it saw


def test_a_request_is_seen_as_it_was_sent(upstream, raw):
    body = json.dumps(chat_body("echo")).encode()
    headers = [("X-One", "1"), ("x-one", "\xe9"), ("Authorization", "Bearer sk-1")]
    sent = request("POST", "/v1/chat/completions?a=%20", body, headers)
    raw.send(sent)
    answer = raw.read_response()
    record = upstream.last()
    assert record["target"] == "/v1/chat/completions?a=%20"
    assert [tuple(pair) for pair in record["headers"]] == [
        ("Host", "upstream.test"), *headers, ("Content-Length", str(len(body))),
    ]  # fmt: skip
    assert record["body"].encode() == body
    assert record["body_sha256"] == digest(body)
    assert record["written"] == len(answer.raw)
    assert record["outcome"] == "complete"
    assert record["arrived_at"] <= record["received_at"] <= record["first_byte_at"]
    echoed = json.loads(answer.json()["choices"][0]["message"]["content"])
    assert echoed["body_sha256"] == digest(body)
    assert echoed["headers"] == record["headers"]


@pytest.mark.parametrize("how", ["close", "reset", "half_close"])
@pytest.mark.parametrize("model", ["stall", "long-100000+slow-1", "stall-1", "big+split-64"])
def test_a_peer_that_leaves_is_noticed_at_once(upstream, model, how):
    client = connect(upstream)
    client.send(request("POST", "/v1/chat/completions", chat_body(model, stream=True)))
    upstream.wait_until(lambda seen: seen["in_flight"] == 1)
    left = time.monotonic()
    getattr(client, how)()
    record = upstream.idle()["requests"][0]
    client.close()
    assert record["outcome"] == "left"
    assert -0.01 < record["left_at"] - left < 0.25
    assert record["ended_at"] - record["left_at"] < 0.25


def test_a_slow_reader_holds_the_writer_back(upstream):
    with connect(upstream) as client:
        body = chat_body("long-200000", stream=True)  # 50 MB
        client.send(request("POST", "/v1/chat/completions", body))
        upstream.wait_until(lambda seen: seen["in_flight"] == 1)
        give_up = time.monotonic() + 10
        before, written = -1, upstream.last()["written"]
        while written != before:
            assert time.monotonic() < give_up
            time.sleep(0.3)
            before, written = written, upstream.last()["written"]
        assert 0 < written < 32 << 20


def test_hundreds_at_once(upstream):
    many = 300
    clients = [connect(upstream) for _ in range(many)]
    with contextlib.ExitStack() as stack:
        for client in clients:
            stack.enter_context(client)
            client.send(
                request("POST", "/v1/chat/completions", chat_body("first-300", stream=True))
            )
        seen = upstream.wait_until(lambda seen: seen["total"] == many)
        answers = [client.read_response() for client in clients]
        assert all(answer.complete and answer.status == 200 for answer in answers)
        seen = upstream.idle()
        assert seen["most_in_flight"] > many / 2
        assert {record["outcome"] for record in seen["requests"]} == {"complete"}


def test_health_is_what_it_is_told_and_no_request(upstream, raw):
    assert raw.ask("GET", "/health").status == 200
    upstream.set_health(503)
    assert raw.ask("GET", "/health").status == 503
    seen = upstream.seen()
    assert (seen["health_checks"], seen["total"]) == (2, 0)
    upstream.reset()
    assert raw.ask("GET", "/health").status == 200


def test_it_comes_back_on_its_port_and_leaves_nothing():
    with Upstream() as upstream:
        port = upstream.port
        with connect(upstream) as client:
            assert client.ask("GET", "/v1/models").status == 200
            upstream.stop()
            assert client.peer_state(2) in {"fin", "reset"}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)
        upstream.start()
        assert upstream.port == port
        assert upstream.seen()["total"] == 0
        running = upstream._process
    assert running.returncode is not None


def test_it_ends_with_the_one_who_started_it():
    upstream = Upstream().start()
    upstream._process.stdin.close()
    assert upstream._process.wait(5) == 0
    upstream.stop()


def test_a_request_that_is_not_sent_to_its_end_is_abandoned(upstream):
    with connect(upstream) as client:
        client.send(request("POST", "/v1/chat/completions", chat_body("text"))[:-1])
        assert client.peer_state(0.05) == "open"
    seen = upstream.wait_until(lambda seen: seen["abandoned"] == 1)
    assert (seen["total"], seen["malformed"]) == (0, [])


@pytest.fixture
def certificate(tmp_path):
    """A PEM file with a key and a certificate for 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8
    path = tmp_path / "upstream.pem"
    path.write_bytes(
        key.private_bytes(pem, plain, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    return path


def test_it_speaks_tls(certificate):
    trusting = ssl.create_default_context(cafile=certificate)
    with Upstream(tls=certificate) as upstream:
        for model, ended in [("split-9", "complete"), ("drop-2", "reset"), ("cut-2", "fin")]:
            with RawClient(upstream.host, upstream.port, tls=trusting) as client:
                asked = chat_body(model, stream=True)
                answer = client.ask("POST", "/v1/chat/completions", asked)
                assert (answer.status, answer.ended) == (200, ended)
        with RawClient(upstream.host, upstream.port, tls=trusting) as client:
            client.send(request("POST", "/v1/chat/completions", chat_body("stall")))
            upstream.wait_until(lambda seen: seen["in_flight"] == 1)
        assert upstream.idle()["requests"][-1]["outcome"] == "left"


# --- HTTP


def test_a_connection_is_kept_and_requests_wait_their_turn(upstream, raw):
    raw.send(request("POST", "/v1/chat/completions", chat_body("first-50")) * 2)
    raw.send(request("POST", "/v1/chat/completions", chunks=[b'{"model":', b'"status-418"}']))
    assert [raw.read_response().status for _ in range(3)] == [200, 200, 418]
    seen = upstream.seen()
    assert {record["connection"] for record in seen["requests"]} == {
        seen["requests"][0]["connection"]
    }
    assert seen["most_in_flight"] == 1


def test_http_1_0_is_answered_by_its_rules(upstream):
    for keeps, state in [(False, "fin"), (True, "open")]:
        with connect(upstream) as client:
            lines = "Connection: keep-alive\r\n" if keeps else ""
            client.send(f"GET /v1/models HTTP/1.0\r\n{lines}\r\n".encode())
            answer = client.read_response("GET")
            assert answer.complete
            assert client.peer_state(0.1) == state


MALFORMED = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("sent", MALFORMED)
def test_malformed_requests_are_refused_and_noted(upstream, raw, sent):
    raw.send(sent)
    answer = raw.read_response()
    assert answer.status == 400
    assert raw.peer_state(1) in {"fin", "reset"}
    seen = upstream.seen()
    assert len(seen["malformed"]) == 1
    assert seen["total"] == 0


@given(st.lists(st.sampled_from([*MALFORMED, request("POST", "/x", b"abc"), b"\r\n"])), st.data())
def test_where_bytes_are_cut_changes_nothing_that_is_read(parts, data):
    sent = b"".join(parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(sent)), max_size=8)))

    def read(pieces):
        parser, found = RequestParser(), []
        try:
            for piece in pieces:
                parser.feed(piece)
                while (one := parser.next_request()) is not None:
                    found.append((one.method, one.target, one.headers, one.body))
        except MalformedRequestError:
            found.append("malformed")
        return found

    edges = [0, *cuts, len(sent)]
    pieces = [sent[start:end] for start, end in pairwise(edges)]
    assert read(pieces) == read([sent])


@given(st.lists(st.binary(min_size=1, max_size=50)), st.binary(max_size=50))
def test_what_the_raw_client_builds_the_parser_reads(chunks, body):
    parser = RequestParser()
    parser.feed(request("POST", "/a", chunks=chunks) + request("PUT", "/b", body))
    assert parser.next_request().body == b"".join(chunks)
    assert parser.next_request().body == body
    assert parser.next_request() is None
    assert not parser.pending


def test_the_raw_client_sends_slowly_and_says_when_it_was_cut_off(upstream):
    sent = request("POST", "/v1/chat/completions", chat_body("text"))
    with connect(upstream) as client:
        assert client.send_slowly(sent[:40], 0.001) == 40
        client.send(sent[40:])
        assert client.read_response().status == 200
    with Upstream() as other, connect(other) as client, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(client.send_slowly, b"GET / HTTP/1.1\r\nX: " + b"x" * 2000, 0.001)
        time.sleep(0.05)
        other.stop()
        assert sending.result() < 2000
