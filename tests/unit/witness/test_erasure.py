"""After an erasure the log proves what it proved before, and that there was an erasure."""

import json

import pytest

from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.domain.erasure import Erased
from crossmodel.domain.insight import Evidence, ExtractionResult, Insight
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SourceText
from crossmodel.errors import InvalidInputError, NotFoundError, WitnessError
from crossmodel.store import open_store
from crossmodel.witness import CrossModelVIF, KeyPair, Ledger
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.statement import build, commit, erasure_statement, subject_digests

PAIR = KeyPair.generate()
SAID = "The relay code of Tavor is qzxwvoplian-47."
OTHER = "Parcels for Nelvik go through gate Q."
REASON = "Mx. Doe asked for it"


def found(content, source):
    start = source.text.index(content)
    return Insight(content, evidence=(Evidence(start, start + len(content), source.sha256),))


SOURCE = SourceText(f"First. {SAID} {OTHER}", "m", "t")
RULE, NEXT = found(SAID, SOURCE), found(OTHER, SOURCE)


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(f"sqlite:///{tmp_path}/s.db")
    yield opened
    await opened.close()


@pytest.fixture
async def ledger(store):
    kept = Ledger(CrossModelVIF(keys=PAIR), store)
    for tenant in ("t", "u"):
        source = SourceText(SOURCE.text, "m", tenant)
        await kept.record_insights(source, ExtractionResult([RULE, NEXT], "m"))
    await kept.seal()
    return kept


async def evidence(ledger, leaf, disclose=()):
    await ledger.seal()
    return await ledger.store.read(
        lambda tx: ledger.vif.generate_witness(leaf, tx, disclose=disclose)
    )


async def subject(ledger, leaf, name):
    [kept] = await ledger.store.read(lambda tx: list(tx.leaves(leaf, leaf + 1)))
    [digest] = [
        each["digest"]["sha256"]
        for each in parse_statement(kept.statement)["subject"]
        if each["name"] == name
    ]
    return digest


async def test_old_proofs_and_the_whole_log_stay_valid(ledger):
    digest = await subject(ledger, 0, "insight")
    before = [await evidence(ledger, leaf) for leaf in range(4)]
    disclosing = await evidence(ledger, 0, [digest])
    pin = (await ledger.store.read(lambda tx: tx.latest_checkpoint())).note
    receipt = await ledger.erase("t", [RULE.id], REASON)
    assert receipt.leaf == 4
    assert receipt.is_scrubbed
    verify = ledger.vif.verify_witness
    for file in (*before, disclosing):  # what was disclosed before is in its holder's hands
        assert verify(file, against=pin).is_valid
    report = await ledger.store.read(lambda tx: ledger.vif.verify_log(tx, against=pin))
    assert (report.verdict, report.records) == ("valid", 5)
    with pytest.raises(WitnessError, match="has been erased"):
        await evidence(ledger, 0, [digest])
    assert verify(await evidence(ledger, 0), against=pin).is_valid


async def test_the_receipt_says_what_went_and_nothing_of_what_it_said(ledger):
    receipt = await ledger.erase("t", [RULE.id], REASON)
    file = await evidence(ledger, receipt.leaf)
    report = ledger.vif.verify_witness(file)
    assert report.details["predicateType"].endswith("/erasure/v1")
    [leaf] = await ledger.store.read(lambda tx: list(tx.leaves(4, 5)))
    predicate = parse_statement(leaf.statement)["predicate"]
    assert predicate["insights"] == [RULE.id]
    assert predicate["counts"] == dict(receipt.erased.counts)
    assert predicate["counts"]["commitments"] == 3  # the content; of both, the source's hash
    assert REASON.encode() not in leaf.statement
    assert b"qzxwvoplian" not in leaf.statement
    disclosed = await evidence(ledger, receipt.leaf, receipt.disclosed)
    assert ledger.vif.verify_witness(disclosed).is_valid
    assert list(receipt.disclosed) == list(subject_digests(parse_statement(leaf.statement)))
    assert json.dumps(receipt.to_dict())


async def test_an_erasure_that_cannot_be_signed_has_happened_all_the_same(ledger, caplog):
    edit = "UPDATE log_leaves SET leaf_hash = zeroblob(32)"
    await ledger.store.transact(lambda tx: tx._connection.exec_driver_sql(edit))
    receipt = await ledger.erase("t", [RULE.id], REASON)
    assert receipt.erased.insight_ids == (RULE.id,)
    assert "stay unsigned" in caplog.text
    assert await ledger.store.read(lambda tx: tx.get_insights("t", [RULE.id])) == []


async def test_another_tenant_loses_nothing(ledger):
    others = [await subject(ledger, leaf, "insight") for leaf in (2, 3)]
    with pytest.raises(NotFoundError):
        await ledger.erase("nobody", [RULE.id], REASON)
    await ledger.erase("t", [RULE.id, NEXT.id], REASON)
    for leaf, digest in zip((2, 3), others, strict=True):
        assert ledger.vif.verify_witness(await evidence(ledger, leaf, [digest])).is_valid
    kept = await ledger.store.read(lambda tx: tx.list_insights("u"))
    assert {each.id for each in kept} == {RULE.id, NEXT.id}
    assert (
        await ledger.store.read(lambda tx: tx.get_source("u", SOURCE.sha256))
    ).text == SOURCE.text


@pytest.mark.parametrize(
    ("ids", "reason", "error", "message"),
    [
        ([RULE.id, "ins_none"], REASON, NotFoundError, "nothing was changed"),
        ([], REASON, InvalidInputError, "at least one"),
        ([RULE.id], "", InvalidInputError, "reason must be"),
        ([RULE.id], f"because: {SAID}", InvalidInputError, "must not quote"),
    ],
)
async def test_nothing_half_done(ledger, ids, reason, error, message):
    with pytest.raises(error, match=message):
        await ledger.erase("t", ids, reason)
    assert await ledger.store.read(lambda tx: (tx.count_insights("t"), tx.log_size())) == (2, 4)


async def test_standings_are_all_or_none_and_not_in_the_log(ledger):
    assert await ledger.set_standing("t", [RULE.id], "quarantined", "odd") == [RULE.id]
    for ids in ([RULE.id, "ins_none"], [NEXT.id, "ins_none"]):
        with pytest.raises(NotFoundError, match="'ins_none'; nothing was changed"):
            await ledger.set_standing("t", ids, "active")
    with pytest.raises(NotFoundError):
        await ledger.set_standing("nobody", [RULE.id], "active")
    listed = await ledger.store.read(lambda tx: tx.list_insights("t", standing="quarantined"))
    assert [(each.id, each.standing_reason) for each in listed] == [(RULE.id, "odd")]
    assert await ledger.store.read(lambda tx: tx.list_insights("u", standing="quarantined")) == []
    assert await ledger.store.read(lambda tx: tx.log_size()) == 4


async def test_without_a_witness_it_is_erased_all_the_same(store):
    config = CrossModelVIFConfig(
        witness_generation=WitnessGenerationConfig(enable_witness_generation=False)
    )
    ledger = Ledger(CrossModelVIF(config, keys=PAIR), store)
    await ledger.record_insights(SOURCE, ExtractionResult([RULE], "m"))
    receipt = await ledger.erase("t", [RULE.id], REASON)
    assert (receipt.leaf, receipt.disclosed) == (None, ())
    assert await store.read(lambda tx: tx.count_insights("t")) == 0


def test_the_statement_takes_nothing_but_figures_and_ids():
    erased = Erased((RULE.id,), {"insights": 1}, records=((3, 7),))
    made = erasure_statement(erased, commit(REASON), utc_now()).seal(utc_now())
    assert parse_statement(made.body)["predicate"]["counts"] == {"insights": 1}
    assert parse_statement(made.body)["predicate"]["records"] == [[3, 7]]
    predicate = {"time": "2026-01-01T00:00:00Z", "insights": [], "records": [], "counts": {}}
    build("erasure", {"reason": commit("x")}, predicate)
    for change in ({"counts": {"insights": "many"}}, {"insights": SAID}, {"said": SAID}):
        with pytest.raises(WitnessError):
            build("erasure", {"reason": commit("x")}, predicate | change)
