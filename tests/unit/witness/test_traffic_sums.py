"""What turns add to the history of traffic."""

import math
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import CrossModelVIF, Insight, Outcome
from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.period import TimePeriod
from crossmodel.domain.records import SelectionRecord, TransferRecord
from crossmodel.domain.selection import CACHE
from crossmodel.domain.traffic import (
    NANO,
    SUMS,
    Prices,
    TrafficKey,
    TrafficSums,
    bucket_of,
    dearest_prices,
    minute_of,
)
from crossmodel.errors import StoreConflictError
from crossmodel.store import open_store
from crossmodel.witness import KeyPair
from crossmodel.witness.handed_over import write_handed_over
from crossmodel.witness.relayed import RelayedTurn
from crossmodel.witness.traffic import sums_of_extraction, sums_of_score, sums_of_turns
from crossmodel.witness.turn_record import Extracted, TurnRecord
from crossmodel.witness.turns import encode_turn, write_turns

AT = datetime(2026, 11, 27, 12, 34, 56, tzinfo=UTC)
KEYS = KeyPair.generate()
DEAREST = Prices(10.0, 40.0)


def turn(n=0, *, model="m", tenant="t", at=AT, score=0.5, selection_ms=2.0, **more):
    name = f"req_{n}"
    selection = SelectionRecord(name, tenant, model, score, (), {}, at, selection_ms)
    said = {"success": True, "latency_ms": 100.0, "cost_usd": 0.25, "recorded_at": at}
    outcome = Outcome(name, model, **said | more.pop("outcome", {}))
    return TurnRecord(selection, outcome, b"{}", **more)


def transfer(**more):
    given = {"success": True, "insight_ids": ("a", "b"), "quality_score": 0.5, "tokens": 30}
    return TransferRecord(
        request_id="req_0", tenant="t", target_model="m", protocol="standard", context_digest="",
        transferred_at=AT, **given | more,
    )  # fmt: skip


def only(turns):
    (found,) = sums_of_turns(turns).values()
    return found


def test_a_counted_request():
    found = only([turn(input_tokens=1_000_000, output_tokens=500_000, dearest=DEAREST)])
    expected = TrafficSums(
        requests=1, cost_nano=NANO // 4, baseline_nano=30 * NANO, input_tokens=1_000_000,
        output_tokens=500_000, selection_us=2_000, suitability_nano=NANO // 2,
    )  # fmt: skip
    expected.latencies[bucket_of(100.0)] = 1
    assert found == expected


def test_what_was_handed_over_would_not_have_been_read():
    counted = {"input_tokens": 1_000, "output_tokens": 0, "dearest": DEAREST}
    without = only([turn(**counted)])
    having = only([turn(**counted, transfer=transfer())])
    assert without.baseline_nano - having.baseline_nano == 30 * 10 * 1000
    assert (having.transfers, having.transferred, having.handed_over) == (1, 1, 2)
    assert (having.handed_tokens, having.quality_nano, having.withheld) == (30, NANO // 2, 0)
    more = only([turn(**counted, transfer=transfer(tokens=5_000))])
    assert more.baseline_nano == 0


def test_what_an_experiment_withheld_was_no_attempt():
    for arm, tokens in (("holdout", 0), ("padding", 30)):
        found = only([turn(transfer=transfer(arm=arm, tokens=tokens))])
        assert (found.transfers, found.withheld, found.handed_over) == (0, 1, 0)


def test_a_transfer_that_failed():
    found = only([turn(transfer=transfer(success=False))])
    assert (found.transfers, found.transferred, found.handed_over) == (1, 0, 0)
    assert (found.handed_tokens, found.quality_nano) == (0, 0)


@pytest.mark.parametrize(
    "missing", [{"output_tokens": 5}, {"input_tokens": 5, "dearest": DEAREST}, {}]
)
def test_where_nobody_counted_nothing_is_saved(missing):
    found = only([turn(**missing)])
    assert (found.uncounted, found.baseline_nano) == (1, NANO // 4)
    assert (found.input_tokens, found.output_tokens) == (0, 0)


def test_counted_without_known_prices_saves_nothing():
    found = only([turn(input_tokens=5, output_tokens=5)])
    assert (found.uncounted, found.baseline_nano) == (0, NANO // 4)


def test_cached_streamed_and_failed_requests():
    found = only(
        [
            turn(
                0,
                outcome={"source": CACHE, "cost_usd": 0.0},
                input_tokens=9,
                output_tokens=9,
                dearest=DEAREST,
            ),
            turn(1, is_stream=True),
            turn(2, outcome={"success": False, "latency_ms": None, "cost_usd": None}),
        ]
    )
    assert (found.requests, found.cached, found.streams, found.errors) == (3, 1, 1, 1)
    assert (found.uncounted, found.input_tokens, found.baseline_nano) == (3, 0, NANO // 4)
    assert sum(found.latencies) == 1


def test_minutes_tenants_and_models_are_apart():
    turns = [
        turn(0), turn(1, at=AT + timedelta(seconds=3)), turn(2, at=AT + timedelta(seconds=4)),
        turn(3, tenant="u"), turn(4, model="n"),
    ]  # fmt: skip
    minute = minute_of(AT)
    assert {key: each.requests for key, each in sums_of_turns(turns).items()} == {
        TrafficKey(minute, "t", "m"): 2,
        TrafficKey(minute + 60, "t", "m"): 1,
        TrafficKey(minute, "u", "m"): 1,
        TrafficKey(minute, "t", "n"): 1,
    }
    assert sums_of_turns([]) == {}


def test_what_was_learned_from_an_answer():
    insights = [
        Insight(f"content {n}", source_model="m", confidence_score=0.5 + n / 4) for n in range(2)
    ]
    result = ExtractionResult(insights, "m", latency_ms=1.5)
    found = only([turn(extraction=Extracted.of(result))])
    assert (found.extractions, found.insights, found.extraction_us) == (1, 2, 1_500)
    assert found.confidence_nano == NANO * 5 // 4
    elsewhere = sums_of_extraction("t", result, AT)[minute_of(AT), "t", "m"]
    assert (elsewhere.requests, elsewhere.insights) == (0, 2)


def test_the_last_score_counts_and_the_one_before_no_more():
    both = TrafficSums.of([sums_of_score(0.9, before=None), sums_of_score(0.2, before=0.9)])
    assert (both.scores, both.score_nano) == (1, NANO // 5)


wild = st.floats(allow_nan=True, allow_infinity=True)


@given(st.tuples(*[wild] * 6), st.integers(), st.integers())
def test_no_figure_breaks_a_sum(figures, read, written):
    cost, latency, selection, score, *dearest = figures
    if math.isnan(latency):
        latency = None  # the store refuses it before
    found = only(
        [
            turn(
                outcome={"cost_usd": cost, "latency_ms": latency},
                selection_ms=selection,
                score=score,
                input_tokens=read,
                output_tokens=written,
                dearest=Prices(*dearest),
                transfer=transfer(tokens=written, quality_score=score),
            )
        ]
    )
    for name in SUMS:
        value = getattr(found, name)
        assert type(value) is int
        assert 0 <= value < 2**53


def test_the_dearest_model_is_that_of_the_blended_price():
    cheap = ModelSpec("cheap", "p", input_price=1.0, output_price=1.0)
    read = ModelSpec("reads", "p", input_price=10.0, output_price=0.0)
    written = ModelSpec("writes", "p", input_price=0.0, output_price=20.0)
    assert dearest_prices([cheap, read, written]) == (10.0, 0.0)
    assert dearest_prices([]) is None


async def written(work):
    store = await open_store("sqlite:///:memory:")
    try:
        vif = CrossModelVIF(keys=KEYS)
        await store.transact(lambda tx: work(tx, vif))
        found = await store.read(lambda tx: tx.traffic("t", TimePeriod(AT, AT)))
        return TrafficSums.of(found.steps.values())
    finally:
        await store.close()


async def test_what_is_handed_over_adds_the_same_as_what_is_written_here():
    turns = [
        turn(n, input_tokens=n, output_tokens=2 * n, dearest=DEAREST, is_stream=n % 2 == 0)
        for n in range(20)
    ]
    turns.append(turn(20, transfer=transfer(), extraction=Extracted(3, 1.5, 2.0)))
    here = await written(lambda tx, vif: write_turns(tx, vif, turns))
    bodies = [encode_turn(each) for each in turns]
    there = await written(lambda tx, vif: write_handed_over(tx, bodies, vif=vif))
    assert here == there == only(turns)


def relayed(n=0, **more):
    fields = {
        "request_id": f"req_{n}", "tenant": "t", "model_id": "m", "score": 0.5, "alternatives": [],
        "requirement": {}, "selection_ms": 2.0, "propensity": 1.0, "rejected": {}, "inputs": None,
        "snapshots": {}, "started_at": AT, "latency_ms": 100.0, "request": b"{}", "body": b"{}",
        "dialect": None, "is_stream": True, "is_whole": True, "is_cached": False, "cost_usd": 0.25,
        "served_model": None, "price_version": None, "transfer": None, "context": "",
        "trace_id": None,
    }  # fmt: skip
    return RelayedTurn(**fields | more)


async def test_a_relayed_turn_counts_tokens_where_the_gateway_knows_them():
    encode = msgspec.msgpack.Encoder(enc_hook=str).encode
    known = relayed(0, input_tokens=1_000, output_tokens=10, dearest=DEAREST)
    before = list(msgspec.to_builtins(relayed(1), builtin_types=(datetime, bytes)))[:-3]
    bodies = [encode(known), encode(before)]  # the second as an earlier version handed it over
    found = await written(lambda tx, vif: write_handed_over(tx, bodies, vif=vif))
    assert (found.requests, found.streams, found.uncounted) == (2, 2, 1)
    assert (found.input_tokens, found.output_tokens) == (1_000, 10)
    assert found.baseline_nano == (1_000 * 10 + 10 * 40) * 1_000 + NANO // 4


async def test_what_cannot_be_written_adds_nothing():
    store = await open_store("sqlite:///:memory:")
    vif = CrossModelVIF(keys=KEYS)
    with pytest.raises(StoreConflictError):
        await store.transact(lambda tx: [write_turns(tx, vif, [turn(0)]) for _ in range(2)])
    await store.transact(lambda tx: write_turns(tx, vif, [turn(0)]))
    found = await store.read(lambda tx: tx.traffic("t", TimePeriod(AT, AT)))
    assert TrafficSums.of(found.steps.values()).requests == 1
    await store.close()
