"""Who said what to whom, over a real loop, store and log; only the models are scripted."""

import base64
import json
import os
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from opentelemetry import trace as opentelemetry

from crossmodel import Answer, CrossModel, InvalidInputError, NotFoundError, WitnessError
from crossmodel.providers import FakeProvider
from crossmodel.witness.keys.trust import Trust
from crossmodel.witness.statement import pae

HANDBOOK = """\
## Ticket codes

A ticket code is always the queue's prefix, a dash and the floor number.

- Example: billing on floor 3 -> `BIL-3`
- Example: network on floor 12 -> `NET-12`

## Ticket codes of billing

A ticket code of billing must never have a leading zero in its floor number.
"""
QUESTION = "Which ticket code has billing on floor 7?"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
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
quality = 0.6
"""


@pytest.fixture
def settings(tmp_path, monkeypatch):
    said = {"strong": HANDBOOK, "cheap": "BIL-7"}
    provider = FakeProvider(lambda request: said[request.model])
    monkeypatch.setattr("crossmodel.assembly.building.create_provider", lambda *_, **__: provider)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)
    return tmp_path / "crossmodel.toml"


@dataclass
class Run:
    cm: CrossModel
    taught: Answer
    answer: Answer
    gone: str
    command: Callable | None = None


async def run_loop(cm):
    """A teacher answers, a cheap model gets what it said, somebody judges, one insight goes."""
    taught = await cm.complete("How are ticket codes made?", model="strong")
    answer = await cm.complete(QUESTION, model="cheap", trace_id=f"00-{TRACE_ID}-{'1' * 16}-01")
    await cm.feedback(answer.id, 0.75)
    gone = answer.transfer.transferred_insights[0].id
    await cm.delete([gone], "Mx. Doe asked for it")
    return Run(cm, taught, answer, gone)


@pytest.fixture
async def loop(settings):
    async with CrossModel.open(settings) as cm:
        yield await run_loop(cm)


async def test_the_chain_goes_from_the_answer_back_to_the_teacher(loop):
    cm, taught, answer = loop.cm, loop.taught, loop.answer
    chain = await cm.trace(answer.id)
    assert list(chain.requests) == [answer.id, taught.id]
    node = chain.requests[answer.id]
    assert node.trace_id == TRACE_ID
    assert [node.selection.leaf, node.transfer.leaf, node.outcome.leaf] == list(answer.leaves)
    assert node.selection.predicate["model"] == "cheap"
    assert node.transfer.predicate["arm"] == "insights"
    assert node.given == tuple(each.id for each in answer.transfer.transferred_insights)
    assert [each.predicate["score"] for each in node.feedback] == [0.75]
    assert set(node.given) == set(chain.insights)
    for insight in chain.insights.values():
        assert (insight.source_model, insight.source_request) == ("strong", taught.id)
        assert insight.record.leaf in taught.leaves
    assert chain.requests[taught.id].selection.leaf == taught.leaves[0]
    assert chain.is_complete
    assert chain.problems == ()


async def test_what_happened_has_the_time_at_which_it_did(loop):
    cm, answer, taught = loop.cm, loop.answer, loop.taught
    chain = await cm.trace(answer.id)
    events = [json.loads(line) for line in cm.lineage(chain).splitlines()]
    assert events.pop()["job"]["name"] == events.pop()["job"]["name"] == "erasure"
    made_at, used_at = {}, {}
    for event in events:
        if event["eventType"] == "COMPLETE":
            made_at |= {each["name"]: event["eventTime"] for each in event["outputs"]}
        if event["eventType"] == "START":
            for each in event["inputs"]:
                used_at.setdefault(each["name"], event["eventTime"])
    both = set(made_at) & set(used_at)
    assert {f"context.{answer.id}", f"answer.{taught.id}", f"insight.{loop.gone}"} <= both
    assert all(made_at[name] <= used_at[name] for name in both)


async def test_what_was_erased_is_marked_with_the_record_that_says_so(loop):
    cm, answer, gone = loop.cm, loop.answer, loop.gone
    chain = await cm.trace(answer.id)
    [erasure] = chain.records.values()
    assert erasure.predicate["insights"] == [gone]
    assert chain.insights[gone].erased_by == erasure.leaf
    assert chain.insights[gone].standing is None
    assert chain.insights[gone].record.value("insight").state == "erased"
    context = chain.requests[answer.id].transfer.value("context")
    assert (context.state, context.erased_by) == ("erased", erasure.leaf)
    assert chain.requests[answer.id].outcome.value("answer").state == "kept"
    others = [each for each in chain.insights.values() if each.id != gone]
    assert others
    assert {each.standing for each in others} == {"active"}
    assert {each.record.value("insight").state for each in others} == {"kept"}


async def test_a_teachers_chain_names_what_was_learned(loop):
    cm, taught = loop.cm, loop.taught
    chain = await cm.trace(taught.id)
    assert chain.requests[taught.id].learned == tuple(i.id for i in taught.extraction.insights)
    assert set(chain.insights) == {i.id for i in taught.extraction.insights}
    assert list(chain.requests) == [taught.id]


async def test_an_insight_and_a_record_have_chains_too(loop):
    cm, taught, answer, gone = loop.cm, loop.taught, loop.answer, loop.gone
    chain = await cm.trace(gone)
    assert list(chain.insights) == [gone]
    assert list(chain.requests) == [taught.id]
    for leaf, about in ((answer.leaves[1], answer.id), (taught.leaves[-1], None)):
        found = await cm.trace(str(leaf))
        assert found.about == (about or taught.extraction.insights[-1].id)
    [erasure] = chain.records
    found = await cm.trace(str(erasure))
    assert (list(found.records), list(found.insights)) == ([erasure], [gone])


async def test_another_tenants_ids_are_not_found(loop):
    cm, answer, gone = loop.cm, loop.answer, loop.gone
    for about in (answer.id, gone, str(answer.leaves[0]), "", "req_nobody", "9" * 40, "\udcff"):
        with pytest.raises(NotFoundError):
            await cm.trace(about, tenant="somebody-else")
    with pytest.raises(NotFoundError):
        await cm.trace("-1")


async def test_it_can_be_switched_off(settings):
    settings.write_text(
        SETTINGS + "[cross_model_vif.provenance_tracking]\nenable_provenance_tracking = false\n"
    )
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", model="cheap")
        assert len(answer.leaves) == 2
        with pytest.raises(WitnessError, match="enable_provenance_tracking"):
            await cm.trace(answer.id)


async def test_the_trace_of_the_open_span_is_taken_and_leads_back(settings):
    context = opentelemetry.SpanContext(int(TRACE_ID, 16), 7, is_remote=False)
    noted = {}

    class Span(opentelemetry.NonRecordingSpan):
        def set_attribute(self, key, value):
            noted[key] = value

    async with CrossModel.open(settings) as cm:
        with opentelemetry.use_span(Span(context)):
            answer = await cm.complete("Hello", model="cheap")
            other = await cm.complete("Hello", model="cheap", trace_id="a" * 32)
        untraced = await cm.complete("Hello", model="cheap")
        assert (await cm.trace(answer.id)).requests[answer.id].trace_id == TRACE_ID
        assert (await cm.trace(other.id)).requests[other.id].trace_id == "a" * 32
        assert (await cm.trace(untraced.id)).requests[untraced.id].trace_id is None
        with pytest.raises(InvalidInputError, match="trace_id"):
            await cm.complete("Hello", model="cheap", trace_id="00-zz-1-01")
    assert noted == {"crossmodel.answer.id": other.id}


async def test_an_in_toto_bundle_is_signed_over_the_exact_statements(loop):
    cm, answer = loop.cm, loop.answer
    chain = await cm.trace(answer.id)
    lines = (await cm.attestations(chain)).splitlines()
    records = chain.all_records()
    assert len(lines) == len(records)
    keys = {each.key.key_id: each.key for each in Trust.from_json(cm.trust_file()).keys}
    for line, record in zip(lines, records, strict=True):
        envelope = json.loads(line)
        assert envelope["payloadType"] == "application/vnd.in-toto+json"
        body = base64.b64decode(envelope["payload"], validate=True)
        assert body == record.statement
        assert {each["keyid"] for each in envelope["signatures"]} == set(keys)
        for each in envelope["signatures"]:
            signature = base64.b64decode(each["sig"], validate=True)
            assert keys[each["keyid"]].verifies(signature, pae(envelope["payloadType"], body))


async def test_an_edited_statement_is_shown_as_such_and_never_signed(loop, tmp_path):
    cm, answer = loop.cm, loop.answer
    await cm.verify()
    leaf = answer.leaves[0]
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.execute(
            "UPDATE log_leaves SET statement = CAST(replace(CAST(statement AS TEXT),"
            ' \'"model":"cheap"\', \'"model":"chief"\') AS BLOB) WHERE "index" = ?', [leaf]
        )  # fmt: skip
    db.close()
    chain = await cm.trace(answer.id)
    assert f"record {leaf}: its statement is not the one" in "\n".join(chain.problems)
    assert chain.requests[answer.id].selection is None
    with pytest.raises(WitnessError, match="not signed"):
        await cm.attestations(chain)


# the command


@pytest.fixture
async def cli(settings, crossmodel_command):
    async with CrossModel.open(settings) as cm:
        run = await run_loop(cm)
    run.command = crossmodel_command
    return run


def test_the_command_draws_the_chain(cli):
    command, taught, answer, gone = cli.command, cli.taught, cli.answer, cli.gone
    done = command("trace", answer.id)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()

    def at(*words):
        [found] = [n for n, line in enumerate(lines) if all(word in line for word in words)]
        return found

    order = [
        at("tenant default"),
        at("answer", answer.id, TRACE_ID),
        at("selected cheap", f"record {answer.leaves[0]} "),
        at("handed over", "arm insights", f"record {answer.leaves[1]} "),
        at("insight", gone, "by strong", "erased, says record"),
        at("selected strong", f"record {taught.leaves[0]} "),
        at("answered by strong"),
        at("answered by cheap", f"record {answer.leaves[2]} "),
        at("feedback 0.75"),
        at("erasure of"),
    ]
    assert order == sorted(order)
    assert (
        len([line for line in lines if taught.id in line and "see above" in line])
        == len(answer.transfer.transferred_insights) - 1
    )
    for content in (QUESTION, "BIL-7", "ticket code"):
        assert content not in done.stdout


def test_the_command_exports(cli, tmp_path):
    command, taught, answer, gone = cli.command, cli.taught, cli.answer, cli.gone
    for form in ("--prov", "--openlineage", "--in-toto"):
        to = tmp_path / f"chain{form}"
        done = command("trace", answer.id, to, form)
        assert done.returncode == 0, done.stderr
        assert to.read_bytes()
        if form != "--in-toto":  # PSS signatures have a fresh salt each
            assert command("trace", answer.id, form).stdout == to.read_text()
        assert "ticket code" not in to.read_text()
    document = json.loads((tmp_path / "chain--prov").read_text())
    assert {"entity", "activity", "agent", "used", "wasInvalidatedBy"} <= set(document)
    shown = json.loads(command("trace", answer.id, "--json").stdout)
    assert list(shown["requests"]) == [answer.id, taught.id]
    assert shown["insights"][gone]["erased_by"] in [each["leaf"] for each in shown["records"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["req_nobody"], "there is no answer, insight or record 'req_nobody'"),
        ([TRACE_ID], "crossmodel.answer.id there is the answer's id"),
        (["x", "--prov", "--json"], "choose one"),
        (["x", "out.json"], "say what to write"),
    ],
)
def test_the_command_says_what_is_wrong(cli, arguments, message):
    done = cli.command("trace", *arguments)
    assert done.returncode == 2
    assert message in re.sub(r"\s+", " ", done.stderr)


def test_without_the_library_the_error_names_the_extra(cli, tmp_path):
    command, answer = cli.command, cli.answer
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "prov.py").write_text("raise ImportError('not here')")
    paths = os.pathsep.join([str(tmp_path / "hidden"), os.environ.get("PYTHONPATH", "")])
    done = command("trace", answer.id, "--prov", PYTHONPATH=paths)
    assert done.returncode == 2
    assert "pip install 'crossmodel[audit]'" in done.stderr
