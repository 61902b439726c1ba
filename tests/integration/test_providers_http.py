"""The HTTP providers against a real server, and beside the vendors' own clients."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anthropic
import openai
import pytest
from scripted_server import Reply, ScriptedServer

from crossmodel.domain.completion import CompletionRequest, Message, Usage
from crossmodel.errors import (
    ConfigurationError,
    InvalidInputError,
    ProviderAuthenticationError,
    ProviderConnectionError,
    ProviderError,
    ProviderRateLimitError,
    ProviderResponseError,
    ProviderTimeoutError,
)
from crossmodel.providers import create_provider
from crossmodel.providers.http import EXCERPT, retry_after_seconds
from crossmodel.providers.openai import chat_body, limit_field

KEY = "sk-test-a-very-secret-key"
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "served-model",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "4 \u00e9"},
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "served-model",
    "content": [{"type": "text", "text": "4"}, {"type": "text", "text": " \u00e9"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 3, "cache_read_input_tokens": 2},
}
REQUEST = CompletionRequest(
    "asked-model",
    (
        Message("system", "Be brief."),
        Message("user", "What is"),
        Message("user", "2 + 2?"),
        Message("assistant", "Hm."),
        Message("user", "Well?"),
    ),
    max_tokens=16,
    temperature=0.0,
    stop=("END",),
)


@pytest.fixture
def serve():
    with_exit = []

    def start(*script):
        running = ScriptedServer(list(script)).running()
        server = running.__enter__()
        with_exit.append(running)
        return server

    yield start
    for running in with_exit:
        running.__exit__(None, None, None)


async def ask(kind, server, request=REQUEST, timeout_seconds=5.0, api_key=KEY):
    base_url = server.url + ("/v1" if kind == "openai" else "")
    provider = create_provider(
        kind, provider_id="p", base_url=base_url, api_key=api_key, timeout_seconds=timeout_seconds
    )
    try:
        return await provider.complete(request)
    finally:
        await provider.close()
        await provider.close()


GOOD = {"openai": CHAT, "anthropic": MESSAGE}
KINDS = pytest.mark.parametrize("kind", ["openai", "anthropic"])


@KINDS
async def test_an_answer_is_read_whole(kind, serve):
    answer = await ask(kind, serve(Reply.json(GOOD[kind])))
    assert (answer.text, answer.model, answer.finish_reason) == ("4 \u00e9", "served-model", "stop")
    assert answer.usage == Usage(12, 3)
    assert answer.latency_ms > 0


async def test_openai_sends_and_reads_what_the_vendors_client_does(serve):
    server = serve(Reply.json(CHAT))
    ours = await ask("openai", server)
    async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key=KEY) as client:
        theirs = await client.chat.completions.create(
            model="asked-model",
            messages=[{"role": m.role, "content": m.content} for m in REQUEST.messages],  # type: ignore[misc]
            max_tokens=16,
            temperature=0.0,
            stop=["END"],
        )
    first, second = server.received
    assert first.path == second.path == "/v1/chat/completions"
    assert first.body == second.body
    assert first.headers["authorization"] == second.headers["authorization"]
    assert ours.text == theirs.choices[0].message.content
    assert theirs.usage is not None
    assert ours.usage == Usage(theirs.usage.prompt_tokens, theirs.usage.completion_tokens)


async def test_anthropic_sends_and_reads_what_the_vendors_client_does(serve):
    server = serve(Reply.json(MESSAGE))
    ours = await ask("anthropic", server)
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key=KEY) as client:
        theirs = await client.messages.create(
            model="asked-model",
            max_tokens=16,
            extra_body={"temperature": 0.0},  # no longer an argument; older models still take it
            stop_sequences=["END"],
            system="Be brief.",
            messages=[
                {"role": "user", "content": "What is\n\n2 + 2?"},
                {"role": "assistant", "content": "Hm."},
                {"role": "user", "content": "Well?"},
            ],
        )
    first, second = server.received
    assert first.path == second.path == "/v1/messages"
    assert first.body == second.body
    for header in ("authorization", "anthropic-version"):
        assert first.headers[header] == second.headers[header]
    assert ours.text == "".join(b.text for b in theirs.content if b.type == "text")


async def test_content_in_other_shapes(serve):
    def with_message(**message):
        return Reply.json({"choices": [{"message": message}]})

    for message, text in (
        ({"content": None}, ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "x"}, {"text": "b"}]}, "ab"),
        ({"content": None, "refusal": "No."}, "No."),
        ({"content": "x", "tool_calls": [{}], "unknown": 1}, "x"),
    ):
        answer = await ask("openai", serve(with_message(**message)))
        assert (answer.text, answer.model, answer.usage) == (text, "asked-model", Usage())


@KINDS
async def test_what_may_pass_is_tried_again(kind, serve):
    server = serve(Reply(500, b"oops"), Reply(408), Reply(503), Reply.json(GOOD[kind]))
    assert (await ask(kind, server, timeout_seconds=15)).text == "4 \u00e9"
    assert len(server.received) == 4


@KINDS
@pytest.mark.parametrize(
    ("reply", "error", "tries"),
    [
        (Reply(401, b"bad key " + KEY.encode()), ProviderAuthenticationError, 1),
        (Reply(403, b"no"), ProviderAuthenticationError, 1),
        (Reply(404, b"no such model"), ProviderResponseError, 1),
        (Reply(302, b"", {"location": "http://127.0.0.1:9/"}), ProviderResponseError, 1),
        (Reply(200, b"garbage"), ProviderResponseError, 1),
        (Reply(200, b"{}"), ProviderResponseError, 1),
        (Reply(200, b'{"choices": [], "content": 3}'), ProviderResponseError, 1),
        (Reply(200, b'{"choices": [{}]}'), ProviderResponseError, 1),
        (Reply(200, b"\xff\xfe"), ProviderResponseError, 1),
        (Reply(200, b'{"x":' + b"[" * 200_000), ProviderResponseError, 1),
        (Reply(400, b"x" * (EXCERPT - 15) + KEY.encode()), ProviderResponseError, 1),
        (Reply(500, b"always"), ProviderResponseError, 4),
        (Reply(200, b'{"cho', cut=True), ProviderConnectionError, 4),
        (Reply(429, b"slow down"), ProviderRateLimitError, 4),
    ],
)
async def test_each_failure_has_its_error_and_none_shows_the_key(kind, reply, error, tries, serve):
    server = serve(reply)
    with pytest.raises(error) as caught:
        await ask(kind, server, timeout_seconds=20)
    assert str(caught.value).startswith("p/asked-model: ")
    assert len(server.received) == tries
    shown = caught.value
    while shown is not None:
        assert KEY[:8] not in repr(shown) + str(shown)
        shown = shown.__cause__


@KINDS
async def test_no_answer_in_time(kind, serve):
    started = time.monotonic()
    with pytest.raises(ProviderTimeoutError, match=r"0\.5 s|in time"):
        await ask(kind, serve(Reply(hang_seconds=8)), timeout_seconds=0.5)
    assert time.monotonic() - started < 7


@KINDS
async def test_the_time_limit_covers_the_retries_too(kind, serve):
    started = time.monotonic()
    with pytest.raises((ProviderTimeoutError, ProviderResponseError)):
        await ask(kind, serve(Reply(500, b"", hang_seconds=0.4)), timeout_seconds=1)
    assert time.monotonic() - started < 4


@KINDS
@pytest.mark.parametrize("status", [429, 503])
async def test_the_providers_own_time_is_waited_for(kind, status, serve):
    server = serve(Reply(status, b"", {"retry_after": "1"}), Reply.json(GOOD[kind]))
    started = time.monotonic()
    await ask(kind, server, timeout_seconds=10)
    assert 1 <= time.monotonic() - started < 8


async def test_a_time_past_the_limit_is_not_waited_for_but_told(serve):
    server = serve(Reply(429, b"", {"retry_after": "60"}))
    started = time.monotonic()
    with pytest.raises(ProviderRateLimitError) as caught:
        await ask("openai", server, timeout_seconds=10)
    assert time.monotonic() - started < 8
    assert caught.value.retry_after_seconds == 60
    assert len(server.received) == 1


@KINDS
async def test_a_server_that_is_not_there(kind):
    class Nowhere:
        url = "http://127.0.0.1:9"

    with pytest.raises(ProviderConnectionError):
        await ask(kind, Nowhere())


ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)


async def test_counts_that_the_server_leaves_open_are_zero(serve):
    usage = {"prompt_tokens": None, "completion_tokens": None}
    assert (await ask("openai", serve(Reply.json({**CHAT, "usage": usage})))).usage == Usage()
    usage = {"input_tokens": None, "cache_read_input_tokens": None}
    assert (await ask("anthropic", serve(Reply.json({**MESSAGE, "usage": usage})))).usage == Usage()


@KINDS
@pytest.mark.parametrize(
    "request_",
    [
        CompletionRequest("m", (Message("user", "cut \ud83d"),)),
        CompletionRequest("m", (Message("user", "x"),), extra={"x": object()}),
        CompletionRequest("m", (Message("user", "x"),), extra={"x": ENDLESS}),
    ],
)
async def test_what_json_cannot_carry_is_not_sent(kind, request_, serve):
    server = serve(Reply.json(GOOD[kind]))
    with pytest.raises(InvalidInputError, match=r"surrogate|as JSON"):
        await ask(kind, server, request_)
    assert server.received == []


@KINDS
async def test_a_closed_provider_says_so(kind, serve):
    provider = create_provider(
        kind, provider_id="p", base_url=serve(Reply()).url, api_key=KEY, timeout_seconds=1
    )
    await provider.close()
    with pytest.raises(ProviderError, match="closed"):
        await provider.complete(REQUEST)


@KINDS
@pytest.mark.parametrize("key", [KEY + "\n", "two words", "sk-\u00e9", "nul\0", "a\r\nX-Evil: 1"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(kind, key):
    with pytest.raises(ConfigurationError, match="the key of provider 'p'") as caught:
        create_provider(
            kind, provider_id="p", base_url="http://127.0.0.1:1", api_key=key, timeout_seconds=1
        )
    assert key not in str(caught.value)
    assert KEY not in str(caught.value)


def test_openai_itself_is_told_the_limit_by_its_new_name():
    assert limit_field("https://api.openai.com/v1") == "max_completion_tokens"
    assert limit_field("http://127.0.0.1:9100/v1") == "max_tokens"
    assert limit_field("https://api.openai.com.example/v1") == "max_tokens"
    body = chat_body(REQUEST, limit="max_completion_tokens")
    assert body["max_completion_tokens"] == 16
    assert "max_tokens" not in body


async def test_an_endless_answer_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr("crossmodel.providers.http.MAX_RESPONSE_BYTES", 1000)
    with pytest.raises(ProviderResponseError, match="longer than 1,000 bytes"):
        await ask("openai", serve(Reply(body=b" " * 100_000)))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/",
        "http://",
        "nonsense",
        "http://u:p@h/",
        "http://h:x/",
        "http://h/?a=1",
        "http://h/#f",
        "http://h:99999/",
        "http://[::1/",
        "http://h\n/",
    ],
)
def test_addresses_that_cannot_be_used(url):
    with pytest.raises(ConfigurationError, match="base_url"):
        create_provider("openai", provider_id="p", base_url=url, api_key="k", timeout_seconds=1)


async def test_a_host_that_is_no_name_is_told_of_by_the_first_request():
    provider = create_provider(
        "openai", provider_id="p", base_url="http://xn--/", api_key="k", timeout_seconds=1
    )
    with pytest.raises(ConfigurationError, match="base_url of provider 'p'"):
        await provider.complete(REQUEST)
    await provider.close()


def test_retry_after_in_both_forms():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    date = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert retry_after_seconds("2.5") == 2.5
    assert retry_after_seconds(date, now=now) == 90
    assert retry_after_seconds(format_datetime(now - timedelta(1), usegmt=True), now=now) == 0
    for nothing in (None, "", "soon", "nan", "inf"):
        assert retry_after_seconds(nothing) is None
