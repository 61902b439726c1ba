"""The whole loop with a real writer process beside it."""

import os
import signal
import time
from dataclasses import replace

import pytest

from crossmodel import ConfigurationError, CrossModel, NotFoundError
from crossmodel.providers import FakeProvider
from crossmodel.witness.handing_over.spool import Spool
from crossmodel.witness.handing_over.writer import LOCK, sole_writer
from crossmodel.witness.turns import TurnRecord, encode_turn

HANDBOOK = "A ticket code is always the queue's prefix, a dash and the floor number.\n"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    answers = {"strong": HANDBOOK, "cheap": "BIL-7", "odd": "half a pair: \ud800"}
    provider = FakeProvider(lambda request: answers[request.model])
    monkeypatch.setattr("crossmodel.assembly.building.create_provider", lambda *_, **__: provider)
    return {
        "store": {"url": f"sqlite:///{tmp_path}/s.db"},
        "witness": {"key_dir": str(tmp_path / "keys"), "writer": "process"},
        "providers": [{"id": "p", "kind": "fake"}],
        "models": [
            {"id": "strong", "provider": "p", "quality": 0.9},
            {"id": "cheap", "provider": "p", "quality": 0.4},
            {"id": "odd", "provider": "p", "quality": 0.4},
        ],
    }


@pytest.fixture
def root(tmp_path):
    return tmp_path / "s.db.spool"


def wait_for_the_end_of_the_writer(root):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with sole_writer(root) as is_mine:
            if is_mine:
                return
        time.sleep(0.02)
    raise AssertionError("the writer does not end")


async def test_answers_do_not_wait_and_whoever_asks_for_the_record_does(settings, root):
    async with CrossModel.open(settings) as cm:
        answers = [await cm.complete(f"code {n}?", model="cheap") for n in range(5)]
        assert [answer.leaves for answer in answers] == [()] * 5
        await cm.feedback(answers[0].id, 1.0)
        assert not await cm.feedback_once(answers[0].id, 1.0)
        with pytest.raises(NotFoundError):
            await cm.feedback("req_unknown", 1.0)
        taught = await cm.complete("How are codes made?", model="strong")
        assert len(taught.leaves) > 2  # learned from: written here
        last = await cm.complete("code?", model="cheap")
        report = await cm.verify()
        assert report.is_valid
        assert report.records == 2 * 5 + 1 + len(taught.leaves) + 3  # it was given a lesson
        unsettled = await cm.complete("code?", model="cheap")
        chain = await cm.trace(unsettled.id)
        assert unsettled.id in str(chain.to_dict())
        evidence = await cm.witness(report.records - 1)
        assert cm.engine.ledger.vif.verify_witness(evidence).is_valid
        outcomes = await cm.engine.store.read(lambda tx: tx.outcomes("default", last.id))
        assert [outcome.success for outcome in outcomes] == [True]
    wait_for_the_end_of_the_writer(root)
    assert {path.name for path in root.iterdir()} <= {LOCK, "name", "wake", "writer.log"}
    assert (root / "writer.log").read_text() == ""


async def test_what_cannot_be_handed_over_is_written_here(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("code?", model="odd")
        assert len(answer.leaves) == 2


async def test_the_writer_may_be_killed_and_a_next_one_goes_on(settings, root):
    async with CrossModel.open(settings) as cm:
        first = await cm.complete("code?", model="cheap")
        await cm.feedback(first.id, 0.5)
        os.kill(int((root / LOCK).read_text()), signal.SIGKILL)
        second = await cm.complete("code?", model="cheap")
        await cm.feedback(second.id, 0.5)
        assert (await cm.verify()).records == 6
    wait_for_the_end_of_the_writer(root)


async def test_what_nobody_has_written_is_written_by_who_opens_the_store_next(settings, root):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("code?", model="cheap")
        await cm.feedback(answer.id, 0.5)
        record = await cm.engine.store.read(lambda tx: tx.get_selection("default", answer.id))
        outcome = (await cm.engine.store.read(lambda tx: tx.outcomes("default", answer.id)))[0]
    wait_for_the_end_of_the_writer(root)
    spool = Spool(root)  # of a process that dies before there is a writer
    left = TurnRecord(
        replace(record, request_id="req_left"), replace(outcome, request_id="req_left"), b"?"
    )
    spool.append(encode_turn(left))
    spool.close()
    inline = settings | {"witness": settings["witness"] | {"writer": "inline"}}
    async with CrossModel.open(inline) as cm:
        assert await cm.engine.store.read(lambda tx: tx.outcomes("default", "req_left"))
        assert (await cm.verify()).records == 5
    assert not spool.folder.exists()


async def test_a_store_in_memory_has_no_writer_process(settings):
    settings["store"]["url"] = "sqlite:///:memory:"
    with pytest.raises(ConfigurationError, match=r"witness\.writer: .* a store that is a file"):
        async with CrossModel.open(settings):
            pass


def test_only_known_writers_can_be_set(settings):
    settings["witness"]["writer"] = "thread"
    with pytest.raises(ConfigurationError, match="auto, inline, process"):
        CrossModel.open(settings)
