"""Chains as W3C PROV, checked against the PROV-JSON submission's shape and by the library prov."""

import json
import os
import re
from pathlib import Path

import pytest
from prov.model import ProvDocument
from provenance_chains import HOSTILE, SECRET, TRACE_ID, Ticking, erase, forget, judge, turn

from crossmodel import ProvenanceTracker
from crossmodel.witness.log import MemoryLog
from crossmodel.witness.provenance.graph import safe_name
from crossmodel.witness.provenance.prov_json import NAMESPACE, document_of, prov_json

BESIDE = Path(__file__).resolve().parents[5] / "shared" / "data" / "vectors"
VECTORS = Path(os.environ.get("CROSSMODEL_VECTORS", BESIDE)) / "prov-json"
ELEMENTS = {"entity", "activity", "agent"}
RELATIONS = {  # what PROV-DM requires of each, as PROV-JSON (section 3) names it
    "wasGeneratedBy": {"prov:entity"},
    "used": {"prov:activity"},
    "wasInformedBy": {"prov:informed", "prov:informant"},
    "wasStartedBy": {"prov:activity"},
    "wasEndedBy": {"prov:activity"},
    "wasInvalidatedBy": {"prov:entity"},
    "wasDerivedFrom": {"prov:generatedEntity", "prov:usedEntity"},
    "wasAttributedTo": {"prov:entity", "prov:agent"},
    "wasAssociatedWith": {"prov:activity"},
    "actedOnBehalfOf": {"prov:delegate", "prov:responsible"},
    "wasInfluencedBy": {"prov:influencee", "prov:influencer"},
    "specializationOf": {"prov:specificEntity", "prov:generalEntity"},
    "alternateOf": {"prov:alternate1", "prov:alternate2"},
    "hadMember": {"prov:collection", "prov:entity"},
}
REFERENCES = set().union(*RELATIONS.values()) | {"prov:trigger", "prov:plan"}
LOCAL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_-])?", re.ASCII)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def check_shape(document, *, is_whole=True, within=()):
    """Whether a decoded document is PROV-JSON, as the member submission describes it.

    ``is_whole``: with whatever PROV-DM requires of a relation; published examples leave some out.
    """
    prefixes = {"prov", "xsd", "_", *within, *document.get("prefix", {})}
    assert set(document) <= {"prefix", "bundle"} | ELEMENTS | set(RELATIONS)
    assert all(isinstance(each, str) for each in document.get("prefix", {}).values())
    for kind in set(document) - {"prefix", "bundle"}:
        for identifier, versions in document[kind].items():
            check_name(identifier, prefixes)
            for record in versions if isinstance(versions, list) else [versions]:
                assert not is_whole or RELATIONS.get(kind, set()) <= set(record)
                check_record(record, prefixes)
    for inner in document.get("bundle", {}).values():
        check_shape(inner, is_whole=is_whole, within=prefixes)


def check_record(record, prefixes):
    for attribute, values in record.items():
        check_name(attribute, prefixes)
        if attribute in REFERENCES:
            check_name(values, prefixes)
        elif attribute in {"prov:startTime", "prov:endTime", "prov:time"}:
            assert TIME.fullmatch(values)
        else:
            for each in values if isinstance(values, list) else [values]:
                check_value(each, prefixes)


def check_value(value, prefixes):
    if not isinstance(value, dict):
        assert isinstance(value, str | int | float | bool)
        return
    assert {"$"} <= set(value) <= {"$", "type", "lang"}
    assert isinstance(value["$"], str)
    if value.get("type") in {"xsd:QName", "prov:QUALIFIED_NAME"}:
        check_name(value["$"], prefixes)


def check_name(text, prefixes):
    prefix, colon, local = text.partition(":")
    assert colon, text
    assert prefix in prefixes, text
    assert LOCAL.fullmatch(local), text


def references(document):
    return {
        record[attribute]
        for kind in RELATIONS
        for record in document.get(kind, {}).values()
        for attribute in REFERENCES & set(record)
    }


def exported(log, about):
    """The export, decoded and as text, once it has been read back equal."""
    chain = ProvenanceTracker(log).chain("t", about)
    text = prov_json(chain).decode()
    read = ProvDocument.deserialize(content=text, format="json")
    assert read == document_of(chain)
    assert ProvDocument.deserialize(content=read.serialize(format="json"), format="json") == read
    assert read.get_provn()
    return json.loads(text), text


@pytest.fixture
def log():
    log, clock = MemoryLog(), Ticking()
    turn(log, "req_1", learned=["ins_1", "ins_2"], clock=clock)
    turn(log, "req_2", model="cheap", given=["ins_1", "ins_2"], trace_id=TRACE_ID, clock=clock)
    judge(log, "req_2", 0.5, clock=clock)
    forget(log, "of ins_1", "context")
    erase(log, ["ins_1"], [(2, 2), (5, 5)])
    return log


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the published documents are not here")
@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: path.stem)
def test_the_shape_that_is_asked_for_is_that_of_published_documents(path):
    check_shape(json.loads(path.read_text()), is_whole=False)


@pytest.mark.parametrize(
    "broken",
    [
        {"entity": {"ex:e": {}}},
        {"prefix": {"ex": "http://x/"}, "entity": {"ex:e e": {}}},
        {"prefix": {"ex": "http://x/"}, "used": {"_:u": {"prov:entity": "ex:e"}}},
        {"prefix": {"ex": "http://x/"}, "entity": {"ex:e": {"ex:a": None}}},
        {"entities": {}},
    ],
)
def test_the_shape_refuses_what_is_none(broken):
    with pytest.raises(AssertionError):
        check_shape(broken)


def test_a_chain_is_valid_and_reads_back_equal(log):
    document, text = exported(log, "req_2")
    check_shape(document)
    assert document["prefix"] == {"crossmodel": NAMESPACE}
    declared = {name for kind in ELEMENTS for name in document[kind]}
    assert references(document) <= declared
    assert SECRET not in text


def test_who_said_what_to_whom_stands_in_it(log):
    document, _ = exported(log, "req_2")

    def pairs(relation, *names):
        return {
            tuple(record[f"prov:{name}"].removeprefix("crossmodel:") for name in names)
            for record in document[relation].values()
        }

    assert {
        ("answer.req_2", "context.req_2"),
        ("context.req_2", "insight.ins_1"),
        ("source." + _digest(document), "answer.req_1"),
        ("insight.ins_1", "source." + _digest(document)),
    } <= pairs("wasDerivedFrom", "generatedEntity", "usedEntity")
    assert {
        ("answer.req_2", "model.cheap"),
        ("answer.req_1", "model.strong"),
        ("insight.ins_2", "model.strong"),
    } <= pairs("wasAttributedTo", "entity", "agent")
    assert pairs("hadMember", "collection", "entity") == {
        ("context.req_2", "insight.ins_1"),
        ("context.req_2", "insight.ins_2"),
    }
    assert pairs("wasInvalidatedBy", "entity", "activity") == {
        ("insight.ins_1", "erasure.8"),
        ("context.req_2", "erasure.8"),
    }
    assert {
        ("context.req_2", "transfer.5"),
        ("answer.req_2", "completion.6"),
        ("insight.ins_1", "extraction.2"),
    } <= pairs("wasGeneratedBy", "entity", "activity")
    assert {
        ("transfer.5", "insight.ins_1"),
        ("completion.6", "context.req_2"),
        ("completion.6", "request.req_2"),
        ("feedback.7", "answer.req_2"),
        ("extraction.2", "answer.req_1"),
        ("selection.4", "request.req_2"),
    } <= pairs("used", "activity", "entity")
    assert {("completion.6", "model.cheap"), ("selection.4", "crossmodel")} <= pairs(
        "wasAssociatedWith", "activity", "agent"
    )
    completion = document["activity"]["crossmodel:completion.6"]
    assert completion["prov:startTime"] < completion["prov:endTime"]  # 1.5 s of latency
    assert completion["crossmodel:leaf"] == {"$": "6", "type": "xsd:int"}
    assert completion["crossmodel:trace_id"] == TRACE_ID
    gone = document["entity"]["crossmodel:insight.ins_1"]
    assert (gone["crossmodel:state"], gone["crossmodel:erased_by"]["$"]) == ("erased", "8")


def _digest(document):
    [name] = [each for each in document["entity"] if each.startswith("crossmodel:source.")]
    return name.removeprefix("crossmodel:source.")


def test_an_answer_that_never_came_is_no_entity():
    log = MemoryLog()
    turn(log, "req_1", answer=None)
    document, _ = exported(log, "req_1")
    assert "crossmodel:answer.req_1" not in document["entity"]
    assert document["activity"]["crossmodel:completion.1"]["crossmodel:succeeded"] is False


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_an_id_holds_its_name_is_safe(name):
    log = MemoryLog()
    turn(log, name, model=f"m {name}", learned=[f"i {name}"], answer=SECRET)
    turn(log, "req_2", given=[f"i {name}"])
    document, text = exported(log, "req_2")
    check_shape(document)
    models = {each["crossmodel:name"] for each in document["agent"].values() if len(each) > 1}
    assert models == {f"m {name}", "strong"}
    assert SECRET not in text


def test_no_two_names_are_the_same():
    names = [*HOSTILE, "a", "a.", "a-", "A", "", "a" * 80, "a" * 81, "é", "e\u0301"]
    hashed = [safe_name("x", name).removeprefix("x.") for name in names]
    assert len({safe_name("x", name) for name in [*names, *hashed]}) == len(
        {*names, *(each for each in hashed if each.startswith("sha256-"))}
    )
