"""ProvenanceTracker: from an id back through the log to every answer that it came from."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from crossmodel.domain.config import ProvenanceTrackingConfig
from crossmodel.domain.insight import Insight
from crossmodel.domain.witness import Commitment, LogLeaf
from crossmodel.errors import NotFoundError, VerificationError, WitnessError
from crossmodel.ports import LogTransaction
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.log import leaf_hash
from crossmodel.witness.provenance.chain import (
    ALTERED,
    ERASED,
    KEPT,
    MISSING,
    UNREADABLE,
    Chain,
    HiddenValue,
    InsightNode,
    Record,
    RequestNode,
)
from crossmodel.witness.schemas import LOGGED_AT, SCHEMAS, predicate_type
from crossmodel.witness.statement import logged_at

MAX_DEPTH: Final = 32
"""Answers that a chain goes back over, one from the next."""

MAX_NODES: Final = 2_000
"""Requests and insights of one chain."""

_TURN: Final = 3
"""Records that one turn appends at most, before those of what was learned."""

_MOST_DIGITS: Final = 18
"""Of a record's index: what every store can look for."""

_OWN_ID: Final = {
    "selection": "request_id",
    "transfer": "request_id",
    "outcome": "request_id",
    "insight": "insight_id",
}
"""The field in which a statement says what it is about; those of other kinds are about no id."""

InsightsOf = Callable[[str, Sequence[str]], Sequence[Insight]]
"""Gives those of a tenant's insights that the store keeps: ``Transaction.get_insights``."""


class ProvenanceTracker:
    """Follows what the log says of an answer, an insight or a record, as far back as it goes.

    Every word is from the log's statements; only how an insight stands now is from the store, where
    ``insights_of`` is given. A look-up proves nothing by itself: ``crossmodel verify`` checks the
    log, the exports carry what others can check.

    Args:
        tx: the log, within one transaction.
        insights_of: gives the insights that the store keeps, to say how they stand now.
        config: whether chains may be looked up at all.
        max_depth: how many answers to go back over, one from the next.
        max_nodes: how many requests and insights to take into one chain.
    """

    def __init__(
        self,
        tx: LogTransaction,
        *,
        insights_of: InsightsOf | None = None,
        config: ProvenanceTrackingConfig | None = None,
        max_depth: int = MAX_DEPTH,
        max_nodes: int = MAX_NODES,
    ) -> None:
        self._tx = tx
        self._insights_of = insights_of
        self._config = config or ProvenanceTrackingConfig()
        self._max_depth = max_depth
        self._max_nodes = max_nodes

    def chain(self, tenant: str, about: str) -> Chain:
        """The chain of a request (its answer has the same id), an insight, or a record's index.

        Raises:
            NotFoundError: if the tenant has no such request, insight or record.
            WitnessError: if the settings have switched provenance tracking off.
        """
        self._check_enabled()
        leaves = self._tx.leaves_about(tenant, about) if about and _is_text(about) else []
        if leaves:
            return _Walk(self._tx, tenant, self._max_depth, self._max_nodes).from_id(
                about, leaves, self._insights_of
            )
        if about.isascii() and about.isdigit() and len(about) <= _MOST_DIGITS:
            return self.chain_of_record(tenant, int(about))
        raise NotFoundError(f"there is no answer, insight or record {_short(about)!r}")

    def chain_of_record(self, tenant: str, leaf: int) -> Chain:
        """The chain of whatever the record at that index is about.

        Raises:
            NotFoundError: if there is no such record, or it is not the tenant's.
            WitnessError: if the settings have switched provenance tracking off.
        """
        self._check_enabled()
        found = next(iter(self._tx.leaves(leaf, leaf + 1)), None)
        if found is None or found.tenant != tenant:
            raise NotFoundError(f"there is no record {leaf}")
        if found.about:
            return self.chain(tenant, found.about)
        return _Walk(self._tx, tenant, self._max_depth, self._max_nodes).from_record(
            found, self._insights_of
        )

    def _check_enabled(self) -> None:
        if not self._config.enable_provenance_tracking:
            raise WitnessError(
                "provenance is not looked up here: set "
                "cross_model_vif.provenance_tracking.enable_provenance_tracking to true"
            )


@dataclass(slots=True)
class _Walk:
    """One look-up: what was found so far, and what is still to be followed."""

    tx: LogTransaction
    tenant: str
    max_depth: int
    max_nodes: int
    requests: dict[str, RequestNode] = field(default_factory=dict)
    insights: dict[str, InsightNode] = field(default_factory=dict)
    records: dict[int, Record] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    waiting: deque[tuple[str, str, int]] = field(default_factory=deque)
    erasures: list[tuple[LogLeaf, Mapping[str, Any]]] | None = None
    erasures_met: dict[int, LogLeaf] = field(default_factory=dict)

    def from_id(
        self, about: str, leaves: Sequence[LogLeaf], insights_of: InsightsOf | None
    ) -> Chain:
        """The chain of a request or insight."""
        records = self._read(leaves)
        kinds = {record.kind for record in records}
        if kinds != {"insight"}:
            node = self._request(about, [each for each in records if each.kind != "insight"])
            learned = self._learned(node)
            self._take_request(replace(node, learned=tuple(learned)), 0)
            self._follow("insight", learned, 0)
        if "insight" in kinds:
            self._take_insight(about, [each for each in records if each.kind == "insight"], 0)
        return self._finish(about, insights_of)

    def from_record(self, leaf: LogLeaf, insights_of: InsightsOf | None) -> Chain:
        """The chain of a record that is about neither, such as an erasure."""
        [record] = self._read([leaf])
        self.records[record.leaf] = record
        self._follow("insight", record.predicate.get("insights", ()), 0)
        return self._finish("", insights_of)

    def _finish(self, about: str, insights_of: InsightsOf | None) -> Chain:
        while self.waiting:
            what, name, depth = self.waiting.popleft()
            if name in (self.requests if what == "request" else self.insights):
                continue
            if depth > self.max_depth or len(self.requests) + len(self.insights) >= self.max_nodes:
                self.cut.append(name)
                continue
            records = self._read(self.tx.leaves_about(self.tenant, name))
            if what == "request":
                mine = [each for each in records if each.kind != "insight"]
                self._take_request(self._request(name, mine), depth)
            else:
                self._take_insight(name, [r for r in records if r.kind == "insight"], depth)
        while unread := [self.erasures_met[i] for i in self.erasures_met if i not in self.records]:
            self.records |= {each.leaf: each for each in self._read(unread)}
        if insights_of is not None:
            self._add_standings(insights_of)
        return Chain(
            self.tenant,
            about,
            self.requests,
            self.insights,
            dict(sorted(self.records.items())),
            tuple(dict.fromkeys(self.cut)),
        )

    # nodes

    def _take_request(self, node: RequestNode, depth: int) -> None:
        self.requests[node.id] = node
        self._follow("insight", node.given, depth)

    def _take_insight(self, name: str, records: list[Record], depth: int) -> None:
        node = InsightNode(name, tuple(records))
        learned_at = -1 if node.record is None else node.record.leaf
        self.insights[name] = replace(node, erased_by=self._erasure_of(name, learned_at))
        sources = [each.predicate["source_request"] for each in records if each.is_sound]
        self._follow("request", [each for each in sources if each], depth + 1)

    def _follow(self, what: str, names: Iterable[str], depth: int) -> None:
        self.waiting.extend((what, name, depth) for name in names)

    def _request(self, name: str, records: list[Record]) -> RequestNode:
        """The node, with those of its turn's records that somebody has taken out of the look-up.

        The records of one turn stand side by side in the log, so the gap shows what is missing.
        """
        turn = [each.leaf for each in records if each.is_sound]
        if not turn:
            return RequestNode(name, tuple(records))
        first = turn[0]
        known = {each.leaf for each in records}
        around = [
            leaf
            for leaf in self.tx.leaves(max(first - _TURN + 1, 0), first + _TURN)
            if leaf.tenant == self.tenant and leaf.about != name and leaf.index not in known
        ]
        strays = self._read([leaf for leaf in around if _Said.of(leaf.statement).about == name])
        return RequestNode(name, tuple(sorted([*records, *strays], key=lambda each: each.leaf)))

    def _learned(self, node: RequestNode) -> list[str]:
        """Ids of the insights whose records follow those of the turn that they were found in."""
        if node.outcome is None:
            return []
        found = []
        for leaf in self.tx.leaves(node.outcome.leaf + 1, node.outcome.leaf + 1 + self.max_nodes):
            if leaf.tenant != self.tenant:
                break
            said = _Said.of(leaf.statement)
            if said.kind != "insight" or said.predicate["source_request"] != node.id:
                break
            found.append(said.predicate["insight_id"])
        return found

    def _add_standings(self, insights_of: InsightsOf) -> None:
        for insight in insights_of(self.tenant, list(self.insights)):
            node = self.insights[insight.id]
            self.insights[insight.id] = replace(
                node, standing=str(insight.standing), standing_reason=insight.standing_reason
            )

    # records

    def _read(self, leaves: Sequence[LogLeaf]) -> list[Record]:
        """The leaves' statements, with what became of the values that they hide."""
        groups: dict[tuple[str, int], list[LogLeaf]] = {}
        for leaf in leaves:  # the values of all records about one id are looked up at once
            groups.setdefault((leaf.about, -1 if leaf.about else leaf.index), []).append(leaf)
        records = [record for group in groups.values() for record in self._read_group(group)]
        return sorted(records, key=lambda each: each.leaf)

    def _read_group(self, leaves: Sequence[LogLeaf]) -> Iterator[Record]:
        said = [_Said.of(leaf.statement) for leaf in leaves]
        kept_with: dict[str, int] = {}
        for leaf, each in zip(leaves, said, strict=True):
            for _, digest in each.subjects:
                kept_with.setdefault(digest, leaf.index)
        kept = self.tx.get_commitments(leaves[0].index, list(kept_with))
        for leaf, each in zip(leaves, said, strict=True):
            yield Record(
                leaf=leaf.index,
                kind=each.kind,
                predicate=each.predicate,
                logged_at=_logged_at(leaf.statement),
                looked_up_by=leaf.about,
                about=each.about,
                is_intact=_is_intact(leaf),
                hidden=tuple(
                    self._value(name, digest, kept.get(digest), kept_with[digest])
                    for name, digest in each.subjects
                ),
                payload_type=leaf.payload_type,
                statement=leaf.statement,
            )

    def _value(self, name: str, digest: str, kept: Commitment | None, holder: int) -> HiddenValue:
        """What became of a value; ``holder`` is the record that it was kept with."""
        if kept is None:
            return self._gone(name, digest, holder)
        is_it = hashlib.sha256(kept.salt + kept.value).hexdigest() == digest
        return HiddenValue(name, digest, KEPT if is_it else ALTERED)

    def _gone(self, name: str, digest: str, holder: int) -> HiddenValue:
        """A value that is not kept any more."""
        for leaf, predicate in self._all_erasures():
            if leaf.index > holder and any(a <= holder <= z for a, z in predicate["records"]):
                self.erasures_met[leaf.index] = leaf
                return HiddenValue(name, digest, ERASED, leaf.index)
        return HiddenValue(name, digest, MISSING)

    def _erasure_of(self, insight_id: str, after: int) -> int | None:
        """The record of the insight's erasure, if it came after that record."""
        for leaf, predicate in self._all_erasures():
            if leaf.index > after and insight_id in predicate["insights"]:
                self.erasures_met[leaf.index] = leaf
                return leaf.index
        return None

    def _all_erasures(self) -> list[tuple[LogLeaf, Mapping[str, Any]]]:
        """The tenant's erasures, and those of everybody's old values, in order.

        Retention names no tenant and no insights: what names insights is somebody else's.
        """
        if self.erasures is None:
            tenants = dict.fromkeys((self.tenant, ""))
            leaves = [leaf for tenant in tenants for leaf in self.tx.leaves_about(tenant, "")]
            self.erasures = [
                (leaf, said.predicate)
                for leaf in sorted(leaves, key=lambda each: each.index)
                if (said := _Said.of(leaf.statement)).kind == "erasure"
                and _is_intact(leaf)
                and (leaf.tenant == self.tenant or not said.predicate["insights"])
            ]
        return self.erasures


@dataclass(frozen=True, slots=True)
class _Said:
    """What a statement says; the predicate is empty where it is not understood."""

    kind: str
    predicate: Mapping[str, Any]
    subjects: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, body: bytes) -> _Said:
        try:
            document = parse_statement(body)
        except VerificationError:
            return cls(UNREADABLE, {}, ())
        subjects = tuple(
            (str(each.get("name", "")), each["digest"]["sha256"]) for each in document["subject"]
        )
        named = document["predicateType"]
        said = {k: v for k, v in document["predicate"].items() if k != LOGGED_AT}
        for kind, schema in SCHEMAS.items():
            if named == predicate_type(kind) and set(said) == set(schema):
                if all(may_stand(said[name]) for name, may_stand in schema.items()):
                    return cls(kind, said, subjects)
                break
        return cls(named, {}, subjects)

    @property
    def about(self) -> str | None:
        if self.kind not in SCHEMAS:
            return None
        return self.predicate[_OWN_ID[self.kind]] if self.kind in _OWN_ID else ""


def _logged_at(body: bytes) -> datetime | None:
    try:
        return logged_at(body)
    except ValueError:  # such as a month 13
        return None


def _is_intact(leaf: LogLeaf) -> bool:
    return leaf_hash(leaf.payload_type, leaf.statement) == leaf.leaf_hash


def _is_text(about: str) -> bool:
    """Whether a store can have it at all: arguments of commands may hold lone surrogates."""
    try:
        about.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
