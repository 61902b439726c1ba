"""A chain as entities and activities: what the standards of provenance have in common."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from crossmodel.witness.provenance.chain import (
    Chain,
    HiddenValue,
    InsightNode,
    Record,
    RequestNode,
)

OURSELVES: Final = "crossmodel"
"""The agent that selects, hands over, extracts and erases."""

Value = str | int | float | bool
"""What an attribute may be."""

_SAFE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?", re.ASCII)
_HASHED: Final = "sha256-"
"""What names begin with that stand for one that is not safe; so no safe one may."""


def safe_name(kind: str, name: str) -> str:
    """``kind.name`` as a local name that is valid in XML, Turtle and PROV-N alike.

    A name that is not safe is represented by its SHA-256. No two names of a kind are the same.
    """
    if _SAFE.fullmatch(name) and not name.startswith(_HASHED):
        return f"{kind}.{name}"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kind}.{_HASHED}{digest}"


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing: ``request``, ``answer``, ``context``, ``insight`` or ``source``.

    Attributes:
        id: safe and unique within the graph.
        kind: what it is.
        attributes: what is known of it: its tenant's own ``name``, its ``digest``, whether its
            value is ``kept``, ``erased`` or ``missing``.
        derived_from: ids of the entities that it was made from.
        members: ids of the entities that it holds.
        said_by: the model that said it.
    """

    id: str
    kind: str
    attributes: Mapping[str, Value] = field(default_factory=dict)
    derived_from: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    said_by: str | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that happened.

    Attributes:
        id: safe and unique within the graph.
        kind: ``selection``, ``transfer``, ``completion``, ``extraction``, ``feedback`` or
            ``erasure``.
        leaf: the record of the log that says so.
        started: when it began.
        ended: when it was over.
        logged_at: when the log took its record.
        used: ids of the entities that it used.
        generated: ids of the entities that came of it.
        invalidated: ids of the entities that are gone since.
        done_by: the model that did it; ``crossmodel`` where it was us; ``None`` for others.
        after: ids of the activities that it followed from.
        attributes: what is known of it.
        succeeded: whether it came to what it was to come to.
    """

    id: str
    kind: str
    leaf: int
    started: datetime
    ended: datetime
    logged_at: datetime | None
    used: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    invalidated: tuple[str, ...] = ()
    done_by: str | None = OURSELVES
    after: tuple[str, ...] = ()
    attributes: Mapping[str, Value | tuple[str, ...]] = field(default_factory=dict)
    succeeded: bool = True


@dataclass(frozen=True, slots=True)
class Graph:
    """Entities by id, activities in the log's order, and the models that took part."""

    entities: Mapping[str, Entity]
    activities: tuple[Activity, ...]

    @property
    def models(self) -> list[str]:
        """Ids of the models that said or did something, in alphabetical order."""
        said = {each.said_by for each in self.entities.values()}
        did = {each.done_by for each in self.activities} - {OURSELVES}
        return sorted(model for model in said | did if model is not None)


def graph_of(chain: Chain) -> Graph:
    """The graph of what the chain's sound records say."""
    builder = _Builder()
    for insight in chain.insights.values():
        builder.add_insight(insight)
    for request in chain.requests.values():
        builder.add_request(request)
    for record in chain.records.values():
        if record.kind == "erasure" and record.is_sound:
            builder.add_erasure(record, chain)
    in_order = sorted(builder.activities, key=lambda each: (each.leaf, each.kind))
    return Graph(builder.entities, tuple(in_order))


class _Builder:
    def __init__(self) -> None:
        self.entities: dict[str, Entity] = {}
        self.activities: list[Activity] = []

    def add_request(self, node: RequestNode) -> None:
        request = self._entity("request", node.id, _value(node.selection, "request"))
        selection, transfer, outcome = node.selection, node.transfer, node.outcome
        chosen: tuple[str, ...] = ()
        if selection is not None:
            chosen = (self._select(selection, request),)
        context = None
        if transfer is not None:
            context = self._hand_over(node, transfer, chosen)
        if outcome is not None:
            self._answer(node, outcome, request, context, chosen)
        for each in node.feedback:
            self._judge(node, each)

    def _select(self, record: Record, request: str) -> str:
        said = record.predicate
        attributes: dict[str, Value | tuple[str, ...]] = {
            "model": said["model"],
            "score": said["score"],
            "alternatives": tuple(said["alternatives"]),
            "rejected": tuple(sorted(said["rejected"])),
        }
        return self._activity("selection", record, used=(request,), attributes=attributes)

    def _hand_over(self, node: RequestNode, record: Record, after: tuple[str, ...]) -> str | None:
        said = record.predicate
        given = tuple(self._entity("insight", each) for each in node.given)
        context = None
        if said["success"]:
            context = self._entity(
                "context", node.id, _value(record, "context"), derived_from=given, members=given
            )
        attributes: dict[str, Value | tuple[str, ...]] = {
            name: said[name]
            for name in ("target_model", "protocol", "arm", "tokens", "quality_score")
        }
        self._activity(
            "transfer",
            record,
            used=given,
            generated=(context,) if context else (),
            after=after,
            attributes=attributes,
            succeeded=said["success"],
        )
        return context

    def _answer(
        self,
        node: RequestNode,
        record: Record,
        request: str,
        context: str | None,
        after: tuple[str, ...],
    ) -> None:
        said = record.predicate
        used = (request, context) if context else (request,)
        answer: tuple[str, ...] = ()
        if (hidden := record.value("answer")) is not None:
            answer = (
                self._entity(
                    "answer", node.id, hidden, derived_from=used, said_by=str(said["model"])
                ),
            )
        self._activity(
            "completion",
            record,
            used=used,
            generated=answer,
            done_by=said["model"],
            after=after,
            attributes=_known(said, ("served_model", "latency_ms", "cost_usd")),
            succeeded=said["success"],
            seconds=(said["latency_ms"] or 0.0) / 1000,
        )

    def _judge(self, node: RequestNode, record: Record) -> None:
        said = record.predicate
        self._activity(
            "feedback",
            record,
            used=(self._entity("answer", node.id),),
            done_by=None,  # who it was is not in the log
            attributes=_known(said, ("score", "source")),
        )

    def add_insight(self, node: InsightNode) -> None:
        for record in node.records:
            if record.kind == "insight" and record.is_sound:
                self._extract(node, record)
        self._entity("insight", node.id, attributes=_standing(node))

    def _extract(self, node: InsightNode, record: Record) -> None:
        said = record.predicate
        hidden = record.value("source")
        answered: tuple[str, ...] = ()
        if said["source_request"]:
            answered = (self._entity("answer", said["source_request"]),)
        source: tuple[str, ...] = ()
        if hidden is not None:
            source = (self._entity("source", hidden.digest, hidden, derived_from=answered),)
        insight = self._entity(
            "insight",
            node.id,
            record.value("insight"),
            derived_from=source,
            said_by=str(said["source_model"]),
            attributes={
                "type": said["type"],
                "insight_kind": said["kind"],
                "confidence": said["confidence"],
                "leaf": record.leaf,
            },
        )
        self._activity(
            "extraction",
            record,
            used=(*source, *answered),
            generated=(insight,),
            attributes={"validation_status": said["validation_status"]},
        )

    def add_erasure(self, record: Record, chain: Chain) -> None:
        gone = [
            self._entity("insight", each.id)
            for each in chain.insights.values()
            if each.erased_by == record.leaf
        ]
        gone += [
            each.id
            for each in self.entities.values()
            if each.attributes.get("erased_by") == record.leaf
        ]
        self._activity("erasure", record, invalidated=tuple(dict.fromkeys(gone)))

    def _entity(
        self,
        kind: str,
        name: str,
        hidden: HiddenValue | None = None,
        *,
        derived_from: tuple[str, ...] = (),
        members: tuple[str, ...] = (),
        said_by: str | None = None,
        attributes: Mapping[str, Value] | None = None,
    ) -> str:
        """Take in what is known of a thing; it may be named before more is known of it."""
        id_ = safe_name(kind, name)
        before = self.entities.get(id_, Entity(id_, kind, {"name": name}))
        known: dict[str, Value] = {**before.attributes, **(attributes or {})}
        if hidden is not None:
            known |= {"digest": hidden.digest, "state": hidden.state}
            if hidden.erased_by is not None:
                known["erased_by"] = hidden.erased_by
        self.entities[id_] = replace(
            before,
            attributes=known,
            derived_from=_joined(before.derived_from, derived_from),
            members=_joined(before.members, members),
            said_by=said_by or before.said_by,
        )
        return id_

    def _activity(
        self,
        kind: str,
        record: Record,
        *,
        used: tuple[str, ...] = (),
        generated: tuple[str, ...] = (),
        invalidated: tuple[str, ...] = (),
        done_by: str | None = OURSELVES,
        after: tuple[str, ...] = (),
        attributes: Mapping[str, Value | tuple[str, ...]] | None = None,
        succeeded: bool = True,
        seconds: float = 0.0,
    ) -> str:
        traced = {"trace_id": record.trace_id} if record.trace_id else {}
        ended = _moment(record)
        id_ = safe_name(kind, str(record.leaf))
        self.activities.append(
            Activity(
                id_,
                kind,
                record.leaf,
                _before(ended, seconds),
                ended,
                record.logged_at,
                used,
                generated,
                invalidated,
                done_by,
                after,
                {**(attributes or {}), **traced},
                succeeded,
            )
        )
        return id_


def _value(record: Record | None, name: str) -> HiddenValue | None:
    return None if record is None else record.value(name)


def _known(said: Mapping[str, Value | None], names: Iterable[str]) -> dict[str, Value]:
    return {name: value for name in names if (value := said[name]) is not None}


def _standing(node: InsightNode) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if node.standing is not None:
        found["standing"] = node.standing
    if node.erased_by is not None:
        found["erased_by"] = node.erased_by
    return found


def _joined(before: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*before, *more)))


def _moment(record: Record) -> datetime:
    """When it happened; more digits than a microsecond's are cut off."""
    head, dot, digits = str(record.predicate["time"]).removesuffix("Z").partition(".")
    try:
        return datetime.fromisoformat(f"{head}{dot}{digits[:6].ljust(6, '0') if dot else ''}+00:00")
    except ValueError:  # such as a month 13: whoever wrote it, the log took it when it did
        return record.logged_at or datetime.fromtimestamp(0, UTC)


def _before(moment: datetime, seconds: float) -> datetime:
    """So much earlier, as far as calendars go."""
    try:
        return moment - timedelta(seconds=max(seconds, 0.0))
    except OverflowError:
        return moment
