"""The gateway learns from answers of strong models, in a process of its own."""

import asyncio
import json
import os
import signal
import time

import pytest
from test_recording import chat, served, serving

from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.domain.transfer import TransferResult
from crossmodel.extraction import InsightExtractor
from crossmodel.gateway.learning import Learner
from crossmodel.gateway.recording import Recorder

RULE = "A ticket code is always the queue's prefix, a dash and the floor number.\n"


@pytest.fixture
def settings(tmp_path):
    return {
        "store": {"url": f"sqlite:///{tmp_path}/s.db"},
        "witness": {"key_dir": str(tmp_path / "keys")},
        "providers": [{"id": "p", "kind": "fake"}],
        "models": [
            {"id": "strong", "provider": "p", "quality": 0.9},
            {"id": "cheap", "provider": "p", "quality": 0.4},
        ],
    }


async def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not come"
        await asyncio.sleep(0.01)


async def insights(cm, tenant="default"):
    return await cm.engine.store.read(lambda tx: tx.list_insights(tenant))


async def test_a_strong_answer_becomes_the_insights_that_the_library_finds(settings):
    told = []
    async with serving(settings) as cm:
        recorder = Recorder(cm.engine)
        learner = Learner(cm.engine, lambda *of: told.append(of))
        one = served(cm, said=RULE, model="strong", tenant="t")
        recorder.record(one)
        assert learner.offer(one)
        await until(lambda: learner.learned)
        found = await insights(cm, "t")
        expected = InsightExtractor(cm.settings.insight_extractor).extract(RULE, "strong").insights
        assert {(each.id, each.content) for each in found} == {
            (each.id, each.content) for each in expected
        }
        assert found
        assert {each.trust for each in found} == {0.9}
        assert await insights(cm) == []
        source = await cm.engine.store.read(
            lambda tx: tx.get_source("t", found[0].evidence[0].source_sha256)
        )
        assert (source.text, source.origin) == (RULE, one.id)
        assert (learner.insights, told) == (len(found), [("t", "strong")])
        chain = await cm.trace(found[0].id, tenant="t")
        assert one.id in str(chain.to_dict())
        replay = await cm.replay(one.id, tenant="t")
        assert {each.part: each.verdict for each in replay.parts}["extraction"] == "same"
        await learner.close()
        assert (await cm.verify()).is_valid


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "cheap"},
        {"is_whole": False},
        {"status": 206},
        {"is_cached": True},
        {"dialect": None},
        {"body": b""},
    ],
)
async def test_of_some_answers_nothing_is_learned(settings, changes):
    async with serving(settings) as cm:
        learner = Learner(cm.engine)
        assert not learner.offer(served(cm, **{"said": RULE, "model": "strong"} | changes))
        assert (learner.waiting, learner.dropped) == (0, 0)
        await learner.close()


async def test_what_was_handed_over_and_steps_with_tools_are_not_learned(settings):
    given = Insight(RULE.strip(), kind=InsightKind.RULE, source_model="other")
    call = {"function": {"name": "edit", "arguments": json.dumps({"new": RULE})}}
    async with serving(settings) as cm:
        learner = Learner(cm.engine)
        learner.offer(served(cm, said=RULE, model="strong", transfer=TransferResult(True, [given])))
        learner.offer(served(cm, model="strong", body=chat("Now I edit.", tool_calls=[call])))
        learner.offer(served(cm, model="strong", body=b'{"choices":'))
        await until(lambda: learner.learned + learner.failed == 3)
        assert (learner.learned, learner.failed, learner.insights) == (2, 1, 0)
        assert await insights(cm) == []
        await learner.close()


async def test_what_there_is_no_room_for_is_dropped(settings):
    async with serving(settings) as cm:
        learner = Learner(cm.engine, most_waiting=2, most_waiting_bytes=2_000)
        assert not learner.offer(served(cm, said="x" * 2_000, model="strong"))
        assert learner.offer(served(cm, said=RULE, model="strong"))
        assert learner.offer(served(cm, said=RULE, model="strong"))
        assert not learner.offer(served(cm, said=RULE, model="strong"))
        assert learner.dropped == 2
        await learner.close()  # before it began
        assert learner.dropped == 4
        assert not learner.offer(served(cm, said=RULE, model="strong"))


async def test_a_process_that_is_killed_or_hangs_costs_one_answer(settings, caplog):
    async with serving(settings) as cm:
        learner = Learner(cm.engine, seconds=2.0)
        learner.offer(served(cm, said=RULE, model="strong"))
        await until(lambda: learner.learned == 1)
        first = learner._worker._process.pid
        assert os.getpriority(os.PRIO_PROCESS, first) == min(
            19, os.getpriority(os.PRIO_PROCESS, 0) + 10
        )
        os.kill(first, signal.SIGKILL)
        learner.offer(served(cm, said=RULE, model="strong"))
        await until(lambda: learner.failed == 1)
        learner.offer(served(cm, said=RULE, model="strong"))
        await until(lambda: learner.learned == 2)
        second = learner._worker._process.pid
        os.kill(second, signal.SIGSTOP)  # it hangs
        learner.offer(served(cm, said=RULE, model="strong"))
        await until(lambda: learner.failed == 2)
        learner.offer(served(cm, said=RULE, model="strong"))
        await until(lambda: learner.learned == 3)
        assert len({first, second, learner._worker._process.pid}) == 3
        assert "timed out after 2 s" in caplog.text
        os.kill(learner._worker._process.pid, signal.SIGSTOP)
        learner.offer(served(cm, said=RULE, model="strong"))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        await learner.close()
        assert time.monotonic() - started < 1.0


async def test_the_assistant_is_paid_by_the_clients_key(settings, monkeypatch):
    settings["models"].append(
        {"id": "helper", "provider": "p", "quality": 0.5, "input_price": 1.0, "output_price": 1.0}
    )
    settings["insight_extractor"] = {"model_assisted": {"model": "helper"}}
    async with serving(settings) as cm:
        charged = []
        budget = cm.engine.selector.cost_optimizer
        reserve = budget.reserve
        monkeypatch.setattr(
            budget, "reserve", lambda usd, **of: charged.append(of) or reserve(usd, **of)
        )
        learner = Learner(cm.engine)
        learner.offer(served(cm, said=RULE, model="strong", key="team-7"))
        await until(lambda: learner.learned + learner.failed == 1)
        assert learner.learned == 1
        assert charged == [{"tenant": "default", "key": "team-7"}]
        await learner.close()
