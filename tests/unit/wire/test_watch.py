import json

import pytest

from crossmodel.errors import ProviderResponseError
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.sse import EventParser
from crossmodel.wire.usage import TokenUsage
from crossmodel.wire.watch import UsageWatch


def sse(*datas, named=False):
    made = b""
    for data in datas:
        if named:
            made += f"event: {data['type']}\n".encode()
        made += (
            b"data: "
            + (json.dumps(data, separators=(",", ":")) if isinstance(data, dict) else data).encode()
            + b"\n\n"
        )
    return made


def chunk(content, finish=None, usage=None, **more):
    choice = {"index": 0, "delta": {"content": content}, "logprobs": None, "finish_reason": finish}
    return {"id": "c", "model": "gpt", "choices": [choice], "usage": usage, **more}


TEXT = 'said "usage":{"prompt_tokens":99} "error" [DONE] message_stop \n\n"finish_reason":"x"'
CHAT = sse(
    {"id": "c", "model": "gpt", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
    *[chunk(f"{n} ", obfuscation="x" * (n % 7)) for n in range(20)],
    chunk(TEXT),
    {"id": "c", "model": "gpt", "choices": [{"index": 1, "delta": {"content": "another"}, "finish_reason": "length"}]},
    chunk("", "stop"),
    {"id": "c", "model": "gpt", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}},
    "[DONE]",
)  # fmt: skip
MESSAGES = sse(
    {"type": "message_start", "message": {"id": "m", "model": "claude", "usage": {"input_tokens": 8, "cache_read_input_tokens": 2, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    *[{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"{n} "}} for n in range(20)],
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "stop"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
    named=True,
)  # fmt: skip
RESPONSES = sse(
    {"type": "response.created", "response": {"model": "gpt", "usage": None, "error": None, "status": "in_progress"}},
    *[{"type": "response.output_text.delta", "delta": f"{n} "} for n in range(20)],
    {"type": "response.output_text.delta", "delta": TEXT},
    {"type": "response.completed", "response": {"model": "gpt", "error": None, "status": "stop", "usage": {"input_tokens": 10, "output_tokens": 5}}},
    named=True,
)  # fmt: skip
STREAMS = [
    (Dialect.CHAT, CHAT, "gpt"),
    (Dialect.MESSAGES, MESSAGES, "claude"),
    (Dialect.RESPONSES, RESPONSES, "gpt"),
]


def cuts(stream, line_end=b"\n"):
    events = [(event + b"\n\n").replace(b"\n", line_end) for event in stream.split(b"\n\n")[:-1]]
    stream = stream.replace(b"\n", line_end)
    yield events
    yield [stream]
    yield [b"".join(events[n : n + 3]) for n in range(0, len(events), 3)]
    for size in (1, 2, 3, 50, 333):
        yield [stream[n : n + size] for n in range(0, len(stream), size)]


@pytest.mark.parametrize(("dialect", "stream", "model"), STREAMS)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_everything_is_found_at_any_cut(dialect, stream, model, line_end):
    for chunks in cuts(stream, line_end):
        watch = UsageWatch(dialect)
        for part in chunks:
            watch.feed(part)
        assert (watch.model, watch.reason, watch.ended, watch.error) == (model, "stop", True, None)
        cached = 2 if dialect is Dialect.MESSAGES else 0
        assert watch.usage == TokenUsage(10, 5, cache_read_tokens=cached)


@pytest.mark.parametrize(("dialect", "stream", "model"), STREAMS)
def test_events_that_a_translator_has_parsed_do_as_well(dialect, stream, model):
    watch = UsageWatch(dialect)
    for event in EventParser().feed(stream):
        watch.see(event)
    assert (watch.model, watch.reason, watch.ended) == (model, "stop", True)


@pytest.mark.parametrize(("dialect", "stream", "model"), STREAMS)
def test_a_cut_stream_has_no_end_wherever_it_is_cut(dialect, stream, model):
    for end in range(0, len(stream), 7):
        watch = UsageWatch(dialect)
        watch.feed(stream[:end])
        assert not watch.ended


@pytest.mark.parametrize(
    ("dialect", "data"),
    [
        (Dialect.CHAT, b'data: {"error":{"message":"no"}}\n\n'),
        (Dialect.CHAT, b'data: {"error" : "no", "choices": [{"finish_reason":null}]}\n\n'),
        (Dialect.MESSAGES, b'event: error\ndata: {"type":"error","error":{"message":"no"}}\n\n'),
        (Dialect.RESPONSES, b'event: error\ndata: {"type": "error", "message": "no"}\n\n'),
    ],
)
def test_error_events_are_kept_as_they_came(dialect, data):
    stream = next(stream for known, stream, _ in STREAMS if known is dialect)
    start = stream[: stream.index(b"\n\n") + 2]
    for chunks in cuts(start + data):
        watch = UsageWatch(dialect)
        for part in chunks:
            watch.feed(part)
        assert watch.error is not None
        assert b"no" in watch.error
        assert not watch.ended


def test_a_response_that_failed_has_ended_and_says_so():
    watch = UsageWatch(Dialect.RESPONSES)
    watch.feed(
        b'data: {"type":"response.failed","response":{"status":"failed","error":{"message":"no"}}}\n\n'
    )
    assert (watch.ended, watch.reason) == (True, "failed")


def test_legacy_completions_are_read_too():
    watch = UsageWatch(Dialect.CHAT)
    watch.feed(b'data: {"model":"m","choices":[{"index":0,"text":"abc","finish_reason":null}]}\n\n')
    watch.feed(
        b'data: {"model":"m","choices":[{"index":0,"text":"def","finish_reason":"length"}]}\n\n'
    )
    assert (watch.model, watch.reason) == ("m", "length")


def test_garbage_is_passed_over():
    watch = UsageWatch(Dialect.CHAT)
    watch.feed(
        b"data: {\n\ndata: \xff\n\ndata: ["
        + b"[" * 5000
        + b'\n\ndata: {"usage":{"prompt_tokens":{}}}\n\n'
    )
    watch.feed(b"<html>\n\n")
    watch.feed(CHAT)
    assert watch.ended
    assert watch.usage == TokenUsage(10, 5)


def test_a_usage_behind_the_padding_is_found():
    watch = UsageWatch(Dialect.CHAT)
    for data in (chunk("a", obfuscation="x"), chunk("b", obfuscation="y")):
        watch.feed(sse(data))
    watch.feed(
        sse(chunk("c", obfuscation="z")).replace(b'"z"}', b'"z","usage":{"prompt_tokens":1}}')
    )
    assert watch.usage == TokenUsage(1)


def test_an_endless_event_is_refused():
    watch = UsageWatch(Dialect.CHAT, event_limit=1000)
    with pytest.raises(ProviderResponseError, match="1000 bytes"):
        watch.feed(b"data: " + b"x" * 2000)
