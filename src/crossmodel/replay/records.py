"""The signed records of one request, each checked before anything is compared with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crossmodel.domain.selection import CACHE
from crossmodel.domain.witness import Commitment, LogLeaf
from crossmodel.errors import VerificationError, WitnessError
from crossmodel.ports import Transaction
from crossmodel.witness import CrossModelVIF
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.log import leaf_hash
from crossmodel.witness.schemas import predicate_type
from crossmodel.witness.statement import SALT_BYTES

LOOKAHEAD: Final = 4096
"""Records after that of an answer among which the insights are that it taught."""

KINDS: Final = ("selection", "transfer", "outcome", "insight")
ANSWERED: Final = ("engine", CACHE)
"""Sources of outcomes that are answers, and not what somebody thinks of them."""

_KIND_OF: Final = {predicate_type(kind): kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Record:
    """A statement that the signed log holds. ``hidden`` has those values that are still there."""

    leaf: int
    kind: str
    predicate: Mapping[str, Any]
    digests: Mapping[str, str]
    hidden: Mapping[str, Commitment] = field(repr=False)

    def value(self, subject: str) -> bytes | None:
        """The hidden value of a subject; ``None`` if it has been erased."""
        found = self.hidden.get(self.digests.get(subject, ""))
        return None if found is None else found.value

    def commits_to(self, subject: str, value: bytes | str) -> bool | None:
        """Whether it was this value; ``None`` if the salt that would tell has been erased."""
        found = self.hidden.get(self.digests.get(subject, ""))
        if found is None:
            return None
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return hashlib.sha256(found.salt + raw).hexdigest() == found.digest


@dataclass(slots=True)
class Records:
    """What the log holds about a request; ``refused`` says why records are not believed, by kind.

    A record of which not even the kind can be read is refused under the empty name.
    """

    selection: Record | None = None
    transfer: Record | None = None
    outcome: Record | None = None
    insights: dict[str, Record] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found at all."""
        return not (self.selection or self.transfer or self.outcome or self.refused)

    def take(self, record: Record, request_id: str) -> None:
        """Put a record in its place.

        Raises:
            VerificationError: if it is about another request.
        """
        predicate = record.predicate
        if record.kind == "insight":
            if predicate["source_request"] == request_id:
                self.insights[predicate["insight_id"]] = record
            return
        if record.kind and predicate["request_id"] != request_id:
            raise VerificationError(f"record {record.leaf} is about another request")
        if record.kind == "selection" and self.selection is None:
            self.selection = record
        elif record.kind == "transfer" and self.transfer is None:
            self.transfer = record
        elif record.kind == "outcome" and predicate["source"] in ANSWERED and not self.outcome:
            self.outcome = record

    def refuse(self, error: VerificationError, leaf: LogLeaf) -> None:
        """Note a record that must not be believed."""
        self.refused.setdefault(_kind(leaf.statement), []).append(f"refused: {error}")


class LogReader:
    """Reads records, and believes those that the signed log holds."""

    def __init__(self, tx: Transaction, vif: CrossModelVIF) -> None:
        self._tx = tx
        self._vif = vif

    def about(self, tenant: str, request_id: str) -> Records:
        """The records of a request, and those of the insights that its answer taught."""
        found = Records()
        self._read(self._tx.leaves_about(tenant, request_id), request_id, found)
        if found.outcome is not None:
            self._read(self._taught(tenant, request_id, found.outcome.leaf), request_id, found)
        return found

    def insight(self, tenant: str, insight_id: str, before: int | None = None) -> Record | None:
        """The first record of an insight, of those ``before`` a leaf if one is named.

        Raises:
            VerificationError: if it must not be believed.
        """
        for leaf in self._tx.leaves_about(tenant, insight_id):
            if before is not None and leaf.index >= before:
                break
            record = self.read(leaf)
            if record.kind == "insight" and record.predicate["insight_id"] == insight_id:
                return record
        return None

    def read(self, leaf: LogLeaf) -> Record:
        """A leaf's statement.

        Raises:
            VerificationError: if its bytes are not those of its leaf, or not in the signed log, or
                a hidden value is not the one that it commits to.
        """
        if leaf_hash(leaf.payload_type, leaf.statement) != leaf.leaf_hash:
            raise VerificationError(f"record {leaf.index}: its bytes are not those of its leaf")
        try:
            report = self._vif.verify_witness(self._vif.generate_witness(leaf.index, self._tx))
        except WitnessError as error:
            raise VerificationError(f"record {leaf.index}: {error}") from error
        if not report.is_valid:
            failed = next((step for step in report.steps if not step.passed), None)
            said = f"{failed.name}: {failed.detail}" if failed else report.verdict
            raise VerificationError(f"record {leaf.index}: {said}")
        document = parse_statement(leaf.statement)
        digests = {each["name"]: each["digest"]["sha256"] for each in document["subject"]}
        hidden = self._tx.get_commitments(leaf.index, list(digests.values()))
        for digest, each in hidden.items():
            is_whole = len(each.salt) == SALT_BYTES
            if not is_whole or hashlib.sha256(each.salt + each.value).hexdigest() != digest:
                raise VerificationError(
                    f"record {leaf.index}: a hidden value is not the one that it commits to"
                )
        kind = _KIND_OF.get(document["predicateType"], "")
        return Record(leaf.index, kind, document["predicate"], digests, hidden)

    def _read(self, leaves: Iterable[LogLeaf], request_id: str, found: Records) -> None:
        for leaf in leaves:
            try:
                found.take(self.read(leaf), request_id)
            except VerificationError as error:
                found.refuse(error, leaf)

    def _taught(self, tenant: str, request_id: str, after: int) -> Iterator[LogLeaf]:
        named = f'"source_request":"{request_id}"'.encode()
        for leaf in self._tx.leaves(after + 1, after + 1 + LOOKAHEAD):
            if leaf.tenant == tenant and named in leaf.statement:
                yield leaf


def differences(
    expected: Mapping[str, Any], found: Mapping[str, Any], names: Sequence[str]
) -> list[str]:
    """What of a signed predicate comes out otherwise now."""
    return [
        f"{name}: the log says {_short(expected.get(name))}, now it is {_short(found.get(name))}"
        for name in names
        if expected.get(name) != found.get(name)
    ]


def _short(value: object, limit: int = 160) -> str:
    said = repr(value)
    return said if len(said) <= limit else f"{said[: limit - 1]}…"


def _kind(body: bytes) -> str:
    return next((kind for uri, kind in _KIND_OF.items() if uri.encode() in body), "")
