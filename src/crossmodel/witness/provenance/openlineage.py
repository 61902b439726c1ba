"""A chain as OpenLineage run events (specification 2-0-2), one JSON object a line."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from crossmodel.domain.period import as_utc
from crossmodel.witness.provenance.chain import Chain
from crossmodel.witness.provenance.graph import Activity, Entity, Graph, graph_of, safe_name

SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
PRODUCER: Final = "https://crossmodel.dev"
FACETS: Final = "https://crossmodel.dev/openlineage/1-0-0/CrossModelFacets.json"
"""What our own facets are described by; their names begin with ``crossmodel_``."""


def openlineage(chain: Chain, *, namespace: str = "crossmodel") -> bytes:
    """A START and a COMPLETE (or FAIL) event of each activity of the chain, in the log's order.

    ``namespace`` names the log, so that the same record always is the same run. Events hold ids,
    digests and figures, no content.
    """
    graph = graph_of(chain)
    home = f"{namespace}/{safe_name('tenant', chain.tenant)}"
    events = [
        event
        for activity in graph.activities
        for event in _events(activity, graph, namespace=namespace, home=home)
    ]
    lines = (json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in events)
    return "".join(f"{line}\n" for line in lines).encode()


def _events(
    activity: Activity, graph: Graph, *, namespace: str, home: str
) -> Iterable[dict[str, Any]]:
    run = {
        "runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{PRODUCER}/{namespace}#{activity.leaf}")),
        "facets": {"crossmodel_record": _facet("RecordRunFacet", _record(activity))},
    }
    job = {"namespace": home, "name": activity.kind}
    datasets = {
        "inputs": _datasets(activity.used, graph, home),
        "outputs": _datasets((*activity.generated, *activity.invalidated), graph, home),
    }
    kind = "COMPLETE" if activity.succeeded else "FAIL"
    for event_type, moment in (("START", activity.started), (kind, activity.ended)):
        yield {
            "eventType": event_type,
            "eventTime": _time(moment),
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
            "run": run,
            "job": job,
            **datasets,
        }


def _record(activity: Activity) -> dict[str, Any]:
    logged = None if activity.logged_at is None else _time(activity.logged_at)
    return {
        "leaf": activity.leaf,
        "logged_at": logged,
        "done_by": activity.done_by,
        **activity.attributes,
    }


def _datasets(ids: Iterable[str], graph: Graph, home: str) -> list[dict[str, Any]]:
    return [_dataset(graph.entities[each], home) for each in ids]


def _dataset(entity: Entity, home: str) -> dict[str, Any]:
    return {
        "namespace": home,
        "name": entity.id,
        "facets": {
            "crossmodel_value": _facet(
                "ValueDatasetFacet",
                {"kind": entity.kind, "said_by": entity.said_by, **entity.attributes},
            )
        },
    }


def _facet(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{FACETS}#/$defs/{name}", **values}


def _time(moment: datetime) -> str:
    return as_utc(moment).isoformat().replace("+00:00", "Z")
