"""Handing over: arms, the gate, the bound of relevance and the form, on a real store."""

import random

import pytest

from crossmodel import InsightTransferConfig
from crossmodel.domain.insight import Evidence, Insight, text_sha256
from crossmodel.domain.transfer import Arm, TransferTarget
from crossmodel.domain.transfer_config import TransferProtocolsConfig, UpliftConfig
from crossmodel.domain.uplift import UpliftKey
from crossmodel.store import open_store
from crossmodel.transfer import Handover, HandoverRequest, InsightTransfer
from crossmodel.transfer.uplift import insight_unit, protocol_unit, relevance_unit

FACT = "The relay code of the Tavor depot is 47."
QUESTION = "What is the relay code of the Tavor depot?"


@pytest.fixture
async def store():
    opened = await open_store("sqlite:///:memory:")
    await opened.transact(lambda tx: tx.add_insights("t", [told(FACT)]))
    yield opened
    await opened.close()


def told(content, **fields):
    return Insight(
        content, evidence=(Evidence(0, len(content), text_sha256(content)),), confidence_score=0.8,
        validation_status="valid", source_model="big", **fields,
    )  # fmt: skip


def handover(**uplift):
    config = InsightTransferConfig(uplift=UpliftConfig(**({"holdout_rate": 0.0} | uplift)))
    transfer = InsightTransfer(config)
    transfer.register_target(
        TransferTarget("m", follows_system_prompt=False, count_tokens=len, prefers="exemplar")
    )
    return Handover(transfer)


async def run(store, maker, question=QUESTION, request_id="r", **fields):
    request = HandoverRequest(question, "m", "t", request_id=request_id, **fields)
    plan = await store.read(lambda tx: maker.plan(tx, request))
    return maker.carry_out(plan)


async def score(store, unit, arm, value, times):
    key = UpliftKey("m", "reasoning", unit, arm)

    def work(tx):
        for _ in range(times):
            tx.add_uplift("t", [key], value)

    await store.transact(work)


async def test_what_fits_is_handed_over_in_the_form_that_the_model_prefers(store):
    result = await run(store, handover())
    assert (result.success, result.arm, result.protocol) == (True, Arm.INSIGHTS, "exemplar")
    assert FACT in result.context
    assert result.propensity == 1.0
    assert 0.4 <= result.relevance <= 1.0
    assert result.task_type == "reasoning"


async def test_why_nothing_is_handed_over_is_said(store):
    unknown = await run(store, handover(), "How do I bake bread?")
    assert (unknown.success, unknown.arm) == (False, Arm.GATED)
    assert unknown.error
    refused = await run(store, handover(), admits=lambda _: False)
    assert "nothing is known" in refused.error


async def test_a_closed_gate_says_why_and_is_tried_again_now_and_then(store):
    await score(store, protocol_unit("exemplar"), Arm.INSIGHTS, 0.2, 200)
    await score(store, protocol_unit("exemplar"), Arm.HOLDOUT, 0.9, 200)
    fixed = handover(retry_rate=0.0)
    fixed.transfer.config.transfer_protocols = TransferProtocolsConfig(choose_per_target=False)
    closed = await run(store, fixed)
    assert (closed.success, closed.arm) == (False, Arm.GATED)
    assert "not expected" in closed.error
    assert [i.content for i in closed.withheld] == [FACT]
    retrying = handover(retry_rate=0.3)
    retrying.transfer.config.transfer_protocols = TransferProtocolsConfig(choose_per_target=False)
    arms = [(await run(store, retrying, request_id=str(n))).arm for n in range(100)]
    assert 15 <= arms.count(Arm.INSIGHTS) <= 45
    assert arms.count(Arm.HOLDOUT) == 100 - arms.count(Arm.INSIGHTS)


async def test_another_form_takes_over_where_its_answers_score_better(store):
    await score(store, protocol_unit("exemplar"), Arm.INSIGHTS, 0.2, 200)
    await score(store, protocol_unit("standard"), Arm.INSIGHTS, 0.9, 50)
    forms = [(await run(store, handover(), request_id=str(n))).protocol for n in range(20)]
    assert forms.count("standard") >= 18
    named = handover()
    named.transfer.register_target(TransferTarget("m", protocol="exemplar", count_tokens=len))
    assert (await run(store, named)).protocol == "exemplar"


async def test_relevance_that_has_not_helped_is_not_enough_any_more(store):
    first = await run(store, handover())
    for tenth in range(round(first.relevance * 10) + 1):
        unit = relevance_unit(min(tenth / 10, 1.0))
        await score(store, unit, Arm.INSIGHTS, 0.1, 100)
        await score(store, unit, Arm.HOLDOUT, 0.8, 100)
    result = await run(store, handover(retry_rate=0.0))
    assert not result.success
    assert "relevance" in result.error


async def test_what_harms_this_model_is_not_handed_to_it_and_to_others_still(store):
    (insight,) = await store.read(lambda tx: tx.list_insights("t"))
    await score(store, insight_unit(insight.id), Arm.INSIGHTS, 0.1, 100)
    await score(store, insight_unit(insight.id), Arm.HOLDOUT, 0.9, 50)
    maker = handover()
    result = await run(store, maker)
    assert not result.success
    assert any("harms m" in each.reason for each in result.rejected)
    request = HandoverRequest(QUESTION, "another", "t")
    plan = await store.read(lambda tx: maker.plan(tx, request))
    assert maker.carry_out(plan).success


async def test_a_replay_finds_the_request_in_the_same_arm(store):
    maker = handover(holdout_rate=0.4, padding_rate=0.3)
    ids = [str(random.Random(n).random()) for n in range(30)]
    arms = [(await run(store, maker, request_id=each)).arm for each in ids]
    assert [(await run(store, maker, request_id=each)).arm for each in ids] == arms
    assert set(arms) == {Arm.INSIGHTS, Arm.HOLDOUT, Arm.PADDING}
    assert (await run(store, maker, request_id="")).arm == Arm.INSIGHTS  # no experiment


async def test_distrusted_insights_take_nobodys_place(store):
    flood = [
        told(f"The relay code of the Tavor depot number {n} is {n}{n}.", trust=0.1)
        for n in range(200, 400)
    ]
    await store.transact(lambda tx: tx.add_insights("t", flood))
    result = await run(store, handover())
    assert FACT in result.context
