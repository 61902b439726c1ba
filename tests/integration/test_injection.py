"""Insights of better models inside of clients' requests, on a real store; and the whole way round."""

import asyncio
import json
import logging
import sqlite3

import msgspec
import pytest
from test_learning import until
from test_recording import served, serving
from ticket_codes import HANDBOOK, QUESTION

from crossmodel import CrossModel, StoreError
from crossmodel.domain.ids import time_ordered_id
from crossmodel.gateway import injection
from crossmodel.gateway.injection import Injector
from crossmodel.gateway.learning import Learner
from crossmodel.gateway.recording import Recorder
from crossmodel.wire.dialect import Dialect


@pytest.fixture
def settings(tmp_path):
    return {
        "store": {"url": f"sqlite:///{tmp_path}/state.db"},
        "witness": {"key_dir": str(tmp_path / "keys")},
        "providers": [{"id": "p", "kind": "fake"}],
        "insight_transfer": {"uplift": {"enable": False}},
        "models": [
            {"id": "strong", "provider": "p", "quality": 0.9},
            {"id": "cheap", "provider": "p", "quality": 0.4},
            {"id": "tiny", "provider": "p", "quality": 0.2, "follows_system_prompt": False},
        ],
    }


def body(**fields):
    return msgspec.json.decode(json.dumps(fields).encode(), type=dict[str, msgspec.Raw])


def asked(question=QUESTION):
    return body(model="auto", messages=[{"role": "user", "content": question}], tools=[{"x": 1.50}])


async def inject(injector, model="cheap", given=None, **changes):
    facts = {"tenant": "default", "request_id": time_ordered_id("req_")} | changes
    return await injector.inject(
        given or asked(), Dialect.CHAT, injector._engine.models[model], **facts
    )


async def test_what_a_strong_model_said_is_put_into_a_cheap_ones_request(settings):
    async with serving(settings) as cm:
        await cm.engine.learn(HANDBOOK, "strong")
        injector = Injector(cm.engine, seconds=20.0)
        await injector.start()
        changed, result = await inject(injector)
        assert result.success
        assert result.transferred_insights
        before = asked()
        assert {k: bytes(v) for k, v in changed.items() if k != "messages"} == {
            k: bytes(v) for k, v in before.items() if k != "messages"
        }
        system, user = json.loads(bytes(changed["messages"]))
        assert system == {"role": "system", "content": result.context}
        assert user == {"role": "user", "content": QUESTION}

        changed, result = await inject(injector, "tiny")  # follows no system turn
        (user,) = json.loads(bytes(changed["messages"]))
        assert user["content"].startswith(result.context)
        assert QUESTION in user["content"]
        assert (injector.injected, injector.failed, injector.late) == (2, 0, 0)
        await injector.close()


async def test_only_who_can_gain_is_asked_about(settings):
    async with serving(settings) as cm:
        strong, cheap, tiny = cm.models()
        injector = Injector(cm.engine, seconds=20.0)
        await injector.start()
        assert not any(injector.may_help("default", each) for each in (strong, cheap, tiny))
        await cm.engine.learn(HANDBOOK, "cheap")
        await cm.engine.learn(HANDBOOK, "a stranger", tenant="t")
        await injector.refresh()
        assert injector.may_help("default", tiny)
        assert not injector.may_help("default", cheap)
        assert all(injector.may_help("t", each) for each in (strong, cheap, tiny))
        assert not injector.may_help("u", tiny)
        injector.learned("u", "strong")
        injector.learned("u", "cheap")  # a worse one takes nothing away
        assert injector.may_help("u", cheap)
        assert not injector.may_help("u", strong)
        await injector.close()


async def test_what_another_process_learns_is_noticed(settings, monkeypatch):
    monkeypatch.setattr(injection, "REFRESH_SECONDS", 0.02)
    async with serving(settings) as cm:
        cheap = cm.engine.models["cheap"]
        injector = Injector(cm.engine, seconds=20.0)
        await injector.start()
        async with CrossModel.open(settings) as other:
            await other.engine.learn(HANDBOOK, "strong")
        await until(lambda: injector.may_help("default", cheap))
        await injector.close()


async def test_tenants_are_apart(settings):
    async with serving(settings) as cm:
        await cm.engine.learn(HANDBOOK, "strong", tenant="t")
        injector = Injector(cm.engine, seconds=20.0)
        assert await inject(injector) is None
        assert await inject(injector, tenant="t") is not None


async def test_some_go_without_so_that_what_insights_do_is_measured(settings):
    settings["insight_transfer"]["uplift"] = {"enable": True, "holdout_rate": 0.5}
    async with serving(settings) as cm:
        await cm.engine.learn(HANDBOOK, "strong")
        injector = Injector(cm.engine, seconds=20.0)
        recorder = Recorder(cm.engine)
        arms, ids = set(), []
        for _ in range(24):  # all in one arm: once in 8 million runs
            id_ = time_ordered_id("req_")
            changed, result = await inject(injector, request_id=id_)
            if result.arm == "holdout":
                assert changed == asked()
                assert result.withheld
            recorder.record(served(cm, id=id_, transfer=result))
            arms.add(str(result.arm))
            ids.append(id_)
        for arm_of in ids[:8]:
            await cm.feedback(arm_of, 1.0)
        assert {"insights", "holdout"} <= arms
        assert injector.injected + injector.withheld == 24
        tallies = await cm.engine.store.read(lambda tx: tx.tallies("default", target_model="cheap"))
        assert {str(key.arm) for key in tallies} & {"insights", "holdout"}


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": QUESTION},
        {"input": QUESTION},
        {"messages": []},
        {"messages": [{"role": "user", "content": " \n"}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": "x"},
    ],
)
async def test_what_asks_nothing_is_left_alone(settings, given):
    async with serving(settings) as cm:
        await cm.engine.learn(HANDBOOK, "strong")
        injector = Injector(cm.engine, seconds=20.0)
        assert await inject(injector, given=body(**given)) is None or "messages" in given
        assert injector.injected == 0


async def test_a_question_of_any_size_is_answered_in_time(settings):
    async with serving(settings) as cm:
        await cm.engine.learn(HANDBOOK, "strong")
        injector = Injector(cm.engine, seconds=5.0)
        long = "lorem ipsum dolor " * 50_000 + QUESTION
        changed, result = await inject(injector, given=asked(long))
        assert result.transferred_insights
        assert json.loads(bytes(changed["messages"]))[1]["content"] == long


async def test_who_would_wait_too_long_goes_without(settings, caplog):
    caplog.set_level(logging.INFO)
    async with serving(settings) as cm:
        await cm.engine.learn(HANDBOOK, "strong")
        injector = Injector(cm.engine, seconds=0.0)
        assert await inject(injector) is None
        assert injector.late == 1
        assert "took too long" in caplog.text
        await injector.close()  # what was begun ends
        assert not injector._tasks


async def test_a_slow_store_is_not_asked_ever_more(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(injection, "MOST_AT_ONCE", 2)
    async with serving(settings) as cm:
        await cm.engine.learn(HANDBOOK, "strong")
        injector = Injector(cm.engine, seconds=0.0)
        done = await asyncio.gather(*(inject(injector) for _ in range(5)))
        assert done == [None] * 5
        assert injector.late == 5
        await injector.close()


async def test_a_store_that_fails_fails_no_request(settings, caplog):
    async with serving(settings) as cm:
        await cm.engine.learn(HANDBOOK, "strong")
        injector = Injector(cm.engine, seconds=20.0)
        await injector.start()
        database = sqlite3.connect(settings["store"]["url"].removeprefix("sqlite:///"))
        database.execute("ALTER TABLE insights RENAME TO gone")
        database.commit()
        assert await inject(injector) is None
        assert injector.failed == 1
        assert "goes without insights" in caplog.text
        with pytest.raises(StoreError):
            await injector.refresh()
        database.execute("ALTER TABLE gone RENAME TO insights")
        database.commit()
        database.close()
        assert await inject(injector) is not None
        await injector.close()


SETTINGS = """
[store]
url = "sqlite:///state.db"
[witness]
key_dir = "keys"
[insight_transfer.uplift]
enable = false
[[providers]]
id = "p"
kind = "fake"
[[models]]
id = "strong"
provider = "p"
quality = 0.9
[[models]]
id = "cheap"
provider = "p"
quality = 0.4
[[models]]
id = "tiny"
provider = "p"
quality = 0.2
follows_system_prompt = false
"""


async def test_the_whole_way_round_and_the_commands_know_it(settings, tmp_path, crossmodel_command):
    """Learned from one request, handed to the next, recorded, and read by the real commands."""
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)
    async with serving(settings) as cm:
        recorder, injector = Recorder(cm.engine), Injector(cm.engine, seconds=20.0)
        learner = Learner(cm.engine, injector.learned)
        await injector.start()
        cheap = cm.engine.models["cheap"]
        assert not injector.may_help("default", cheap)
        taught = served(cm, "How are codes made?", HANDBOOK, model="strong")
        recorder.record(taught)
        learner.offer(taught)
        await until(lambda: injector.may_help("default", cheap))
        id_ = time_ordered_id("req_")
        _, result = await inject(injector, request_id=id_)
        helped = served(cm, QUESTION, "BIL-7", id=id_, transfer=result)
        recorder.record(helped)
        await learner.close(seconds=10.0)
        await injector.close()
        await recorder.close()

    def run(*arguments):
        done = crossmodel_command(*arguments, "--config", "crossmodel.toml")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    chain = await asyncio.to_thread(run, "trace", helped.id)
    assert helped.id in chain
    assert taught.id in chain
    assert "strong" in chain
    replayed = json.loads(await asyncio.to_thread(run, "replay", helped.id, "--json"))
    verdicts = {each["part"]: each for each in replayed["parts"]}
    assert verdicts["packing"]["verdict"] == "same"
    assert "came through the gateway" in verdicts["selection"]["details"][0]
    assert verdicts["answer"]["verdict"] == "not replayable"
    await asyncio.to_thread(run, "feedback", helped.id, "1.0")
    await asyncio.to_thread(run, "erase", helped.id, "--reason", "asked to", "--yes")
    assert "valid" in (await asyncio.to_thread(run, "verify")).lower()
