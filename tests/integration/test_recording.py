"""What the gateway puts on record: handed over here, written by the real writer, read by the CLI."""

import errno
import json
import logging
import os
from datetime import UTC, datetime

import pytest

from crossmodel import ConfigurationError, CrossModel, WitnessError
from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.insight import Insight
from crossmodel.domain.selection import ModelSelection, RequestContext, TaskRequirement
from crossmodel.domain.transfer import TransferResult
from crossmodel.gateway.recording import Recorder
from crossmodel.gateway.served import Served
from crossmodel.settings import load_settings
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.sse import write_event
from crossmodel.witness.handing_over.batches import Batches
from crossmodel.witness.handing_over.handover import Handover


@pytest.fixture
def settings(tmp_path):
    return {
        "store": {"url": f"sqlite:///{tmp_path}/s.db"},
        "witness": {"key_dir": str(tmp_path / "keys")},
        "providers": [{"id": "p", "kind": "fake"}],
        "models": [
            {"id": "strong", "provider": "p", "quality": 0.9, "input_price": 3.0},
            {"id": "cheap", "provider": "p", "quality": 0.4},
        ],
    }


@pytest.fixture(params=["a writer process", "this process"])
def either(request, settings):
    """Settings for each way to write."""
    if request.param == "this process":
        settings["witness"]["writer"] = "inline"
    return settings


def serving(settings):
    return CrossModel(load_settings(settings), serves=True)


def chat(said, **more):
    message = {"role": "assistant", "content": said} | more
    return json.dumps({"choices": [{"index": 0, "message": message}]}).encode()


def request(question, **more):
    body = {"model": "auto", "messages": [{"role": "user", "content": question}]} | more
    return json.dumps(body).encode()


def served(cm, question="How?", said="So.", *, model="cheap", selection=None, **changes):
    given = {
        "id": time_ordered_id("req_"),
        "tenant": "default",
        "key": None,
        "path": "/v1/chat/completions",
        "dialect": Dialect.CHAT,
        "request": request(question),
        "selection": selection
        or ModelSelection(model, TaskRequirement(["coding"]), 1.0, selection_metadata={}),
        "model": cm.engine.models[model],
        "started_at": datetime.now(UTC),
        "latency_ms": 12.5,
        "status": 200,
        "body": chat(said),
        "is_whole": True,
        "served_model": "cheap-2",
        "cost_usd": 0.25,
    }
    return Served(**given | changes)


async def kept(cm, id_):
    """The predicates of a request's records and their hidden values, by kind and by name."""

    def read(tx):
        predicates, hidden = {}, {}
        for leaf in tx.leaves_about("default", id_):
            document = json.loads(leaf.statement)
            kind = document["predicateType"].split("/")[-2]
            predicates[kind] = document["predicate"]
            digests = {each["digest"]["sha256"]: each["name"] for each in document["subject"]}
            for digest, each in tx.get_commitments(leaf.index, list(digests)).items():
                hidden[digests[digest]] = each.value
        return predicates, hidden

    return await cm.engine.store.read(read)


async def test_a_request_is_kept_as_it_was_sent_and_its_answer_as_it_was_said(either):
    async with serving(either) as cm:
        recorder = Recorder(cm.engine)
        selection = cm.engine.choose(
            TaskRequirement(["coding"], quality_threshold=0.5), RequestContext()
        )
        one = served(cm, "How?", "So.", model="strong", selection=selection, trace_id="0a" * 16)
        one.request = b' {"messages":[{"role":"user","content":"caf\xe9"}]}\n'  # no UTF-8 at all
        recorder.record(one)
        await recorder.close()
        predicates, hidden = await kept(cm, one.id)
        assert hidden == {"request": one.request, "answer": b"So."}
        said = predicates["selection"]
        assert (said["model"], said["score"]) == ("strong", selection.suitability_score)
        assert said["requirement"] == {
            "required_capabilities": ["coding"],
            "complexity": 0.5,
            "quality_threshold": 0.5,
        }
        assert "quality" in said["rejected"]["cheap"]
        assert said["trace_id"] == "0a" * 16
        outcome = predicates["outcome"]
        assert outcome["success"] is True
        assert (outcome["source"], outcome["served_model"]) == ("engine", "cheap-2")
        assert (outcome["cost_usd"], outcome["latency_ms"]) == (0.25, 12.5)
        record = await cm.engine.store.read(lambda tx: tx.get_selection("default", one.id))
        assert record.selected_at == one.started_at
        (row,) = await cm.engine.store.read(lambda tx: tx.outcomes("default", one.id))
        assert row.price_version == cm.engine.models["strong"].price_version
        assert (recorder.recorded, recorder.lost, recorder.waiting) == (1, 0, 0)
        assert (await cm.verify()).is_valid


EVENTS = b"".join(
    write_event(json.dumps({"choices": [{"delta": {"content": piece}}]}).encode())
    for piece in ("So", " it", " is.")
)


@pytest.mark.parametrize(
    ("changes", "success", "answer"),
    [
        ({"body": EVENTS + b"data: [DONE]\n\n", "is_stream": True}, True, b"So it is."),
        ({"body": EVENTS, "is_stream": True, "is_whole": False, "status": 502}, False, b"So it is."),
        ({"body": b'data: {"choi', "is_stream": True, "is_whole": False, "status": 499}, False, None),
        ({"body": b'{"error":{}}', "is_whole": False, "status": 429}, False, None),
        ({"body": b'{"choices":[{"mess', "is_whole": True}, True, b'{"choices":[{"mess'),
        ({"body": b'{"data":[[0.1]]}', "dialect": None}, True, None),
        ({"body": b"", "is_whole": False, "status": 503}, False, None),
    ],
)  # fmt: skip
async def test_failures_and_streams(settings, changes, success, answer):
    async with serving(settings) as cm:
        recorder = Recorder(cm.engine)
        one = served(cm, **changes)
        recorder.record(one)
        await recorder.close()
        predicates, hidden = await kept(cm, one.id)
        assert predicates["outcome"]["success"] is success
        assert hidden.get("answer") == answer
        replay = await cm.replay(one.id)
        assert not replay.differs
        assert not replay.replayed


async def test_an_answer_from_the_cache_cost_nothing_and_says_where_it_is_from(settings):
    async with serving(settings) as cm:
        recorder = Recorder(cm.engine)
        one = served(cm, is_cached=True)
        recorder.record(one)
        await recorder.close()
        predicates, _ = await kept(cm, one.id)
        assert predicates["outcome"]["source"] == "cache"
        assert predicates["outcome"]["cost_usd"] == 0.0
        parts = {each.part: each.details[0] for each in (await cm.replay(one.id)).parts}
        assert "cache" in parts["answer"]
        assert "came through the gateway" in parts["selection"]


async def test_what_a_key_spent_is_known_after_a_restart(either):
    async with serving(either) as cm:
        recorder = Recorder(cm.engine)
        recorder.record(served(cm, key="team", cost_usd=0.25))
        recorder.record(served(cm, key="team", cost_usd=0.5))
        recorder.record(served(cm, key="other", cost_usd=1.0))
        await recorder.close()
    async with serving(either) as cm:
        budgets = cm.engine.selector.cost_optimizer
        assert budgets.committed("monthly_budget", key="team") == 0.75
        assert budgets.committed("monthly_budget", key="other") == 1.0
        assert budgets.committed("monthly_budget", tenant="default") == 1.75


def lesson():
    return Insight(
        content="A code is the queue's prefix and the floor.",
        insight_type="reasoning",
        source_model="strong",
        confidence_score=0.9,
    )


async def test_what_was_handed_over_is_on_record(settings):
    async with serving(settings) as cm:
        recorder = Recorder(cm.engine)
        given = TransferResult(
            True, [lesson()], 0.5, context="[notes]\nthe lesson", tokens=9, protocol="standard",
            arm="insights", task_type="coding", relevance=0.75,
        )  # fmt: skip
        held = TransferResult(
            False, withheld=[lesson()], arm="holdout", protocol="standard", error="held out"
        )
        nothing = TransferResult(False, error="nothing fits")
        all_ = [served(cm, transfer=each) for each in (given, held, nothing)]
        for each in all_:
            recorder.record(each)
        await recorder.close()
        _, hidden = await kept(cm, all_[0].id)
        assert hidden["context"] == b"[notes]\nthe lesson"
        records = [
            await cm.engine.store.read(lambda tx, id_=each.id: tx.get_transfer("default", id_))
            for each in all_
        ]
        assert records[0].insight_ids == records[1].insight_ids == (lesson().id,)
        assert [each and each.arm for each in records] == ["insights", "holdout", None]
        assert records[0].transferred_at == all_[0].started_at
        await cm.feedback(all_[0].id, 1.0)  # counts for the arm


async def test_feedback_trace_and_verify_know_the_request_at_once(either):
    async with serving(either) as cm:
        recorder = Recorder(cm.engine)
        one = served(cm)
        recorder.record(one)
        await cm.feedback(one.id, 0.5)  # nobody has waited for the writer
        other = served(cm)
        recorder.record(other)
        assert other.id in str((await cm.trace(other.id)).to_dict())
        recorder.record(served(cm))
        report = await cm.verify()
        assert report.is_valid
        assert report.records == 7


async def test_a_state_is_kept_once_and_the_extraction_is_replayed_from_it(settings):
    text = "Rule: a code is the queue's prefix, a dash and the floor number.\n"
    async with serving(settings) as cm:
        recorder = Recorder(cm.engine)
        ones = [served(cm, said=text, model="strong") for _ in range(3)]
        for each in ones:
            recorder.record(each)
        await recorder.close()
        inputs = {(await kept(cm, each.id))[0]["selection"]["inputs"] for each in ones}
        assert len(inputs) == 1
        assert await cm.engine.store.read(lambda tx: tx.get_snapshot(next(iter(inputs))))
        replay = await cm.replay(ones[0].id)
        said = {each.part: each for each in replay.parts}
        assert "no insight of this answer" in said["extraction"].details[0]
        await cm.engine.learn(text, "strong", origin=ones[0].id, source_request=ones[0].id)
        replay = await cm.replay(ones[0].id)
        said = {each.part: each for each in replay.parts}
        assert said["extraction"].verdict == "same"
        assert replay.replayed


@pytest.mark.parametrize("escape", ["none", "json", "html"])
async def test_erasing_an_insight_finds_it_in_what_clients_sent(settings, escape):
    rule = "Grüße <Köln> bekommen immer den Kode KLN-7 & nichts sonst"
    body = request(f"Remember: {rule}. Now?")
    if escape == "none":
        body = json.dumps(json.loads(body), ensure_ascii=False).encode()
    if escape == "html":  # as Go's encoder does
        body = body.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")
    async with serving(settings) as cm:
        recorder = Recorder(cm.engine)
        one, other = served(cm, request=body), served(cm)
        recorder.record(one)
        recorder.record(other)
        await recorder.close()
        insight = lesson()
        insight.content = rule

        def keep(tx):
            return tx.add_insights("default", [insight])

        (id_,) = await cm.engine.store.transact(keep)
        await cm.engine.ledger.erase("default", [id_], "asked to")
        _, hidden = await kept(cm, one.id)
        assert "request" not in hidden
        _, hidden = await kept(cm, other.id)
        assert "request" in hidden
        assert (await cm.verify()).is_valid


async def test_a_request_is_erased_with_all_that_was_said(settings):
    async with serving(settings) as cm:
        recorder = Recorder(cm.engine)
        secret = "the launch code is 0000"
        body = request([{"type": "text", "text": secret}])
        one = served(cm, request=body, said=f"Right, {secret}.")
        recorder.record(one)
        with pytest.raises(Exception, match="must not quote"):
            await cm.engine.ledger.erase_request("default", one.id, f"it says {secret}")
        await cm.engine.ledger.erase_request("default", one.id, "asked to")
        _, hidden = await kept(cm, one.id)
        assert hidden == {}
        assert (await cm.verify()).is_valid
        replay = await cm.replay(one.id)
        assert not replay.differs


async def test_who_writes(settings):
    async with serving(settings) as cm:
        assert isinstance(cm.engine.ledger.handover, Handover)
    settings["witness"]["writer"] = "inline"
    async with serving(settings) as cm:
        assert isinstance(cm.engine.ledger.handover, Batches)
    settings["witness"]["writer"] = "auto"
    async with CrossModel.open(settings) as cm:
        assert cm.engine.ledger.handover is None
        with pytest.raises(ConfigurationError, match="serves=True"):
            Recorder(cm.engine)
    settings["store"]["url"] = "sqlite:///:memory:"
    async with serving(settings) as cm:
        assert isinstance(cm.engine.ledger.handover, Batches)
        recorder = Recorder(cm.engine)
        one = served(cm)
        recorder.record(one)
        await cm.feedback(one.id, 1.0)


class FullDisk:
    """Stands before an outbox: the disk is full while ``is_full``."""

    def __init__(self, outbox):
        self.is_full = True
        self.outbox = outbox

    def append(self, body):
        if self.is_full:
            raise WitnessError(f"cannot write records: {os.strerror(errno.ENOSPC)}")
        self.outbox.append(body)


async def test_while_the_disk_is_full_records_wait_and_then_go_in_their_order(settings, caplog):
    async with serving(settings) as cm:
        disk = FullDisk(cm.engine.ledger.handover)
        recorder = Recorder(cm.engine, most_waiting_bytes=16_000)
        recorder._append = disk.append
        ones = [served(cm, said="x" * 4_000) for _ in range(6)]
        with caplog.at_level(logging.ERROR):
            for each in ones:
                recorder.record(each)
        assert recorder.recorded == 0
        assert recorder.lost + recorder.waiting == 6
        assert 0 < recorder.waiting < 6
        assert "No space left" in caplog.text
        assert "there is no room" in caplog.text
        lost = recorder.lost
        with pytest.raises(WitnessError):
            await recorder.close()
        assert (recorder.lost, recorder.waiting) == (6, 0)
        again = ones[0]
        recorder.record(again)
        assert recorder.waiting == 1
        disk.is_full = False
        recorder.record(ones[1])  # waits behind it
        assert recorder.waiting == 2
        await recorder.close()
        assert (recorder.recorded, recorder.waiting) == (2, 0)
        assert lost < 6
        first, second = [
            await cm.engine.store.read(lambda tx, id_=each.id: tx.leaves_about("default", id_))
            for each in ones[:2]
        ]
        assert first[-1].index < second[0].index


async def test_what_cannot_be_recorded_is_counted_and_raises_nothing(settings, caplog):
    async with serving(settings) as cm:
        recorder = Recorder(cm.engine)
        teacher = {"model": "strong"}  # whose requests say what they were chosen from
        recorder.record(served(cm, tenant="half \ud800", **teacher))  # it would have brought that
        recorder.record(served(cm, request=b"x" * (64 * 1024 * 1024)))
        assert recorder.lost == 2
        assert "too large for the log" in caplog.text
        one, other = served(cm, **teacher), served(cm, **teacher)
        recorder.record(one)
        recorder.record(other)
        await recorder.close()
        for each in (one, other):
            inputs = (await kept(cm, each.id))[0]["selection"]["inputs"]
            assert await cm.engine.store.read(lambda tx, of=inputs: tx.get_snapshot(of))
        assert (await cm.verify()).records == 4
