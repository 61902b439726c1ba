"""A person asks that what they asked, and what they were told, goes."""

import json

import pytest
import sqlalchemy as sa

from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.domain.insight import Evidence, ExtractionResult, Insight
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord, SourceText, TransferRecord
from crossmodel.domain.selection import Outcome
from crossmodel.errors import InvalidInputError, NotFoundError, WitnessError
from crossmodel.store import open_store, schema
from crossmodel.text.redaction import FILLER
from crossmodel.witness import CrossModelVIF, KeyPair, Ledger
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.statement import subject_digests
from crossmodel.witness.turns import TurnRecord, write_turn

CONFIG = CrossModelVIFConfig(
    witness_generation=WitnessGenerationConfig(cryptographic_algorithm="Ed25519")
)
PAIR = KeyPair.generate()
PROMPT = "My name is Qzxwvoplian: where do parcels for Nelvik go?"
RULE = "Parcels for Nelvik go through gate Q."
ANSWER = f"Dear Qzxwvoplian, gladly. {RULE} Yours, the desk of Qzxwvoplian."
WORD = "zxwvoplia"


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(f"sqlite:///{tmp_path}/s.db")
    yield opened
    await opened.close()


@pytest.fixture
def ledger(store):
    return Ledger(CrossModelVIF(CONFIG, keys=PAIR), store)


async def ask(ledger, name, prompt=PROMPT, answer=ANSWER, tenant="t"):
    turn = TurnRecord(
        SelectionRecord(name, tenant, "m", 0.5, (), {}, utc_now(), 1.0),
        Outcome(name, "m", success=True),
        json.dumps({"messages": [{"role": "user", "content": prompt}]}).encode(),
        transfer=TransferRecord(
            name, tenant, "m", "standard", False, (), 0.5, 9, "", utc_now(), error=f"no: {prompt}"
        ),
        context=f"what is known for {prompt}",
        answer=answer,
    )
    return await ledger.store.transact(lambda tx: write_turn(tx, ledger.vif, turn))


async def learn(ledger, *contents, text=ANSWER, tenant="t", origin="r1"):
    source = SourceText(text, "m", tenant, origin)
    insights = []
    for content in contents:
        start = text.index(content)
        evidence = Evidence(start, start + len(content), source.sha256)
        insights.append(Insight(content, evidence=(evidence,)))
    await ledger.record_insights(source, ExtractionResult(insights, "m"))
    return insights


async def rows(store, table):
    return await store.read(lambda tx: list(tx._connection.execute(sa.select(table)).mappings()))


async def lacking(store):
    def work(tx):
        found = set()
        for leaf in tx.leaves(0, tx.log_size()):
            digests = list(subject_digests(parse_statement(leaf.statement)))
            if set(tx.get_commitments(leaf.index, digests)) != set(digests):
                found.add(leaf.index)
        return found

    return await store.read(work)


def files_with(tmp_path, word):
    return [p.name for p in tmp_path.rglob("*") if p.is_file() and word.encode() in p.read_bytes()]


async def test_what_was_asked_and_answered_goes_and_what_was_learned_is_named(
    ledger, store, tmp_path
):
    await ask(ledger, "r1")
    [rule] = await learn(ledger, RULE)
    await ledger.record_feedback("t", "r1", 0.5)
    await ask(ledger, "r2", "Something else that is asked", "and something else that is said")
    assert files_with(tmp_path, WORD)
    receipt = await ledger.erase_request("t", "r1", "they asked for it")
    assert receipt.erased.still_held_by == (rule.id,)
    assert receipt.erased.insight_ids == ()
    # request, context, answer, feedback, and the answer's hash in the insight's record
    assert receipt.erased.counts == {"commitments": 5, "sources": 1}
    assert receipt.erased.records == ((0, 4),)
    assert await lacking(store) == {0, 1, 2, 3, 4}
    assert files_with(tmp_path, WORD) == []
    [left] = await store.read(lambda tx: tx.list_insights("t"))
    [span] = left.evidence
    source = await store.read(lambda tx: tx.get_source("t", span.source_sha256))
    assert span.span.of(source.text) == RULE
    assert source.text.replace(FILLER, "") == RULE  # of the answer its evidence alone stays
    kept = {row["request_id"]: row["error"] for row in await rows(store, schema.transfers)}
    assert kept == {"r1": None, "r2": "no: Something else that is asked"}
    assert await store.read(lambda tx: tx.get_selection("t", "r1"))  # figures stay
    await ledger.seal()
    assert (await store.read(ledger.vif.verify_log)).is_valid


async def test_it_is_signed_at_once_so_that_a_copy_of_the_store_verifies(ledger, store):
    await ask(ledger, "r1")
    await ledger.seal()
    await ledger.erase_request("t", "r1", "they asked for it")
    report = await store.read(ledger.vif.verify_log)
    assert report.is_valid, report.steps[-1]
    assert (report.details["unsigned"], report.details["erased"]) == (0, 3)


async def test_with_insights_all_of_it_goes_at_once(ledger, store, tmp_path):
    await ask(ledger, "r1")
    rule, _ = await learn(ledger, RULE, "the desk of Qzxwvoplian.")
    other = f"On 24 December the desk of Mora is shut at noon, though the handbook says: {RULE}"
    [quoting] = await learn(ledger, other, text=other, origin="r9")
    size = await store.read(lambda tx: tx.log_size())
    receipt = await ledger.erase_request("t", "r1", "they asked for it", with_insights=True)
    assert rule.id in receipt.erased.insight_ids
    assert len(receipt.erased.insight_ids) == 2
    assert quoting.id in receipt.erased.still_held_by
    assert receipt.erased.counts["insights"] == 2
    assert receipt.leaf == size  # one record for all of it
    assert files_with(tmp_path, WORD) == []
    assert all(row["origin"] != "r1" for row in await rows(store, schema.sources))
    explained = {n for first, last in receipt.erased.records for n in range(first, last + 1)}
    assert await lacking(store) == explained


async def test_proofs_from_before_stay_valid_and_the_receipt_is_evidence(ledger, store):
    leaves = await ask(ledger, "r1")
    await ledger.seal()

    def witness(leaf, disclose=()):
        return store.read(lambda tx: ledger.vif.generate_witness(leaf, tx, disclose=disclose))

    [leaf] = await store.read(lambda tx: list(tx.leaves(2, 3)))
    digests = subject_digests(parse_statement(leaf.statement))
    before = [*[await witness(leaf) for leaf in leaves], await witness(2, digests)]
    pin = (await store.read(lambda tx: tx.latest_checkpoint())).note
    receipt = await ledger.erase_request("t", "r1", "they asked for it")
    await ledger.seal()
    for file in before:
        assert ledger.vif.verify_witness(file, against=pin).is_valid
    with pytest.raises(WitnessError, match="erased"):
        await witness(2, digests)
    evidence = await witness(receipt.leaf, receipt.disclosed)
    assert ledger.vif.verify_witness(evidence).is_valid
    assert b"dGhleSBhc2tlZCBmb3IgaXQ=" in evidence  # the reason, in base64
    assert (await store.read(lambda tx: ledger.vif.verify_log(tx, against=pin))).verdict == "valid"


async def test_nothing_of_another_request_or_tenant_goes(ledger, store):
    await ask(ledger, "r1")
    await ask(ledger, "r1", tenant="u")
    await ask(ledger, "r2")
    await learn(ledger, RULE, tenant="u")
    before = await rows(store, schema.commitments)
    await ledger.erase_request("t", "r1", "they asked for it")
    after = await rows(store, schema.commitments)
    assert [row for row in before if row not in after] == [row for row in before if row["leaf"] < 3]
    [source] = await rows(store, schema.sources)
    assert source["text"] == ANSWER


async def test_after_retention_the_source_of_the_answer_is_found_by_its_origin(ledger, store):
    await ask(ledger, "r1")
    [rule] = await learn(ledger, RULE)

    def retention(tx):
        tx.erase_values(tx.leaves_about("t", "r1"))

    await store.transact(retention)
    receipt = await ledger.erase_request("t", "r1", "they asked for it")
    assert receipt.erased.still_held_by == (rule.id,)
    [source] = await rows(store, schema.sources)
    assert WORD not in source["text"]
    again = await ledger.erase_request("t", "r1", "once more")
    assert again.erased.counts == {"commitments": 0, "sources": 0}


@pytest.mark.parametrize(
    ("whose", "reason", "error", "message"),
    [
        (("t", "r9"), "asked", NotFoundError, "nothing was changed"),
        (("u", "r1"), "asked", NotFoundError, "nothing was changed"),
        (("t", "r1"), "", InvalidInputError, "reason must be"),
        (("t", "r1"), f"because {PROMPT}", InvalidInputError, "must not quote"),
        (("t", "r1"), f"because {ANSWER}", InvalidInputError, "must not quote"),
    ],
)
async def test_what_is_refused_changes_nothing(ledger, whose, reason, error, message):
    store = ledger.store
    await ask(ledger, "r1")
    before = await rows(store, schema.commitments)
    with pytest.raises(error, match=message):
        await ledger.erase_request(*whose, reason)
    assert await rows(store, schema.commitments) == before
    assert await store.read(lambda tx: tx.log_size()) == 3


async def test_answers_that_are_json_are_taken_as_they_are(ledger, store):
    for number, answer in enumerate(('{"messages": 3}', "[1, {}]", "null", "\ud800", "[" * 3000)):
        await ask(ledger, f"r{number}", answer=answer)
        receipt = await ledger.erase_request("t", f"r{number}", "asked")
        assert receipt.erased.counts["commitments"] == 3


async def test_a_receipt_lists_the_records(ledger):
    await ask(ledger, "r1")
    receipt = await ledger.erase_request("t", "r1", "asked")
    assert json.loads(json.dumps(receipt.to_dict()))["records"] == [[0, 2]]


async def test_erasing_an_insight_names_every_record_that_lacks_a_value(ledger, store):
    await ask(ledger, "r1", prompt=f"is it so that {RULE}", answer="yes")
    [rule] = await learn(ledger, RULE)
    receipt = await ledger.erase("t", [rule.id], "they asked for it")
    # the request is kept with record 0, and 1 and 2 commit to it as well
    assert receipt.erased.records == ((0, 3),)
    assert await lacking(store) == {0, 1, 2, 3}
