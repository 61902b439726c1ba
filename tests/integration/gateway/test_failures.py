"""What clients get when the provider fails, and what the provider sees when clients leave."""

import time
from email.utils import parsedate_to_datetime

import anthropic
import openai
import pytest
from upstreams.clients import request

from gateway.asking import ASKED, body_of, listed, model_for, settled
from gateway.setting import ANTHROPIC_KEY, OPENAI_KEY

TALKS = ["/v1/chat/completions", "/v1/messages"]
FOREIGN = {"/v1/chat/completions": "claude/{}", "/v1/messages": "{}"}
WAYS = [
    pytest.param(path, pattern, id=f"{name}{path}")
    for name, patterns in (
        ("same", {"/v1/chat/completions": "{}", "/v1/messages": "claude/{}"}),
        ("other", FOREIGN),
    )
    for path, pattern in patterns.items()
]
"""Both dialects' paths, each with a model that speaks it and one that speaks the other."""


def error_of(path, answer):
    """The error in an answer, whose shape is the dialect's."""
    body = answer.json()
    if path == "/v1/messages":
        assert body["type"] == "error"
        assert set(body["error"]) >= {"type", "message"}
    else:
        assert set(body["error"]) == {"message", "type", "param", "code"}
    return body["error"]


# --- errors before the answer


@pytest.mark.parametrize("model", ["retry-after-7", "claude/retry-after-7"])
async def test_chat_is_told_when_to_come_again(any_chat, model):
    with pytest.raises(openai.RateLimitError) as caught:
        await settled(any_chat.chat.completions.create(model=model, messages=ASKED))
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.body["message"] == "told to answer 429"


@pytest.mark.parametrize("model", ["retry-after-7", "claude/retry-after-7"])
async def test_messages_are_told_when_to_come_again(any_claude, model):
    with pytest.raises(anthropic.RateLimitError) as caught:
        await settled(any_claude.messages.create(model=model, messages=ASKED, max_tokens=9))
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.body["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize(("path", "pattern"), WAYS)
def test_a_wait_may_be_a_date_or_belong_to_a_503(gateway, path, pattern):
    answer = gateway.ask(path, body_of(path, pattern.format("retry-date-30")))
    assert answer.status == 429
    assert parsedate_to_datetime(answer.header("retry-after")).timestamp() > time.time() + 10
    answer = gateway.ask(path, body_of(path, pattern.format("status-503+retry-after-7")))
    assert (answer.status, answer.header("retry-after")) == (503, "7")


@pytest.mark.parametrize(("path", "pattern"), WAYS)
@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_errors_of_the_provider_are_told(gateway, path, pattern, status):
    answer = gateway.ask(path, body_of(path, pattern.format(f"status-{status}")))
    translated_to_chat = (path, pattern) == ("/v1/chat/completions", "claude/{}")
    assert answer.status == (503 if status == 529 and translated_to_chat else status)
    assert error_of(path, answer)["message"] == f"told to answer {status}"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("path", "pattern"), WAYS)
@pytest.mark.parametrize("fault", ["garbage", "refuse-1", "status-302", "drop-0"])
def test_what_is_no_answer_becomes_a_bad_gateway(gateway, path, pattern, fault, stream):
    answer = gateway.ask(path, body_of(path, pattern.format(fault), stream=stream))
    assert answer.complete
    assert answer.status == 502
    assert "elsewhere.test" not in str(answer.raw)
    assert answer.header("location") is None
    assert error_of(path, answer)["message"]


@pytest.mark.parametrize(("path", "pattern"), WAYS)
@pytest.mark.parametrize("fault", ["badjson", "short", "drop-3", "cut-3"])
def test_half_an_answer_becomes_a_bad_gateway(gateway, path, pattern, fault):
    answer = gateway.ask(path, body_of(path, pattern.format(fault)))
    assert answer.complete
    assert answer.status == 502
    error_of(path, answer)


@pytest.mark.parametrize("status", ["status-401", "status-403", "status-401+telltale"])
@pytest.mark.parametrize(("path", "pattern"), WAYS)
def test_that_our_key_is_refused_is_not_the_clients_fault(gateway, path, pattern, status):
    answer = gateway.ask(path, body_of(path, pattern.format(status)))
    assert answer.status == 502
    assert answer.header("x-should-retry") == "false"
    error_of(path, answer)
    for secret in (OPENAI_KEY, ANTHROPIC_KEY):
        assert secret.encode() not in answer.raw
        assert secret not in gateway.log.read_text()


@pytest.mark.parametrize(("path", "pattern"), WAYS)
def test_an_error_that_quotes_our_key_is_redacted(gateway, path, pattern):
    answer = gateway.ask(path, body_of(path, pattern.format("status-400+telltale")))
    assert answer.status == 400
    assert "******" in error_of(path, answer)["message"]
    assert answer.header("x-debug-key").endswith("******")
    for secret in (OPENAI_KEY, ANTHROPIC_KEY):
        assert secret.encode() not in answer.raw


@pytest.mark.parametrize(("path", "pattern"), WAYS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_who_waits_too_long_is_told(gateway, upstream, path, pattern, stream):
    started = time.monotonic()
    answer = gateway.ask(
        path, body_of(path, pattern.format("stall"), stream=stream),
        [("x-crossmodel-timeout", "0.3")],
    )  # fmt: skip
    assert answer.status == 504
    assert 0.3 <= time.monotonic() - started < 5
    error_of(path, answer)
    upstream.idle()


@pytest.mark.parametrize("model", ["stall@hasty", "claude/stall@hasty"])
async def test_a_provider_has_only_the_time_that_it_is_given(any_chat, model):
    with pytest.raises(openai.InternalServerError) as caught:
        await settled(any_chat.chat.completions.create(model=model, messages=ASKED))
    assert caught.value.status_code == 504


# --- errors within a stream


@pytest.mark.parametrize(("path", "pattern"), WAYS)
@pytest.mark.parametrize(
    "fault", ["drop-3", "cut-3", "split-1+drop-4", "stall-3@hasty", "unicode+split-1+drop-9"]
)
def test_a_stream_that_breaks_off_never_ends_well(gateway, upstream, path, pattern, fault):
    answer = gateway.ask(path, body_of(path, pattern.format(fault), stream=True))
    assert answer.status == 200
    assert answer.ended == "fin"
    assert not answer.complete
    events = answer.events()
    if fault == "cut-3" and pattern != FOREIGN[path]:
        return  # within an event nothing can be said: the connection tells
    name, last = events[-1]
    assert '"error"' in last
    assert "[DONE]" not in last
    if path == "/v1/messages":
        assert name == "error"
    else:
        assert name is None
    assert len(events) > 1
    upstream.idle()


@pytest.mark.parametrize("model", ["drop-3", "claude/drop-3", "claude/cut-3", "claude/error-event"])
async def test_chats_client_raises_when_a_stream_breaks_off(any_chat, model):
    with pytest.raises(openai.APIError):
        await listed(any_chat.chat.completions.create(model=model, messages=ASKED, stream=True))


@pytest.mark.parametrize("model", ["claude/drop-3", "drop-3", "cut-3", "error-event"])
async def test_messages_client_raises_when_a_stream_breaks_off(any_claude, model):
    with pytest.raises(anthropic.APIError):
        await listed(
            any_claude.messages.create(model=model, messages=ASKED, max_tokens=99, stream=True)
        )


async def test_within_an_event_only_the_connection_tells_that_it_broke_off(any_chat):
    with pytest.raises(Exception, match=r"incomplete chunked read|Connection error"):
        await listed(any_chat.chat.completions.create(model="cut-3", messages=ASKED, stream=True))


@pytest.mark.parametrize("fault", ["short", "text+drop-999"])
@pytest.mark.parametrize(("path", "pattern"), WAYS)
def test_a_stream_that_has_come_to_its_own_end_is_whole(gateway, path, pattern, fault):
    answer = gateway.ask(path, body_of(path, pattern.format(fault), stream=True))
    assert answer.complete
    assert answer.header("content-length") is None
    assert '"error"' not in str(answer.body)
    last = answer.events()[-1]
    assert last in ((None, "[DONE]"), ("message_stop", '{"type":"message_stop"}'))


@pytest.mark.parametrize(("path", "pattern"), WAYS)
def test_the_providers_own_error_event_is_passed_on(gateway, path, pattern):
    answer = gateway.ask(path, body_of(path, pattern.format("error-event"), stream=True))
    assert '"error"' in answer.events()[-1][1]
    assert not answer.complete


@pytest.mark.parametrize("path", TALKS)
def test_a_stream_without_its_last_event_is_whole_if_it_said_why_it_ended(gateway, path):
    answer = gateway.ask(path, body_of(path, model_for(path, "no-done"), stream=True))
    assert answer.complete
    assert '"error"' not in answer.events()[-1][1]


# --- clients that leave


def left_after(upstream, moment):
    """How long the upstream took to notice, in seconds."""
    seen = upstream.wait_until(lambda seen: seen["in_flight"] == 0)
    (record,) = seen["requests"]
    assert record["outcome"] == "left"
    return record["left_at"] - moment


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("when", ["early", "streaming", "whole"])
@pytest.mark.parametrize(("path", "pattern"), WAYS)
def test_who_leaves_takes_the_upstream_along(  # noqa: PLR0917 - what pytest gives, by name
    gateway, upstream, path, pattern, when, how
):
    before = gateway.metric("crossmodel_requests_cancelled_total")
    model = pattern.format("long-2000+slow-20" if when == "streaming" else "stall")
    body = body_of(path, model, stream=when != "whole")
    with gateway.connect() as client:
        client.send(request("POST", path, body, [("authorization", f"Bearer {gateway.key}")]))
        if when == "streaming":
            client.read_until(b"w1 ")
        upstream.wait_until(lambda seen: seen["in_flight"] == 1)
        moment = getattr(client, how)()
    seconds = left_after(upstream, moment)
    print(f"the upstream knew after {seconds * 1000:.1f} ms")
    assert seconds < 1
    gateway.wait_until_idle()
    assert gateway.metric("crossmodel_requests_cancelled_total") == before + 1


async def test_a_vendors_stream_that_is_closed_ends_upstream(any_chat, upstream):
    stream = await settled(
        any_chat.chat.completions.create(model="long-2000+slow-20", messages=ASKED, stream=True)
    )
    await settled(stream.close())
    assert left_after(upstream, time.monotonic()) < 1


def test_a_client_that_does_not_read_holds_the_upstream_back(gateway, upstream):
    body = body_of("/v1/chat/completions", "big", stream=True, n=8)
    with gateway.connect() as client:
        client.send(
            request(
                "POST", "/v1/chat/completions", body, [("authorization", f"Bearer {gateway.key}")]
            )
        )
        upstream.wait_until(lambda seen: seen["total"] == 1)
        give_up = time.monotonic() + 3
        written = -1
        while (now := upstream.last()["written"]) != written and time.monotonic() < give_up:
            written = now
            time.sleep(0.2)
        assert written < 22 << 20
        answer = client.read_response(timeout=30)
    assert answer.complete
    assert len(answer.body) > 24 << 20


def test_nothing_is_left_in_flight(gateway, upstream):
    upstream.idle()
    gateway.wait_until_idle()
    assert gateway.metric("crossmodel_endpoint_requests_in_flight") == 0
