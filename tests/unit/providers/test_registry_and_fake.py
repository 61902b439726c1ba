"""The registry of kinds, and the provider that answers from a script."""

import asyncio
import sys
from pathlib import Path

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
from crossmodel.providers.weights import PACKAGED


def request(text="hi"):
    return CompletionRequest("m", (Message("user", text),))


def test_our_kinds_are_rows_like_everybodys():
    kinds = provider_kinds()
    assert {"openai", "anthropic", "local", "fake"} <= set(kinds)
    assert all(":" in row.adapter for row in kinds.values())


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


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a package of somebody else's that brings a provider kind."""

    def install(module, source):
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[crossmodel.providers]\n{module} = {module}:ROW\n")

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("crossmodel.providers.registry._KINDS", provider_kinds())
    return install


def test_an_installed_package_brings_its_own_kind(installed):
    installed(
        "parrots",
        """
from crossmodel.providers import FakeProvider, ProviderKind

class Parrot(FakeProvider):
    pass

ROW = ProviderKind(kind="parrots", adapter="parrots:Parrot")
""",
    )
    provider = create_provider("parrots", provider_id="p", base_url="", threads=1)
    assert type(provider).__name__ == "Parrot"
    assert "parrots" in provider_kinds()
    sys.modules.pop("parrots")


def test_an_installed_package_without_a_row_is_named(installed):
    installed("oddities", "ROW = 3")
    with pytest.raises(ConfigurationError, match="must be a ProviderKind, not 3"):
        create_provider("oddities", provider_id="p")
    sys.modules.pop("oddities")


async def test_one_text_answers_everything():
    fake = FakeProvider("yes")
    assert [(await fake.complete(request(text))).text for text in ("a", "b")] == ["yes", "yes"]


async def test_callers_at_once_get_one_answer_each():
    fake = FakeProvider(["a", "b", "c"], latency_ms=5)
    answers = await asyncio.gather(*(fake.complete(request()) for _ in range(3)))
    assert [answer.text for answer in answers] == ["a", "b", "c"]


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


def test_packaged_weights_are_pinned_alike_everywhere():
    pins = (Path(__file__).parents[3] / "constraints.txt").read_text().splitlines()
    assert all(package.requirement in pins for package in PACKAGED.values())
