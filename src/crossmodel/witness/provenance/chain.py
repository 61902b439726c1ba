"""The chain of an answer, an insight or a record, as the log's statements tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

KEPT: Final = "kept"
ERASED: Final = "erased"
MISSING: Final = "missing"
ALTERED: Final = "altered"

_WRONG: Final = {
    MISSING: "is gone, and no record says that it was erased",
    ALTERED: "is not the value that its statement commits to",
}
"""What is wrong with a hidden value, in words, by its state."""

UNREADABLE: Final = "unreadable"
"""Kind of a record whose bytes are no in-toto statement."""

ENGINE: Final = "engine"
"""Who says of an outcome that is the answer itself; others say what they think of it."""


@dataclass(frozen=True, slots=True)
class HiddenValue:
    """A value that a statement commits to without showing it.

    Attributes:
        name: what it is: ``request``, ``answer``, ``context``, ``insight``, ``source``, ``reason``.
        digest: the salted SHA-256 that stands in the statement, in hex.
        state: ``kept``; ``erased``, where an erasure record says so; ``missing``, where none does;
            ``altered``, where what is kept is not what the statement commits to.
        erased_by: leaf of the erasure record.
    """

    name: str
    digest: str
    state: str
    erased_by: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "digest": self.digest,
            "state": self.state,
            "erased_by": self.erased_by,
        }


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log.

    Attributes:
        leaf: its index.
        kind: ``selection``, ``transfer``, ``outcome``, ``insight``, ``erasure``, ``key-rotation``;
            the whole predicate type where that is not understood, or ``unreadable``.
        predicate: what it says; empty where it is not understood.
        logged_at: when the log took it.
        looked_up_by: the id that the log's look-up column has for it.
        about: the id that the statement itself says it is about; empty where it is about none,
            ``None`` where that is not understood.
        is_intact: whether the statement still has the hash that its leaf has.
        hidden: what it commits to.
        payload_type: the DSSE payload type of the statement.
        statement: its exact bytes.
    """

    leaf: int
    kind: str
    predicate: Mapping[str, Any]
    logged_at: datetime | None
    looked_up_by: str
    about: str | None
    is_intact: bool
    hidden: tuple[HiddenValue, ...]
    payload_type: str
    statement: bytes = field(repr=False)

    @property
    def is_as_looked_up(self) -> bool:
        """Whether the statement is about what the look-up column says; else somebody edited it."""
        return self.about == self.looked_up_by

    @property
    def is_sound(self) -> bool:
        """Whether the chain may go by it."""
        return self.is_intact and self.is_as_looked_up

    @property
    def trace_id(self) -> str | None:
        """The caller's trace (W3C Trace Context), if one was given."""
        return self.predicate.get("trace_id")

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the record, in words."""
        found = []
        if not self.is_intact:
            found.append("its statement is not the one that its leaf's hash is of")
        if self.about is None:
            found.append("its statement is not understood")
        elif not self.is_as_looked_up:
            found.append(f"it is looked up by {self.looked_up_by!r} and is about {self.about!r}")
        found += [
            f"its {value.name} {_WRONG[value.state]}"
            for value in self.hidden
            if value.state in _WRONG
        ]
        return tuple(found)

    def value(self, name: str) -> HiddenValue | None:
        """The hidden value of that name, if it commits to one."""
        return next((value for value in self.hidden if value.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "leaf": self.leaf,
            "kind": self.kind,
            "predicate": dict(self.predicate),
            "logged_at": None if self.logged_at is None else self.logged_at.isoformat(),
            "looked_up_by": self.looked_up_by,
            "about": self.about,
            "is_as_looked_up": self.is_as_looked_up,
            "is_intact": self.is_intact,
            "hidden": [value.to_dict() for value in self.hidden],
        }


@dataclass(frozen=True, slots=True)
class RequestNode:
    """A request: which model was chosen, what it was handed, what came of it.

    Attributes:
        id: the request's id, which is the answer's too.
        records: what the log has about it, in order.
        learned: ids of the insights that were first found in its answer; only of the request that
            was asked for.
    """

    id: str
    records: tuple[Record, ...]
    learned: tuple[str, ...] = ()

    @property
    def selection(self) -> Record | None:
        """Which model was chosen, over which others."""
        return self._first("selection")

    @property
    def transfer(self) -> Record | None:
        """What it was handed, in which arm."""
        return self._first("transfer")

    @property
    def outcome(self) -> Record | None:
        """The answer, or that there was none."""
        return next((each for each in self._outcomes() if each.predicate["source"] == ENGINE), None)

    @property
    def feedback(self) -> tuple[Record, ...]:
        """What people and graders thought of the answer, in order."""
        return tuple(each for each in self._outcomes() if each.predicate["source"] != ENGINE)

    @property
    def given(self) -> tuple[str, ...]:
        """Ids of the insights that it was handed, in order."""
        return () if self.transfer is None else tuple(self.transfer.predicate["insights"])

    @property
    def others(self) -> tuple[Record, ...]:
        """Records that the chain does not go by: edited, not understood, or one too many."""
        used = {each.leaf for each in (self.selection, self.transfer, self.outcome) if each}
        used |= {each.leaf for each in self.feedback}
        return tuple(each for each in self.records if each.leaf not in used)

    @property
    def trace_id(self) -> str | None:
        """The caller's trace, if one was given."""
        return next((each.trace_id for each in self.records if each.trace_id), None)

    def _outcomes(self) -> list[Record]:
        return [each for each in self.records if each.kind == "outcome" and each.is_sound]

    def _first(self, kind: str) -> Record | None:
        return next((each for each in self.records if each.kind == kind and each.is_sound), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "id": self.id,
            "trace_id": self.trace_id,
            "selection": _of(self.selection),
            "transfer": _of(self.transfer),
            "outcome": _of(self.outcome),
            "feedback": [each.to_dict() for each in self.feedback],
            "others": [each.to_dict() for each in self.others],
            "given": list(self.given),
            "learned": list(self.learned),
        }


@dataclass(frozen=True, slots=True)
class InsightNode:
    """An insight: who said it, in which answer, and how it stands now.

    Attributes:
        id: the insight's id.
        records: what the log has about it, in order; more than one if it was erased and found anew.
        erased_by: leaf of the record of its erasure, unless it was found anew since.
        standing: how it stands now, as the store has it; ``None`` where it is not kept, or nobody
            was asked.
        standing_reason: why it stands so.
    """

    id: str
    records: tuple[Record, ...]
    erased_by: int | None = None
    standing: str | None = None
    standing_reason: str = ""

    @property
    def record(self) -> Record | None:
        """The last record by which the chain goes."""
        sound = (each for each in reversed(self.records) if each.kind == "insight")
        return next((each for each in sound if each.is_sound), None)

    @property
    def source_model(self) -> str | None:
        """Who said it."""
        return None if self.record is None else self.record.predicate["source_model"]

    @property
    def source_request(self) -> str | None:
        """The request of ours whose answer says it, if it was one."""
        return None if self.record is None else self.record.predicate["source_request"]

    @property
    def others(self) -> tuple[Record, ...]:
        """Records that the chain does not go by: earlier ones, edited ones, not understood ones."""
        return tuple(each for each in self.records if each is not self.record)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "id": self.id,
            "record": _of(self.record),
            "others": [each.to_dict() for each in self.others],
            "source_model": self.source_model,
            "source_request": self.source_request,
            "erased_by": self.erased_by,
            "standing": self.standing,
            "standing_reason": self.standing_reason,
        }


@dataclass(frozen=True, slots=True)
class Chain:
    """Who said what to whom, from what was asked for back to the answers it came from.

    Attributes:
        tenant: whose chain it is.
        about: the id of the request or insight whose chain it is; empty for that of a record that
            is about neither.
        requests: the requests by id, the one that was asked for first.
        insights: the insights by id.
        records: records that are about neither, by leaf: the erasures that took something of the
            chain, or the one that was asked for.
        cut: ids that were not followed, because the chain is too deep or too large.
    """

    tenant: str
    about: str
    requests: Mapping[str, RequestNode] = field(default_factory=dict)
    insights: Mapping[str, InsightNode] = field(default_factory=dict)
    records: Mapping[int, Record] = field(default_factory=dict)
    cut: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything was followed to its end."""
        return not self.cut

    def all_records(self) -> list[Record]:
        """Every record of the chain once, in the log's order."""
        found = dict(self.records)
        for request in self.requests.values():
            found |= {each.leaf: each for each in request.records}
        for insight in self.insights.values():
            found |= {each.leaf: each for each in insight.records}
        return [found[leaf] for leaf in sorted(found)]

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the chain, in words: each begins with the record that it is about."""
        found = [
            f"record {each.leaf}: {problem}"
            for each in self.all_records()
            for problem in each.problems
        ]
        found += [
            f"request {each.id!r}: the log's look-up has no record of how its model was selected"
            for each in self.requests.values()
            if each.selection is None and each.id not in self.cut
        ]
        found += [
            f"insight {each.id!r}: the log's look-up has no record of where it is from"
            for each in self.insights.values()
            if each.record is None and each.id not in self.cut
        ]
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "tenant": self.tenant,
            "about": self.about,
            "requests": {key: each.to_dict() for key, each in self.requests.items()},
            "insights": {key: each.to_dict() for key, each in self.insights.items()},
            "records": [each.to_dict() for each in self.records.values()],
            "cut": list(self.cut),
            "problems": list(self.problems),
        }


def _of(record: Record | None) -> dict[str, Any] | None:
    return None if record is None else record.to_dict()
