"""Chains of provenance out of the log's own statements."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from provenance_chains import (
    HOSTILE,
    SECRET,
    START,
    TRACE_ID,
    Ticking,
    edit,
    erase,
    forget,
    judge,
    learn,
    turn,
)

import crossmodel
from crossmodel import ProvenanceTracker
from crossmodel.domain.config import ProvenanceTrackingConfig
from crossmodel.domain.insight import Insight, Standing
from crossmodel.errors import NotFoundError, WitnessError
from crossmodel.store import open_store
from crossmodel.witness import statement
from crossmodel.witness.log import MemoryLog, append, leaf_hash


@pytest.fixture
def log():
    return MemoryLog()


def chain(log, about, tenant="t", **options):
    return ProvenanceTracker(log, **options).chain(tenant, about)


def test_it_is_a_public_name():
    assert crossmodel.ProvenanceTracker is ProvenanceTracker
    assert "ProvenanceTracker" in crossmodel.__all__


def test_every_step_is_there_with_its_leaf_and_time(log):
    clock = Ticking()
    teacher = turn(log, "req_1", learned=["ins_1"], clock=clock)
    cheap = turn(log, "req_2", model="cheap", given=["ins_1"], trace_id=TRACE_ID, clock=clock)
    said = [*judge(log, "req_2", 0.25), *judge(log, "req_2", 1.0, source="grader")]
    found = chain(log, "req_2")
    node = found.requests["req_2"]
    assert [node.selection.leaf, node.transfer.leaf, node.outcome.leaf] == cheap
    assert [each.leaf for each in node.feedback] == said
    assert node.selection.predicate["alternatives"] == ["other", "third"]
    assert node.selection.predicate["rejected"] == {"tiny": "cannot do tools"}
    assert node.transfer.predicate["tokens"] == 33
    assert node.outcome.predicate["served_model"] == "cheap-2026"
    assert node.trace_id == TRACE_ID
    assert [node.given, node.learned, node.others] == [("ins_1",), (), ()]
    insight = found.insights["ins_1"]
    assert (insight.record.leaf, insight.source_model) == (teacher[-1], "strong")
    assert insight.source_request == "req_1"
    assert [r.leaf for r in found.all_records()] == [*teacher, *cheap, *said]
    times = [each.logged_at for each in found.all_records()]
    assert times == sorted(times)
    assert times[0] > START
    assert {v.state for r in found.all_records() for v in r.hidden} == {"kept"}
    assert found.problems == ()
    assert SECRET not in json.dumps(found.to_dict())
    assert "statement" not in found.to_dict()["requests"]["req_2"]["selection"]


def test_it_goes_back_over_many_answers_and_no_further_than_it_may(log):
    turn(log, "req_0", learned=["ins_0"])
    for n in range(1, 50):
        turn(log, f"req_{n}", given=[f"ins_{n - 1}"], learned=[f"ins_{n}"])
    whole = chain(log, "req_49", max_depth=60)
    assert list(whole.requests) == [f"req_{n}" for n in range(49, -1, -1)]
    assert whole.is_complete
    short = chain(log, "req_49", max_depth=3)
    assert list(short.requests) == ["req_49", "req_48", "req_47", "req_46"]
    assert short.cut == ("req_45",)
    assert not short.is_complete
    assert chain(log, "req_49", max_nodes=5).cut
    assert len(chain(log, "req_49").requests) == 33


def test_a_loop_that_somebody_forged_ends(log):
    turn(log, "req_1", given=["ins_1"], learned=["ins_1"])
    found = chain(log, "req_1")
    assert (list(found.requests), list(found.insights)) == (["req_1"], ["ins_1"])


def test_a_node_that_two_lead_to_is_there_once(log):
    turn(log, "req_1", learned=["ins_1", "ins_2"])
    turn(log, "req_2", given=["ins_1", "ins_2", "ins_1"])
    found = chain(log, "req_2")
    assert list(found.requests) == ["req_2", "req_1"]
    assert list(found.insights) == ["ins_1", "ins_2"]


def test_another_tenants_records_are_not_found_and_not_followed(log):
    turn(log, "req_1", learned=["ins_1"], tenant="u")
    mine = turn(log, "req_2", given=["ins_1"])
    for about in ("req_1", "ins_1", "0", "req_none", "", "-1", "²", "9" * 30, "\udc80"):
        with pytest.raises(NotFoundError):
            chain(log, about)
    found = chain(log, "req_2")
    assert [r.leaf for r in found.all_records()] == mine
    assert found.insights["ins_1"].record is None
    assert "no record of where it is from" in found.problems[0]
    with pytest.raises(NotFoundError, match=r"no answer, insight or record 'x{79}…'"):
        chain(log, "x" * 5000)


def test_same_ids_of_two_tenants_are_two_chains(log):
    for tenant in ("t", "u"):
        turn(log, "req", learned=["ins"], tenant=tenant, model=f"model-{tenant}")
    erase(log, ["ins"], tenant="u")
    assert chain(log, "ins").insights["ins"].source_model == "model-t"
    assert chain(log, "ins").insights["ins"].erased_by is None
    assert chain(log, "ins", "u").insights["ins"].erased_by == 6


def test_a_record_has_the_chain_of_what_it_is_about(log):
    turn(log, "req_1", learned=["ins_1"])
    [gone] = erase(log, ["ins_1"])
    assert chain(log, "1").about == "req_1"
    assert chain(log, "2").about == "ins_1"
    found = chain(log, str(gone))
    assert (found.about, list(found.records), list(found.insights)) == ("", [gone], ["ins_1"])
    assert list(found.requests) == ["req_1"]
    turn(log, "1")
    assert chain(log, "1").about == "1"  # an id comes before an index
    assert ProvenanceTracker(log).chain_of_record("t", 1).about == "req_1"
    for leaf in (-1, 10**6):
        with pytest.raises(NotFoundError):
            ProvenanceTracker(log).chain_of_record("t", leaf)


def test_it_can_be_switched_off(log):
    turn(log, "req_1")
    off = ProvenanceTrackingConfig(enable_provenance_tracking=False)
    with pytest.raises(WitnessError, match="enable_provenance_tracking"):
        chain(log, "req_1", config=off)
    with pytest.raises(WitnessError, match="enable_provenance_tracking"):
        ProvenanceTracker(log, config=off).chain_of_record("t", 0)


# what is hidden, and what has gone


def test_what_is_gone_is_erased_where_a_record_says_so_and_missing_where_none_does(log):
    turn(log, "req_1", learned=["ins_1"])
    turn(log, "req_2", given=["ins_1"])
    forget(log, "of ins_1", "context")
    [gone] = erase(log, ["ins_1"], [(2, 2)])
    found = chain(log, "req_2")
    hidden = found.insights["ins_1"].record.value("insight")
    assert (hidden.state, hidden.erased_by) == ("erased", gone)
    assert found.insights["ins_1"].erased_by == gone
    assert found.requests["req_2"].transfer.value("context").state == "missing"
    assert found.problems == (
        "record 4: its context is gone, and no record says that it was erased",
    )


def test_a_value_that_several_records_share_was_erased_with_the_one_that_kept_it(log):
    leaves = turn(log, "req_1", given=["ins"])
    forget(log, "asked")
    [gone] = erase(log, records=[(leaves[0], leaves[0])])
    node = chain(log, "req_1").requests["req_1"]
    for record in (node.selection, node.transfer, node.outcome):
        assert (record.value("request").state, record.value("request").erased_by) == (
            "erased", gone,
        )  # fmt: skip


def test_an_erasure_explains_nothing_that_came_after_it(log):
    erase(log, ["ins_1"], [(0, 100)])
    turn(log, "req_1", learned=["ins_1"])
    forget(log, "asked")
    found = chain(log, "req_1")
    assert found.requests["req_1"].selection.value("request").state == "missing"
    assert found.insights["ins_1"].erased_by is None


def test_an_insight_found_anew_is_there_again(log):
    turn(log, "req_1", learned=["ins_1"])
    erase(log, ["ins_1"], [(2, 2)])
    turn(log, "req_2", learned=["ins_1"])
    node = chain(log, "ins_1").insights["ins_1"]
    assert (node.erased_by, node.source_request, len(node.records)) == (None, "req_2", 2)
    assert [each.leaf for each in node.others] == [2]
    assert list(chain(log, "ins_1").requests) == ["req_1", "req_2"]


def test_the_reason_of_an_erasure_may_have_been_erased_itself(log):
    turn(log, "req_1", learned=["ins_1"])
    [first] = erase(log, ["ins_1"])
    forget(log, "asked for")
    [second] = erase(log, records=[(first, first)])
    found = chain(log, "ins_1")
    assert list(found.records) == [first, second]
    assert found.records[first].value("reason").erased_by == second


def test_what_retention_erased_counts_for_every_tenant(log):
    turn(log, "req_1", learned=["ins_1"])
    forget(log, "yes")
    erase(log, ["ins_1"], [(0, 1)], tenant="")  # an insight of a tenant without a name
    assert chain(log, "req_1").requests["req_1"].outcome.value("answer").state == "missing"
    assert chain(log, "ins_1").insights["ins_1"].erased_by is None
    [gone] = erase(log, records=[(0, 1)], tenant="")
    assert chain(log, "req_1").requests["req_1"].outcome.value("answer").erased_by == gone


def test_how_an_insight_stands_is_the_stores_to_say(log):
    turn(log, "req_1", learned=["ins_1", "ins_2"])
    kept = Insight("x", id="ins_1", standing=Standing.DEMOTED, standing_reason="it harmed")
    found = chain(log, "req_1", insights_of=lambda tenant, ids: [kept] if tenant == "t" else [])
    assert found.insights["ins_1"].standing == "demoted"
    assert found.insights["ins_1"].standing_reason == "it harmed"
    assert found.insights["ins_2"].standing is None


# a store in somebody's hands


def test_a_value_that_is_not_what_was_committed_to_is_noticed(log):
    turn(log, "req_1")
    for digest, kept in log._commitments.items():
        if kept.value == b"yes":
            log._commitments[digest] = replace(kept, value=b"no")
    found = chain(log, "req_1")
    assert found.requests["req_1"].outcome.value("answer").state == "altered"
    assert found.problems == (
        "record 1: its answer is not the value that its statement commits to",
    )


def test_a_record_whose_look_up_was_edited_is_noticed_from_both_ends(log):
    turn(log, "req_1")
    turn(log, "req_2", given=["ins"])
    edit(log, 3, about="req_1")  # the transfer of req_2
    robbed, given = chain(log, "req_2"), chain(log, "req_1")
    assert robbed.requests["req_2"].transfer is None
    assert [each.leaf for each in robbed.requests["req_2"].others] == [3]
    assert robbed.problems == ("record 3: it is looked up by 'req_1' and is about 'req_2'",)
    assert given.requests["req_1"].transfer is None
    assert not given.requests["req_1"].others[0].is_as_looked_up
    assert given.problems == robbed.problems


@pytest.mark.parametrize("leaf", [2, 3, 4])
def test_whichever_of_a_turns_records_is_taken_out_of_the_look_up(log, leaf):
    turn(log, "req_1")
    turn(log, "req_2", given=["ins"])
    edit(log, leaf, about="elsewhere")
    found = chain(log, "req_2")
    assert f"record {leaf}: it is looked up by 'elsewhere'" in found.problems[0]
    assert [each.leaf for each in found.all_records()] == [2, 3, 4]


def test_an_insight_taken_out_of_the_look_up_is_missed(log):
    turn(log, "req_1", learned=["ins_1"])
    turn(log, "req_2", given=["ins_1"])
    edit(log, 2, about="ins_9")
    assert "insight 'ins_1': the log's look-up has no record" in chain(log, "req_2").problems[0]
    assert "is about 'ins_1'" in chain(log, "ins_9").problems[0]


def test_a_statement_that_was_edited_is_not_gone_by(log):
    leaves = turn(log, "req_1", learned=["ins_1"])
    body = log._leaves[leaves[0]].statement
    edit(log, leaves[0], statement=body.replace(b'"model":"strong"', b'"model":"bribed"'))
    found = chain(log, "req_1")
    assert found.requests["req_1"].selection is None
    assert "is not the one that its leaf's hash is of" in found.problems[0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b"[" * 2000,
        b'{"_type":"https://in-toto.io/Statement/v1"}',
        b'{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://x/y","predicate":{},'
        b'"subject":[{"digest":{"sha256":"' + b"0" * 64 + b'"}}]}',
        b'{"_type":"https://in-toto.io/Statement/v1",'
        b'"predicateType":"https://crossmodel.dev/predicate/transfer/v1",'
        b'"predicate":{"logged_at":"2026-13-99T99:99:99.000000Z","insights":7},'
        b'"subject":[{"name":7,"digest":{"sha256":"' + b"0" * 64 + b'"}}]}',
    ],
)
def test_whatever_stands_in_the_log_breaks_nothing(log, body):
    kind = "application/vnd.in-toto+json"
    leaves = turn(log, "req_1", given=["ins"])
    edit(log, leaves[1], statement=body, leaf_hash=leaf_hash(kind, body))
    found = chain(log, "req_1")
    assert found.requests["req_1"].transfer is None
    assert "its statement is not understood" in "\n".join(found.problems)
    assert json.dumps(found.to_dict())
    assert chain(log, str(leaves[1])).about == "req_1"


@pytest.mark.parametrize("name", HOSTILE)
def test_ids_may_hold_anything(log, name):
    turn(log, name, learned=[f"{name}!"])
    turn(log, f"{name}?", given=[f"{name}!"])
    found = chain(log, f"{name}?")
    assert list(found.requests) == [f"{name}?", name]
    assert list(found.insights) == [f"{name}!"]
    assert found.problems == ()
    assert json.loads(json.dumps(found.to_dict()))["requests"][name]["id"] == name


def test_a_request_and_an_insight_may_have_one_id(log):
    turn(log, "x", learned=["x"])
    found = chain(log, "x")
    assert (list(found.requests), list(found.insights)) == (["x"], ["x"])
    assert [each.kind for each in found.requests["x"].records] == ["selection", "outcome"]


def test_records_of_kinds_to_come_are_shown_and_not_understood(log):
    draft = statement.build("erasure", {"x": statement.commit("y")}, {
        "time": "2026-01-01T00:00:00Z", "insights": [], "records": [], "counts": {},
    }, tenant="t", about="req_1")  # fmt: skip
    sealed = draft.seal(START)
    append(log, [type(sealed)(
        sealed.payload_type, sealed.body.replace(b"/erasure/v1", b"/erasure/v9"),
        sealed.commitments, "t", "req_1",
    )])  # fmt: skip
    [record] = chain(log, "req_1").requests["req_1"].others
    assert record.kind == "https://crossmodel.dev/predicate/erasure/v9"
    assert (record.predicate, record.about) == ({}, None)


# a real store


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(f"sqlite:///{tmp_path}/s.db")
    yield opened
    await opened.close()


async def test_a_store_tells_the_same_chain_as_memory(log, store):
    def work(tx):
        turn(tx, "req_1", learned=["ins_1", "ins_2"])
        turn(tx, "req_2", given=["ins_2"], trace_id=TRACE_ID)
        learn(tx, ["ins_3"])
        judge(tx, "req_2", 0.5)

    work(log)
    await store.transact(work)

    def told(tx):
        found = chain(tx, "req_2").to_dict()
        text = json.dumps(found)
        for each in ProvenanceTracker(tx).chain("t", "req_2").all_records():
            for value in each.hidden:  # salts differ
                text = text.replace(value.digest, "")
        return text

    assert await store.read(told) == told(log)
    assert '"state": "kept"' in told(log)
    assert "missing" not in told(log)


async def test_each_insight_of_one_source_can_disclose_it(store):
    await store.transact(lambda tx: turn(tx, "req_1", learned=["ins_1", "ins_2"]))
    found = await store.read(lambda tx: chain(tx, "req_1"))
    sources = [each.record.value("source") for each in found.insights.values()]
    assert [each.state for each in sources] == ["kept", "kept"]
    assert sources[0].digest == sources[1].digest


async def test_ids_that_no_store_can_hold_are_not_found(store):
    for about in ("\ud800", "9" * 25, "x" * 100_000, ""):
        with pytest.raises(NotFoundError):
            await store.read(lambda tx, about=about: chain(tx, about))


def test_importing_it_loads_no_library_of_the_exports():
    code = (
        "import sys; from crossmodel import ProvenanceTracker\n"
        "import crossmodel.witness.provenance.prov_json, crossmodel.witness.tracing\n"
        "print(*sorted({'prov', 'opentelemetry', 'sqlalchemy', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
