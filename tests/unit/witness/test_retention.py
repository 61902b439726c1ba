"""What is older than is to be kept goes, all of it and nothing else, at whatever moment it ends."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.domain.insight import Evidence, ExtractionResult, Insight
from crossmodel.domain.records import SelectionRecord, SourceText, TransferRecord
from crossmodel.domain.selection import Outcome
from crossmodel.domain.witness import Statement
from crossmodel.errors import StoreError
from crossmodel.store import open_store, schema
from crossmodel.witness import CrossModelVIF, KeyPair, Ledger, Retention, retention
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.log import MemoryLog, append
from crossmodel.witness.statement import PAYLOAD_TYPE, build, commit, logged_at, subject_digests
from crossmodel.witness.turns import TurnRecord, write_turn

PAIR = KeyPair.generate()
START = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
YEAR = 365 * DAY


class Clock:
    def __init__(self, now=START):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(f"sqlite:///{tmp_path}/s.db")
    yield opened
    await opened.close()


def ledger_of(store, clock, *, enabled=True):
    config = CrossModelVIFConfig(
        witness_generation=WitnessGenerationConfig(
            enable_witness_generation=enabled, cryptographic_algorithm="Ed25519"
        )
    )
    return Ledger(CrossModelVIF(config, keys=PAIR, clock=clock), store, clock)


@pytest.fixture
def ledger(store, clock):
    return ledger_of(store, clock)


@pytest.fixture
def retain(ledger):
    return Retention(ledger, YEAR)


def turn_of(name, tenant, moment):
    request = {"messages": [{"role": "user", "content": f"prompt-{name} with words"}]}
    return TurnRecord(
        SelectionRecord(name, tenant, "m", 0.5, (), {}, moment, 1.0),
        Outcome(name, "m", success=True, recorded_at=moment),
        json.dumps(request).encode(),
        transfer=TransferRecord(
            name, tenant, "m", "standard", True, (), 0.5, 9, "", moment, error=f"error-{name}"
        ),
        context=f"context-{name} that was handed over",
        answer=f"answer-{name} that was given",
    )


async def ask(ledger, *names, tenant="t"):
    def work(tx):
        for name in names:
            write_turn(tx, ledger.vif, turn_of(name, tenant, ledger.clock()))

    await ledger.store.transact(work)


async def learn(ledger, text, content, tenant="t", origin=""):
    source = SourceText(text, "m", tenant, origin, ledger.clock())
    start = text.index(content)
    insight = Insight(content, evidence=(Evidence(start, start + len(content), source.sha256),))
    await ledger.record_insights(source, ExtractionResult([insight], "m"))
    return insight


async def rows(store, table):
    return await store.read(lambda tx: list(tx._connection.execute(sa.select(table)).mappings()))


async def said(store):
    """All that the hidden values say."""
    return " ".join(row["value"].decode() for row in await rows(store, schema.commitments))


def uncovered(tx):
    """Records that lack a value which no erasure record explains; there must be none."""
    lacking, explained = set(), set()
    for leaf in tx.leaves(0, tx.log_size()):
        document = parse_statement(leaf.statement)
        digests = set(subject_digests(document))
        if set(tx.get_commitments(leaf.index, list(digests))) != digests:
            lacking.add(leaf.index)
        for first, last in document["predicate"].get("records", ()):
            explained |= set(range(first, last + 1))
    return lacking - explained


async def check(ledger):
    await ledger.seal()
    report = await ledger.store.read(ledger.vif.verify_log)
    assert report.is_valid, report.steps[-1]
    assert await ledger.store.read(uncovered) == set()


def files_with(tmp_path, word):
    return [p.name for p in tmp_path.rglob("*") if p.is_file() and word.encode() in p.read_bytes()]


async def test_what_is_due_goes_with_a_record_and_everything_else_stays(
    store, ledger, retain, clock, tmp_path
):
    await ask(ledger, "old-1", "old-2")
    await ask(ledger, "old-3", tenant="u")
    rule = await learn(ledger, "It is so: the relay code is 47.", "the relay code is 47.")
    await ledger.record_feedback("t", "old-1", 0.5)
    clock.now += timedelta(hours=1)
    await ask(ledger, "new-1")
    await ledger.seal()
    evidence = await store.read(lambda tx: ledger.vif.generate_witness(0, tx))
    pin = (await store.read(lambda tx: tx.latest_checkpoint())).note
    clock.now = START + YEAR + timedelta(minutes=1)
    planned = await retain.plan()
    assert (await retain.plan()) == planned  # and nothing has changed
    done = await retain.apply()
    assert (done.records, done.values, done.sources) == (10, 10, 0)
    assert (done.oldest, done.newest) == (START, START)
    assert done.is_scrubbed
    assert (planned.records, planned.values, planned.sources) == (10, 10, 0)
    assert (planned.oldest, planned.newest, planned.leaves) == (START, START, ())
    kept = await said(store)
    assert "old-" not in kept
    assert "retention: older than 365 days" in kept
    for text in ("prompt-new-1", "context-new-1", "answer-new-1", rule.content):
        assert text in kept
    for kind in ("prompt", "context", "answer", "error"):
        assert files_with(tmp_path, f"{kind}-old-") == []
        assert files_with(tmp_path, f"{kind}-new-1")
    [leaf] = done.leaves
    [record] = await store.read(lambda tx: list(tx.leaves(leaf, leaf + 1)))
    predicate = parse_statement(record.statement)["predicate"]
    assert predicate["records"] == [[0, 8], [10, 10]]  # 9 is the insight's
    assert predicate["counts"] == {"commitments": 10, "sources": 0}
    assert ledger.vif.verify_witness(evidence, against=pin).is_valid
    await check(ledger)
    assert await store.read(lambda tx: tx.list_insights("t")) == [rule]
    assert [row["request_id"] for row in await rows(store, schema.outcomes)] == [
        "old-1", "old-2", "old-3", "old-1", "new-1",
    ]  # fmt: skip
    again = await retain.apply()
    assert (again.records, again.values, again.leaves) == (0, 0, ())


async def test_a_batch_never_cuts_a_turn_and_each_says_what_went(
    store, ledger, retain, clock, monkeypatch
):
    monkeypatch.setattr(retention, "BATCH", 4)
    await ask(ledger, *(f"r{n}" for n in range(7)))
    clock.now += YEAR + DAY
    real, seen = store.transact, []

    async def watched(work):
        result = await real(work)
        seen.append(await store.read(uncovered))
        return result

    monkeypatch.setattr(store, "transact", watched)
    done = await retain.apply()
    assert done.records == 21
    assert len(done.leaves) == 4  # of 6, 6, 6 and 3 records
    assert seen
    assert all(lacking == set() for lacking in seen)
    await check(ledger)


async def test_a_run_that_fails_between_batches_goes_on_there(
    store, ledger, retain, clock, monkeypatch
):
    monkeypatch.setattr(retention, "BATCH", 3)
    await ask(ledger, *(f"r{n}" for n in range(5)))
    clock.now += YEAR + DAY
    real, left = store.transact, [2]

    async def failing(work):
        if not left[0]:
            raise StoreError("the disk is gone")
        left[0] -= 1
        return await real(work)

    monkeypatch.setattr(store, "transact", failing)
    with pytest.raises(StoreError):
        await retain.apply()
    monkeypatch.setattr(store, "transact", real)
    await check(ledger)
    text = await said(store)
    assert "prompt-r1" not in text
    assert "prompt-r2" in text
    assert (await retain.plan()).records == 9
    done = await retain.apply()
    assert done.records == 9
    assert "prompt" not in await said(store)
    await check(ledger)


async def test_a_run_ends_signed_so_that_a_copy_of_the_store_verifies(store, ledger, retain, clock):
    await ask(ledger, "old")
    await ledger.seal()
    clock.now += YEAR + DAY
    done = await retain.apply()
    assert done.values
    report = await store.read(ledger.vif.verify_log)
    assert report.is_valid, report.steps[-1]
    assert (report.details["unsigned"], report.details["erased"]) == (0, 3)


async def test_sources_go_that_no_insight_stands_on(store, ledger, retain, clock):
    kept = await learn(ledger, "Before. The relay code is 47.", "The relay code is 47.")
    unused = [SourceText(f"text {n} of nobody", "m", "t", "", START) for n in range(3)]
    same = SourceText("Before. The relay code is 47.", "m", "u", "", START)  # nobody's in u
    fresh = SourceText("fresh text", "m", "t", "", START + 2 * DAY)

    def work(tx):
        for source in (*unused, same, fresh):
            tx.add_source(source)

    await store.transact(work)
    clock.now += YEAR + DAY
    assert (await retain.plan()).sources == 4
    done = await retain.apply()
    assert (done.sources, done.values, len(done.leaves)) == (4, 0, 1)
    left = {(row["tenant"], row["text"]) for row in await rows(store, schema.sources)}
    assert left == {("t", same.text), ("t", fresh.text)}
    clock.now += 2 * DAY
    assert (await retain.apply()).sources == 1
    await ledger.erase("t", [kept.id], "asked for")
    assert await rows(store, schema.sources) == []
    await check(ledger)


async def test_many_unused_sources_go_in_several_batches(store, ledger, retain, clock, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)

    def work(tx):
        for number in range(5):
            tx.add_source(SourceText(f"text {number}", "m", "t", "", START))

    await store.transact(work)
    clock.now += YEAR + DAY
    done = await retain.apply()
    assert (done.sources, len(done.leaves)) == (5, 3)
    assert await rows(store, schema.sources) == []


async def test_what_is_on_record_goes_on_record_even_where_the_witness_is_off(store, ledger, clock):
    await ask(ledger, "old")
    clock.now += YEAR + DAY
    off = ledger_of(store, clock, enabled=False)
    done = await Retention(off, YEAR).apply()
    assert (done.values, len(done.leaves)) == (3, 1)
    await check(ledger)


async def test_a_store_without_records_has_nothing_to_erase(store, retain, ledger):
    assert (await retain.plan()).records == 0
    done = await retain.apply()
    assert (done.records, done.leaves, done.oldest) == (0, (), None)
    assert await store.read(lambda tx: tx.log_size()) == 0


# the clock


async def test_it_runs_once_a_day(ledger, retain, clock):
    assert await retain.apply_daily() is not None
    clock.now += timedelta(hours=23)
    assert await retain.apply_daily() is None
    clock.now += timedelta(hours=1)
    assert await retain.apply_daily() is not None
    clock.now -= 10 * DAY  # a clock that is set back stops nothing
    assert await retain.apply_daily() is not None


async def test_a_clock_that_leaps_erases_nothing_without_notice(
    store, ledger, retain, clock, caplog
):
    await ask(ledger, "a", "b")
    await retain.apply_daily()
    true = clock.now
    clock.now += 2 * YEAR
    held = await retain.apply_daily()
    assert held.held_until == clock.now + retention.NOTICE
    assert held.values == 6
    assert "setting the clock right keeps them" in caplog.text
    await ask(ledger, "c")  # the log takes a record by the wrong clock, which changes nothing
    clock.now += 2 * DAY
    assert (await retain.apply_daily()).held_until == held.held_until
    assert "prompt-a" in await said(store)
    clock.now = true + 2 * DAY  # somebody has set it right
    assert (await retain.apply_daily()).held_until is None
    assert "prompt-a" in await said(store)
    clock.now += 2 * YEAR  # and wrong again: the notice begins anew
    held = await retain.apply_daily()
    assert held.held_until == clock.now + retention.NOTICE
    clock.now += 7 * DAY  # whoever is right for a week is believed
    done = await retain.apply_daily()
    assert done.held_until is None
    assert "prompt-a" not in await said(store)
    await check(ledger)


async def test_a_store_that_nobody_opened_for_a_year_gives_notice_too(store, ledger, retain, clock):
    await ask(ledger, "a")
    clock.now += 2 * YEAR
    assert (await retain.apply_daily()).held_until is not None  # it has never run before
    done = await retain.apply()  # who asks for it need not wait
    assert done.values == 3


async def test_a_leap_with_nothing_due_needs_no_notice(ledger, retain, clock):
    await ask(ledger, "a")
    clock.now += 100 * DAY
    assert (await retain.apply_daily()).held_until is None


async def test_it_goes_on_day_by_day_and_survives_an_error(retain, clock, monkeypatch, caplog):
    ledger, store = retain.ledger, retain.ledger.store
    monkeypatch.setattr(retention, "LOOK_EVERY", timedelta(milliseconds=1))
    await ask(ledger, "a")
    real, failed = store.transact, asyncio.Event()

    async def failing(work):
        failed.set()
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "transact", failing)
    task = asyncio.create_task(retain.keep_applying())
    await asyncio.wait_for(failed.wait(), 10)
    monkeypatch.setattr(store, "transact", real)
    while await retain.apply_daily() is not None:
        await asyncio.sleep(0)
    for _ in range(14):  # no leap: 30 days at a time
        clock.now += 28 * DAY
        for _ in range(500):
            ran = (await store.read(lambda tx: tx.get_mark("retention.ran"))) or 0
            if ran == int(clock.now.timestamp()) * 1_000_000:
                break
            await asyncio.sleep(0.005)
    assert "prompt-a" not in await said(store)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "the disk is full" in caplog.text


# the boundary


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=40),
    st.integers(0, 8),
    st.integers(0, 40),
)
def test_the_boundary_is_where_the_old_records_end(steps, cutoff, start):
    log, now, times = MemoryLog(), 0, []
    for step in steps:  # None is a record that says no time, as those from before do
        if step is None:
            body = b'{"_type":"x"}'
            append(log, [Statement(PAYLOAD_TYPE, body)])
            times.append(None)
        else:
            now += step
            moment = START + now * DAY
            draft = build("outcome", {"request": commit("x")}, OUTCOME)
            append(log, [draft], lambda moment=moment: moment)
            times.append(now)
    effective = [next((t for t in times[at:] if t is not None), None) for at in range(len(times))]
    due = [t is not None and t < cutoff for t in effective]
    start = min(start, len(times))
    expected = next((at for at in range(start, len(times)) if not due[at]), len(times))
    assert retention.boundary(log, start, START + cutoff * DAY) == expected


OUTCOME = {
    "time": "2030-01-01T00:00:00Z", "request_id": "r", "model": "m", "success": True,
    "score": None, "latency_ms": None, "cost_usd": None, "source": "x", "served_model": None,
    "trace_id": None,
}  # fmt: skip


async def test_a_long_log_is_not_read_to_find_what_is_due(store, ledger, retain, clock):
    for _ in range(40):
        await ask(ledger, *(f"r{clock.now:%j}-{n}" for n in range(20)))
        clock.now += DAY
    await retain.apply()
    read = []

    class Counting:
        def __init__(self, tx):
            self.tx = tx

        def __getattr__(self, name):
            return getattr(self.tx, name)

        def leaves(self, start, stop):
            for leaf in self.tx.leaves(start, stop):
                read.append(leaf.index)
                yield leaf

    cutoff = START + DAY
    assert await store.read(lambda tx: retention.boundary(Counting(tx), 0, cutoff)) == 60
    assert len(read) < 30


async def test_records_from_before_log_times_wait_for_the_next_one(store, ledger, retain, clock):
    old = Statement(PAYLOAD_TYPE, b'{"_type":"x","predicateType":"y","subject":[]}', (commit("v"),))
    await store.transact(lambda tx: ledger.vif.append([old], tx))
    clock.now += 3 * YEAR
    assert (await retain.plan()).records == 0
    await ask(ledger, "a")
    assert (await retain.plan()).records == 0
    clock.now += YEAR + DAY
    assert (await retain.plan()).records == 4
    assert (await retain.apply()).values == 4
    assert logged_at(old.body) is None
