"""The registry of kinds, and the provider that answers from a script."""

import pytest

from crossmodel.domain.completion import Completion, CompletionRequest, Message
from crossmodel.errors import ConfigurationError, ProviderResponseError, ProviderTimeoutError
from crossmodel.providers import (
    FakeProvider,
    ProviderKind,
    create_provider,
    provider_kinds,
    register_provider,
)


def request(text="hi"):
    return CompletionRequest("m", (Message("user", text),))


def test_our_kinds_are_rows_like_everybodys():
    kinds = provider_kinds()
    assert {"openai", "anthropic", "local", "fake"} <= set(kinds)
    assert all(row.doc and ":" in row.adapter for row in kinds.values())


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'openai'"):
        create_provider("opnai", provider_id="p")


def test_the_vendors_address_needs_a_key_but_ones_own_may_not(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="set OPENAI_API_KEY"):
        create_provider("openai", provider_id="p", base_url="", api_key="", timeout_seconds=1)
    assert create_provider(
        "openai", provider_id="p", base_url="http://127.0.0.1:1/v1", api_key="", timeout_seconds=1
    )
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert create_provider("openai", provider_id="p", base_url="", api_key="", timeout_seconds=1)


def test_two_adapters_cannot_share_a_name():
    row = ProviderKind(kind="twice", adapter="crossmodel.providers.fake:FakeProvider")
    register_provider(row)
    register_provider(row)
    with pytest.raises(ConfigurationError, match="another provider kind"):
        register_provider(ProviderKind(kind="twice", adapter="elsewhere:X"))
    assert isinstance(create_provider("twice", provider_id="p"), FakeProvider)


async def test_a_list_is_answered_in_turn_and_then_exhausted():
    fake = FakeProvider(["a", Completion("b", "other")])
    assert (await fake.complete(request())).text == "a"
    assert (await fake.complete(request())).model == "other"
    with pytest.raises(ProviderResponseError, match="2 answers, all given"):
        await fake.complete(request())
    assert len(fake.requests) == 3


async def test_a_mapping_answers_by_what_is_asked():
    fake = FakeProvider({"sky": "blue", "slow": ProviderTimeoutError("late")})
    assert (await fake.complete(request("why is the sky?"))).text == "blue"
    with pytest.raises(ProviderTimeoutError):
        await fake.complete(request("slow"))
    with pytest.raises(ProviderResponseError, match="no scripted answer"):
        await fake.complete(request("else"))
    assert (await FakeProvider({"": "any"}).complete(request("x"))).text == "any"


async def test_a_function_sees_the_request_and_usage_counts_words():
    fake = FakeProvider(lambda asked: asked.messages[-1].content.upper())
    answer = await fake.complete(request("one two"))
    assert (answer.text, answer.usage.input_tokens, answer.usage.output_tokens) == ("ONE TWO", 2, 2)
    count = fake.token_counter("m")
    assert count is not None
    assert count("a b  c") == 3


async def test_without_a_script_it_repeats_and_takes_its_time():
    answer = await FakeProvider(latency_ms=5).complete(request("echo"))
    assert (answer.text, answer.latency_ms) == ("echo", 5)
