"""Chains as OpenLineage run events, checked against what specification 2-0-2 requires."""

import json
import re
import uuid
from collections import Counter
from urllib.parse import urlsplit

import pytest
from provenance_chains import HOSTILE, SECRET, TRACE_ID, Ticking, erase, forget, judge, turn

from crossmodel import ProvenanceTracker
from crossmodel.witness.log import MemoryLog
from crossmodel.witness.provenance.openlineage import openlineage

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
EVENT_TYPES = {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}


def check_event(event):
    """The required fields and formats of a RunEvent and all that it holds."""
    assert {"eventTime", "producer", "schemaURL", "run", "job"} <= set(event)
    assert DATE_TIME.fullmatch(event["eventTime"])
    assert event["eventType"] in EVENT_TYPES
    check_uri(event["producer"])
    check_uri(event["schemaURL"])
    assert event["schemaURL"].endswith("/spec/2-0-2/OpenLineage.json#/$defs/RunEvent")
    assert str(uuid.UUID(event["run"]["runId"])) == event["run"]["runId"]
    check_facets(event["run"].get("facets", {}))
    check_named(event["job"])
    for dataset in (*event["inputs"], *event["outputs"]):
        check_named(dataset)


def check_named(thing):
    assert isinstance(thing["namespace"], str)
    assert isinstance(thing["name"], str)
    assert thing["name"]
    check_facets(thing.get("facets", {}))


def check_facets(facets):
    for name, facet in facets.items():
        assert name.startswith("crossmodel_"), "custom facets carry their producer's prefix"
        check_uri(facet["_producer"])
        check_uri(facet["_schemaURL"])


def check_uri(text):
    parts = urlsplit(text)
    assert parts.scheme == "https"
    assert parts.netloc


def events_of(log, about, **options):
    raw = openlineage(ProvenanceTracker(log).chain("t", about), **options)
    assert raw.endswith(b"\n")
    return [json.loads(line) for line in raw.decode().split("\n")[:-1]]


@pytest.fixture
def log():
    log, clock = MemoryLog(), Ticking()
    turn(log, "req_1", learned=["ins_1"], clock=clock)
    turn(log, "req_2", model="cheap", given=["ins_1"], trace_id=TRACE_ID, clock=clock)
    judge(log, "req_2", 0.5, clock=clock)
    forget(log, "of ins_1")
    erase(log, ["ins_1"], [(2, 2)])
    return log


def test_every_event_has_what_the_specification_requires(log):
    events = events_of(log, "req_2")
    for event in events:
        check_event(event)
    jobs = [event["job"]["name"] for event in events if event["eventType"] == "START"]
    assert jobs == [
        "selection", "completion", "extraction",
        "selection", "transfer", "completion", "feedback", "erasure",
    ]  # fmt: skip
    runs = Counter((event["run"]["runId"], event["eventType"]) for event in events)
    assert len({run for run, _ in runs}) == 8
    assert set(runs.values()) == {1}  # one START and one COMPLETE each
    assert SECRET not in json.dumps(events)


def test_what_goes_in_and_what_comes_out(log):
    events = events_of(log, "req_2")
    [transfer] = [
        e for e in events if (e["job"]["name"], e["eventType"]) == ("transfer", "COMPLETE")
    ]
    assert [each["name"] for each in transfer["inputs"]] == ["insight.ins_1"]
    assert [each["name"] for each in transfer["outputs"]] == ["context.req_2"]
    facet = transfer["run"]["facets"]["crossmodel_record"]
    assert (facet["leaf"], facet["arm"], facet["trace_id"]) == (4, "insights", TRACE_ID)
    [gone] = [e for e in events if (e["job"]["name"], e["eventType"]) == ("erasure", "COMPLETE")]
    [insight] = gone["outputs"]
    value = insight["facets"]["crossmodel_value"]
    assert (value["state"], value["erased_by"], value["said_by"]) == ("erased", 7, "strong")
    assert re.fullmatch("[0-9a-f]{64}", value["digest"])


def test_an_answer_that_never_came_fails():
    log = MemoryLog()
    turn(log, "req_1", answer=None)
    assert [e["eventType"] for e in events_of(log, "req_1")] == [
        "START",
        "COMPLETE",
        "START",
        "FAIL",
    ]


def test_the_same_record_is_the_same_run_and_another_logs_is_not(log):
    def runs(about, **options):
        return {each["run"]["runId"] for each in events_of(log, about, **options)}

    assert runs("req_1") < runs("req_2")
    assert runs("req_2").isdisjoint(runs("req_2", namespace="elsewhere"))


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_an_id_holds_an_event_stays_one_line(name):
    log = MemoryLog()
    turn(log, name, model=name, learned=[f"i {name}"])
    events = events_of(log, name)
    assert len(events) == 6
    for event in events:
        check_event(event)
