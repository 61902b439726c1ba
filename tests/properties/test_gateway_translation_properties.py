"""However a stream is cut and whatever it holds: the same events, the same calls, never a crash."""

import copy
import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.errors import InvalidInputError, ProviderResponseError
from crossmodel.gateway.facts import facts_of
from crossmodel.gateway.translation.answers import completion_to_message, message_to_completion
from crossmodel.gateway.translation.chat_request import chat_to_messages, wants_usage
from crossmodel.gateway.translation.chat_stream import ChatStream
from crossmodel.gateway.translation.errors import translate_error
from crossmodel.gateway.translation.message_stream import MessageStream
from crossmodel.gateway.translation.messages_request import messages_to_chat
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.sse import DONE, EventParser, write_event
from crossmodel.wire.watch import UsageWatch

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
said = texts.filter(bool)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
arguments = st.dictionaries(texts, json_values, max_size=3)
names = st.sampled_from(["f", "g", "look_up"])


def cut(data, draw):
    """The same in pieces of any size."""
    places = draw(st.lists(st.integers(0, len(data)), max_size=12).map(sorted))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


# --- server-sent events

lines = st.sampled_from(
    [b"data: a", b"data:", b"data", b"data:  b", b"event: e", b"event", b"id: 1", b":", b": c", b"", b"", b"x: y",
     b"\xef\xbb\xbfdata: a", b"data: \xef\xbb\xbf", b'data: {"error":{}}', b"data: [DONE]", b"\xff\x00"]
)  # fmt: skip
ends = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r"])
streams = st.lists(st.tuples(lines, ends).map(b"".join), max_size=30).map(b"".join) | st.binary(
    max_size=200
)


def by_the_standard(stream):
    """The steps of the standard, one by one, on the whole stream."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events, data, name = [], [], b""
    for line in text.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if not line:
            if data:
                events.append((name, b"\n".join(data)))
            data, name = [], b""
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return events


@given(streams, st.data())
def test_any_cut_gives_the_events_of_the_standard(stream, data):
    expected = by_the_standard(stream)
    assert EventParser().feed(stream) == expected
    parser = EventParser()
    assert [e for piece in cut(stream, data.draw) for e in parser.feed(piece)] == expected
    parser = EventParser()
    assert [e for n in range(len(stream)) for e in parser.feed(stream[n : n + 1])] == expected


@given(streams, st.integers(1, 30), st.data())
def test_a_limit_is_the_same_at_any_cut(stream, limit, data):
    def outcome(chunks):
        parser = EventParser(limit)
        try:
            return [event for chunk in chunks for event in parser.feed(chunk)]
        except ProviderResponseError:
            return "refused"

    primed = b": first\n\n"  # so that the quick way is taken as well
    whole = outcome([primed, *stream.splitlines(keepends=True)])
    assert outcome([primed, stream]) == whole
    assert outcome([primed, *cut(stream, data.draw)]) == whole


@given(st.binary(max_size=50), st.binary(max_size=10).filter(lambda e: not {10, 13} & set(e)))
def test_what_is_written_is_read_back(data, event):
    expected = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    ((name, read),) = EventParser().feed(write_event(data, event))
    assert read == expected
    assert name == event.removeprefix(b" ") or name == event


# --- the watch

OF_INTEREST = [
    b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}\n\n',
    b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":null}],"usage":null}\n\n',
    b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"\\"usage\\":{}"},"finish_reason":null}],"usage":null}\n\n',
    b'data: {"model":"m","choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\r\n\r\n',
    b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}\n\n',
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":7}}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    b'event: error\ndata: {"type":"error","error":{"message":"no"}}\n\n',
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"a"}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","response":{"model":"m","usage":{"input_tokens":2}}}\n\n',
    b"data: [DONE]\n\n", b": ping\n\n", b"data: {\n\n", b"\n", b"\r",
]  # fmt: skip


@given(
    st.sampled_from(Dialect),
    st.lists(st.sampled_from(OF_INTEREST), max_size=12),
    st.data(),
)
def test_the_watch_finds_the_same_at_any_cut(dialect, pieces, data):
    def found(chunks):
        watch = UsageWatch(dialect)
        for chunk in chunks:
            watch.feed(chunk)
        return watch.model, watch.reason, watch.ended, watch.error, watch.usage

    stream = b"".join(pieces)
    byte_by_byte = found(stream[n : n + 1] for n in range(len(stream)))
    assert found(pieces) == byte_by_byte
    assert found([stream]) == byte_by_byte
    assert found(cut(stream, data.draw)) == byte_by_byte


@given(st.binary(max_size=100), st.sampled_from(Dialect))
def test_bodies_of_any_kind_are_read_without_a_crash(body, dialect):
    facts_of(body, dialect)
    msgspec.json.decode(translate_error(500, body, dialect))


# --- requests


@st.composite
def chat_requests(draw):
    """Requests in the one way to write them that a translation there and back writes, too."""
    turns, number = [], 0
    for n in range(draw(st.integers(1, 4))):
        user = draw(said)
        if draw(st.booleans()):
            image = {
                "type": "image_url",
                "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="},
            }
            user = [{"type": "text", "text": user}, image]
        turns.append({"role": "user", "content": user})
        calls = []
        for _ in range(draw(st.integers(0, 2))):
            number += 1
            written = msgspec.json.encode(draw(arguments)).decode()
            function = {"name": draw(names), "arguments": written}
            calls.append({"id": f"c{number}", "type": "function", "function": function})
        turn = {"role": "assistant", "content": draw(said)}
        if calls:
            turn["content"] = draw(st.none() | said)
            turn["tool_calls"] = calls
        turns.append(turn)
        turns += [{"role": "tool", "tool_call_id": c["id"], "content": draw(texts)} for c in calls]
        if calls:
            turns.append({"role": "user", "content": f"and {n}?"})
            turns.append({"role": "assistant", "content": "well"})
    body = {"model": "m", "messages": turns, "max_completion_tokens": draw(st.integers(1, 9999))}
    if draw(st.booleans()):
        body["messages"] = [{"role": "system", "content": draw(said)}, *turns]
    schema = {"type": "object", "properties": draw(arguments)}
    function = {"name": "f", "description": draw(texts), "parameters": schema, "strict": True}
    optional = {
        "temperature": st.floats(0, 1), "top_p": st.floats(0, 1), "stop": st.lists(said, min_size=1, max_size=3), "user": said,
        "reasoning_effort": st.sampled_from(["none", "low", "medium", "high", "xhigh", "max"]),
        "tools": st.just([{"type": "function", "function": function}]),
    }  # fmt: skip
    body |= {name: draw(values) for name, values in optional.items() if draw(st.booleans())}
    if "tools" in body:
        body["tool_choice"] = draw(
            st.sampled_from(["auto", "required", {"type": "function", "function": {"name": "f"}}])
        )
        body["parallel_tool_calls"] = False
    return body


@given(chat_requests())
def test_a_request_comes_back_with_its_meaning(body):
    before = copy.deepcopy(body)
    there = chat_to_messages(body, default_max_tokens=1)
    assert messages_to_chat(there) == body == before
    assert chat_to_messages(messages_to_chat(there), default_max_tokens=1) == there


def places(value, path=()):
    yield path
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, child in inner:
        yield from places(child, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


def spoilt(value, draw):
    """The value with one part of it replaced by anything."""
    return replaced(value, draw(st.sampled_from(list(places(value)))), draw(json_values))


def or_refuses(call, *args, **kwargs):
    try:
        return call(*args, **kwargs)
    except (InvalidInputError, ProviderResponseError) as error:
        assert str(error)


@given(chat_requests(), st.data())
def test_spoilt_requests_are_translated_or_refused(body, data):
    there = chat_to_messages(body, default_max_tokens=1)
    bad = spoilt(body, data.draw)
    msgspec.json.encode(or_refuses(chat_to_messages, bad, default_max_tokens=1))
    or_refuses(wants_usage, bad)
    msgspec.json.encode(or_refuses(messages_to_chat, spoilt(there, data.draw)))


# --- answers and streams

calls = st.lists(st.tuples(names, arguments), min_size=1, max_size=3)


@given(st.none() | said, st.none() | calls, st.data())
def test_an_answer_comes_back_with_its_meaning_or_is_refused(text, made, data):
    message = {"role": "assistant", "content": text, "refusal": None}
    if made:
        message["tool_calls"] = [
            {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": msgspec.json.encode(given).decode()}}
            for n, (name, given) in enumerate(made)
        ]  # fmt: skip
    reason = "tool_calls" if made else "stop"
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "total_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    answer = {
        "id": "a",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }
    there = completion_to_message(answer)
    assert message_to_completion(there, created=1) == answer
    msgspec.json.encode(or_refuses(completion_to_message, spoilt(answer, data.draw)))
    msgspec.json.encode(or_refuses(message_to_completion, spoilt(there, data.draw), created=1))


def mixed(queues, draw):
    """What the queues hold, in any order that keeps each one's own."""
    queues = [list(queue) for queue in queues]
    while any(queues):
        n = draw(st.sampled_from([n for n, queue in enumerate(queues) if queue]))
        yield n, queues[n].pop(0)


def through(translator, events):
    stream = b"".join(
        write_event(json.dumps(e).encode() if isinstance(e, dict) else e) for e in events
    )
    sent = (
        b"".join(translator.feed(event) for event in EventParser().feed(stream))
        + translator.close()
    )
    return [json.loads(e.data) for e in EventParser().feed(sent) if e.data != b"[DONE]"]


def chat_events(made, draw):
    def chunk(delta, finish=None):
        return {
            "id": "c",
            "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }

    parts = [
        [{"id": f"c{n}", "function": {"name": name, "arguments": ""}}]
        + [{"function": {"arguments": part}} for part in cut(json.dumps(given), draw)]
        for n, (name, given) in enumerate(made)
    ]
    yield from (chunk({"tool_calls": [{"index": n, **part}]}) for n, part in mixed(parts, draw))
    yield chunk({}, "tool_calls")
    yield b"[DONE]"


def message_events(made, draw):
    usage = {"input_tokens": 1, "output_tokens": 1}
    yield {"type": "message_start", "message": {"id": "m", "model": "m", "usage": usage}}
    parts = [
        [{"type": "content_block_start", "content_block": {"type": "tool_use", "id": f"c{n}", "name": name, "input": {}}}]
        + [{"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": part}} for part in cut(json.dumps(given), draw)]
        + [{"type": "content_block_stop"}]
        for n, (name, given) in enumerate(made)
    ]  # fmt: skip
    yield from ({"index": n, **part} for n, part in mixed(parts, draw))
    yield {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage}
    yield {"type": "message_stop"}


@given(calls, st.data())
def test_arguments_in_any_pieces_and_turns_are_the_same_calls(made, data):
    found = {}
    for event in through(ChatStream(), chat_events(made, data.draw)):
        if event["type"] == "content_block_start":
            block = event["content_block"]
            found[event["index"]] = [block["id"], block["name"], ""]
        elif event["type"] == "content_block_delta":
            found[event["index"]][2] += event["delta"]["partial_json"]
    read = {called: (name, json.loads(written)) for called, name, written in found.values()}
    assert read == {f"c{n}": call for n, call in enumerate(made)}


@given(calls, st.data())
def test_and_so_in_the_other_direction(made, data):
    found, last = {}, -1
    for chunk in through(MessageStream(created=1), message_events(made, data.draw)):
        for part in chunk["choices"][0]["delta"].get("tool_calls", ()):
            call = found.setdefault(
                part["index"], [part.get("id"), part["function"].get("name"), ""]
            )
            call[2] += part["function"]["arguments"]
            assert part["index"] >= last  # one after the other
            last = part["index"]
    read = {called: (name, json.loads(written)) for called, name, written in found.values()}
    assert read == {f"c{n}": call for n, call in enumerate(made)}


@given(calls, st.data())
def test_spoilt_and_cut_streams_end_well_or_in_one_error(made, data):
    for translator, events in (
        (ChatStream(), chat_events),
        (MessageStream(created=1), message_events),
    ):
        stream = list(events(made, data.draw))
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(stream) - 1))
            event = stream[place]
            stream[place] = spoilt(event, data.draw) if isinstance(event, dict) else b"{}"
            stream = [e if isinstance(e, dict | bytes) else json.dumps(e).encode() for e in stream]
        else:
            stream = stream[: data.draw(st.integers(0, len(stream) - 1))]
        sent = through(translator, stream)
        assert translator.ended != translator.failed
        assert sum("error" in event for event in sent) == translator.failed
        assert translator.feed(EventParser().feed(DONE)[0]) == b""
        assert translator.close() == b""
