"""Models that are asked through an adapter: they answer as a server of chat completions would."""

import asyncio
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from scripted import Listener, bench, settings_in

from crossmodel import errors
from crossmodel.domain.completion import Completion, Message, Usage
from crossmodel.gateway.headers import RequestHead
from crossmodel.gateway.inprocess import KNOWN, InProcess
from crossmodel.providers import FakeProvider

ASKED = {"model": "m", "messages": [{"role": "user", "content": "How?"}]}


class Heard:
    """What the caller was told, once it is over."""

    def __init__(self):
        self.head, self.body, self.failure = None, b"", None
        self.over = asyncio.Event()

    def on_head(self, head):
        self.head = head

    def on_data(self, data):
        assert self.head is not None
        self.body += data

    def on_end(self, *, is_delimited):
        assert is_delimited
        assert self.head.length == len(self.body)
        self.over.set()

    def on_failure(self, reason, *, was_sent):
        assert was_sent
        self.failure = reason
        self.over.set()


async def ask(script="So.", body=None, **more):
    """What a provider with that script answers, and what it was asked."""
    provider = FakeProvider(lambda _request: script)
    heard = Heard()
    address = InProcess(provider)
    sent = json.dumps(ASKED | more).encode() if body is None else body
    address.send(address.compose(b"/chat/completions", b"", sent), heard)
    async with asyncio.timeout(5):
        await heard.over.wait()
    return heard, provider


def message(heard):
    return json.loads(heard.body)["error"]["message"]


async def test_an_answer_is_one_of_chat():
    heard, provider = await ask(Completion("So.", "m-1", Usage(7, 2), "length"))
    assert heard.head.status == 200
    answer = ChatCompletion.model_validate(json.loads(heard.body), strict=False)
    assert answer.choices[0].message.content == "So."
    assert answer.choices[0].finish_reason == "length"
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (7, 9)
    assert answer.model == "m-1"
    assert answer.id.startswith("chatcmpl-")
    assert provider.requests[0].messages == (Message("user", "How?"),)


@pytest.mark.parametrize("with_usage", [True, False])
async def test_a_stream_is_one_of_chat(with_usage):
    options = {"stream_options": {"include_usage": True}} if with_usage else {}
    heard, _ = await ask(Completion("So é.", "m-1", Usage(7, 2)), stream=True, **options)
    assert heard.head.kind.startswith(b"text/event-stream")
    *events, last, rest = heard.body.split(b"\n\n")
    assert (last, rest) == (b"data: [DONE]", b"")
    chunks = [
        ChatCompletionChunk.model_validate(json.loads(event.removeprefix(b"data: ")))
        for event in events
    ]
    said = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in said) == "So é."
    assert [choice.finish_reason for choice in said] == [None, "stop"]
    usage = [chunk.usage.total_tokens for chunk in chunks if chunk.usage is not None]
    assert usage == ([9] if with_usage else [])
    assert len({chunk.id for chunk in chunks}) == 1


VALUES = {
    "max_tokens": 5, "max_completion_tokens": 5, "temperature": 0, "seed": 3, "stop": ["a"],
    "stream": True, "stream_options": {"include_usage": True}, "n": 1, "user": "u",
    "response_format": {"type": "text"}, "metadata": {"a": "b"}, "store": True, "top_p": 0.5,
    "frequency_penalty": 1, "presence_penalty": -1,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(KNOWN - {"model", "messages"}))
@pytest.mark.parametrize("is_null", [True, False])
async def test_each_field_that_is_known_is_taken(name, is_null):
    heard, _ = await ask(**{name: None if is_null else VALUES[name]})
    assert heard.head.status == 200


async def test_what_is_asked_reaches_the_adapter():
    schema = {"type": "object"}
    _, provider = await ask(
        messages=[
            {"role": "developer", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}]},
            {"role": "assistant", "content": None},
        ],
        max_completion_tokens=None, max_tokens=9, temperature=0.5, seed=3, stop="a",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
    )  # fmt: skip
    (request,) = provider.requests
    assert [(each.role, each.content) for each in request.messages] == [
        ("system", "Be short."), ("user", "a\nb"), ("assistant", ""),
    ]  # fmt: skip
    assert (request.max_tokens, request.temperature, request.seed) == (9, 0.5, 3)
    assert request.stop == ("a",)
    assert request.response_schema == schema


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"functions": [{}]}, "functions"),
        ({"logprobs": True}, "logprobs"),
        ({"n": 2}, "n:"),
        ({"n": [1]}, "n:"),
        ({"telepathy": 1}, "telepathy"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "How?"}, "messages"),
        ({"messages": ["How?"]}, r"messages\[0\]"),
        ({"messages": [{"content": "a"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "no role 'tool'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "text alone"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": [1]}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"seed": "x"}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"stop": 5}, "stop"),
        ({"body": b'{"model":"m","top_p":1e400}'}, "cannot be read"),
        ({"body": b'{"model":"m","messages":' + b"[" * 9999 + b"]" * 9999 + b"}"}, "be read"),
        ({"stop": [5]}, r"stop\[0\]"),
        ({"stop": {"a": "b"}}, "stop"),
        ({"stream_options": "all"}, "stream_options"),
        ({"stream": True, "stream_options": [1]}, "stream_options"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}}, "schema"),
    ],
)
async def test_what_it_cannot_do_is_refused_by_its_name(more, named):
    heard, provider = await ask(**more)
    assert heard.head.status == 400
    assert re.search(named, message(heard))
    assert not provider.requests


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidInputError("no"), 400),
        (errors.ProviderRateLimitError("no"), 429),
        (errors.ProviderTimeoutError("no"), 504),
        (errors.ProviderConnectionError("no"), 502),
        (errors.ProviderAuthenticationError("no"), 502),
        (errors.ProviderResponseError("no", status=500), 502),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_errors_of_adapters_are_told(error, status, stream):
    heard, _ = await ask(error, stream=stream)
    assert heard.head.status == status
    assert heard.head.kind == b"application/json"
    assert message(heard) == "no"


@pytest.mark.parametrize(("seconds", "told"), [(2.2, b"3"), (0.0, b"0"), (None, None)])
async def test_how_long_to_wait_is_told(seconds, told):
    heard, _ = await ask(errors.ProviderRateLimitError("no", retry_after_seconds=seconds))
    assert dict(heard.head.headers).get(b"retry-after") == told


@pytest.mark.parametrize("script", [RuntimeError("inside"), Completion("\ud800", "m")])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_fault_in_an_adapter_is_a_failure_and_is_logged(script, stream, caplog):
    heard, _ = await ask(script, stream=stream)
    assert heard.head is None
    assert "adapter failed" in heard.failure
    assert "Traceback" in caplog.text


async def test_who_does_not_wait_ends_the_work():
    ended = asyncio.Event()
    begun = asyncio.Event()

    class Slow:
        async def complete(self, _request):
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

    heard = Heard()
    address = InProcess(Slow())
    call = address.send(json.dumps(ASKED).encode(), heard)
    await begun.wait()
    call.pause()
    call.resume()
    call.cancel()
    await asyncio.wait_for(ended.wait(), 5)
    assert (heard.head, heard.failure) == (None, None)
    ended.clear()
    begun.clear()
    address.send(json.dumps(ASKED).encode(), heard)
    await begun.wait()
    address.close()
    await asyncio.wait_for(ended.wait(), 5)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "text", "role", "content", "include_usage", "json_schema"]), inner
    ),
    max_leaves=6,
)  # fmt: skip


@given(more=st.dictionaries(st.sampled_from(sorted(KNOWN)), values, max_size=4))
def test_whatever_is_asked_there_is_one_answer(more):
    heard, _ = asyncio.run(ask(**({"model": "m"} | more)))
    assert heard.failure is None
    assert heard.head.status in {200, 400}


def test_clients_of_messages_are_answered_too(tmp_path):
    given_settings = settings_in(
        tmp_path,
        providers=[{"id": "f", "kind": "fake"}],
        models=[{"id": "echo", "provider": "f", "input_price": 1}],
    )

    def asked(made, stream):
        client = Listener()
        head = RequestHead(b"POST", b"/v1/messages", b"", [])
        exchange = made.core.begin(head, client)
        question = {"model": "echo", "max_tokens": 9, "stream": stream, "messages": [
            {"role": "user", "content": [{"type": "text", "text": "How are you?"}]}]}  # fmt: skip
        exchange.receive(json.dumps(question).encode())
        return client

    async def work(made):
        whole, stream = asked(made, stream=False), asked(made, stream=True)
        async with asyncio.timeout(5):
            while not (whole.end and stream.end):
                await asyncio.sleep(0.001)
        assert json.loads(whole.body)["content"] == [{"type": "text", "text": "How are you?"}]
        assert b"How are you?" in stream.body
        assert stream.body.rstrip().endswith(b'data: {"type":"message_stop"}')
        assert [each.usage.input_tokens for each in made.served] == [3, 3]

    with bench(given_settings) as (made, run):
        run(work(made))
