"""Statements: in-toto Statements v1, serialised once; what is private is only committed to."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final

from crossmodel.domain.erasure import Erased
from crossmodel.domain.insight import Insight
from crossmodel.domain.period import as_utc
from crossmodel.domain.records import SelectionRecord, TransferRecord
from crossmodel.domain.selection import Outcome
from crossmodel.domain.transfer import Arm
from crossmodel.domain.witness import Commitment, Statement
from crossmodel.errors import WitnessError
from crossmodel.witness.schemas import KEY_ROTATION, LOGGED_AT, check, predicate_type

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
SALT_BYTES: Final = 32
MAX_STATEMENT_BYTES: Final = 1024 * 1024
"""Largest statement that is made, so that its evidence stays below what a verifier reads."""

_LOG_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)

_BEGINNING = re.compile(
    rb'\{"_type":"[^"]*","predicateType":"([^"]*)",'
    rb'"predicate":\{"logged_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"'
)
"""How our statements begin: time and kind of a million of them without parsing them."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement of which only the time is open at which the log takes it.

    ``tenant`` and ``about`` are as in :class:`~crossmodel.domain.witness.Statement`.
    """

    kind: str
    subjects: Mapping[str, Commitment]
    predicate: Mapping[str, Any]
    tenant: str = ""
    about: str = ""

    def seal(self, logged_at: datetime) -> Statement:
        """The statement, serialised once.

        Raises:
            WitnessError: if a string holds a lone surrogate, or the whole is larger than 1 MiB.
        """
        document = {
            "_type": STATEMENT_TYPE,
            "predicateType": predicate_type(self.kind),
            "predicate": {LOGGED_AT: log_time(logged_at), **self.predicate},
            "subject": [
                {"name": name, "digest": {"sha256": commitment.digest}}
                for name, commitment in self.subjects.items()
            ],
        }
        try:
            body = _encoder()(document)
        except UnicodeEncodeError:
            raise WitnessError(f"{self.kind} statement: a string holds a lone surrogate") from None
        if len(body) > MAX_STATEMENT_BYTES:
            raise WitnessError(f"{self.kind} statement: {len(body):,} bytes are too many")
        # a digest without salt hides nothing, so there is nothing to keep
        commitments = tuple(each for each in self.subjects.values() if each.salt)
        return Statement(PAYLOAD_TYPE, body, commitments, self.tenant, self.about)


def commit(value: bytes | str, *, tenant: str = "", salt: bytes = b"") -> Commitment:
    """Commit to a value of a tenant: ``SHA256(salt ‖ value)``.

    ``salt`` is 32 random bytes that nothing else has been committed with; new ones if left out.
    """
    raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    salt = salt or secrets.token_bytes(SALT_BYTES)
    return Commitment(hashlib.sha256(salt + raw).hexdigest(), salt, raw, tenant)


def pae(payload_type: str, body: bytes) -> bytes:
    """DSSE's pre-authentication encoding, so that bytes of one type never pass for another's."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


@cache
def _encoder() -> Callable[[Any], bytes]:
    """What serialises statements; an auditor, who makes none, need not have it."""
    import msgspec  # noqa: PLC0415 - as said

    return msgspec.json.Encoder().encode


def selection_statement(
    request: Commitment,
    record: SelectionRecord,
    *,
    rejected: Mapping[str, str],
    inputs: str | None = None,
    trace_id: str | None = None,
) -> Draft:
    """That a model was chosen for a request, over which others, and which were refused."""
    predicate = {
        "time": _rfc3339(record.selected_at),
        "request_id": record.request_id,
        "model": record.model_id,
        "score": record.suitability_score,
        "alternatives": list(record.alternatives),
        "rejected": dict(rejected),
        "requirement": dict(record.requirement),
        "inputs": inputs,
        "trace_id": trace_id,
    }
    return build(
        "selection",
        {"request": request},
        predicate,
        tenant=record.tenant,
        about=record.request_id,
    )


def transfer_statement(
    request: Commitment,
    context: Commitment,
    record: TransferRecord,
    *,
    trace_id: str | None = None,
) -> Draft:
    """That insights were handed to a model, in exactly this context."""
    predicate = {
        "time": _rfc3339(record.transferred_at),
        "request_id": record.request_id,
        "target_model": record.target_model,
        "protocol": record.protocol,
        "insights": list(record.insight_ids) if record.arm == Arm.INSIGHTS else [],
        "quality_score": record.quality_score,
        "tokens": record.tokens,
        "success": record.success,
        "arm": str(record.arm),
        "trace_id": trace_id,
    }
    return build(
        "transfer",
        {"request": request, "context": context},
        predicate,
        tenant=record.tenant,
        about=record.request_id,
    )


def outcome_statement(
    outcome: Outcome,
    *,
    tenant: str = "",
    request: Commitment | None = None,
    answer: Commitment | None = None,
    trace_id: str | None = None,
) -> Draft:
    """How a request turned out: the answer that was given, or what somebody thought of it."""
    predicate = {
        "time": _rfc3339(outcome.recorded_at),
        "request_id": outcome.request_id,
        "model": outcome.model_id,
        "success": outcome.success,
        "score": outcome.score,
        "latency_ms": outcome.latency_ms,
        "cost_usd": outcome.cost_usd,
        "source": outcome.source,
        "served_model": outcome.served_model,
        "trace_id": trace_id,
    }
    # feedback has no text of its own: what it is about is known by the request's id
    subjects = {"request": request or commit(outcome.request_id), "answer": answer}
    return build(
        "outcome",
        {name: known for name, known in subjects.items() if known is not None},
        predicate,
        tenant=tenant,
        about=outcome.request_id,
    )


def insight_statement(
    insight: Insight,
    source: Commitment,
    *,
    tenant: str = "",
    source_request: str | None = None,
    reliability: Mapping[str, float] | None = None,
) -> Draft:
    """That an insight was found in a source, and where. ``source`` commits to the source's hash.

    ``source_request`` is the request whose answer the source is; ``reliability`` is how far the
    source model's confidence was to be believed by then.
    """
    predicate = {
        "time": _rfc3339(insight.extraction_timestamp),
        "insight_id": insight.id,
        "type": str(insight.insight_type),
        "kind": str(insight.kind),
        "source_model": insight.source_model,
        "source_request": source_request,
        "confidence": insight.confidence_score,
        "reliability": None if reliability is None else dict(reliability),
        "validation_status": str(insight.validation_status),
        "evidence": [{"start": e.start, "end": e.end} for e in insight.evidence],
        "links": list(insight.links),
    }
    return build(
        "insight",
        {"insight": commit(insight.content), "source": source},
        predicate,
        tenant=tenant,
        about=insight.id,
    )


def erasure_statement(
    erased: Erased, reason: Commitment, moment: datetime, *, tenant: str = ""
) -> Draft:
    """That insights or hidden values were erased, and how much; nothing of what they said.

    The reason is only committed to: what a person writes there may be personal too.
    """
    predicate = {
        "time": _rfc3339(moment),
        "insights": list(erased.insight_ids),
        "records": [list(each) for each in erased.records],
        "counts": dict(erased.counts),
    }
    # what the subjects of the insights' own statements commit to is gone: the ids stand for them
    ids = commit("\n".join(erased.insight_ids))
    return build("erasure", {"insights": ids, "reason": reason}, predicate, tenant=tenant)


def rotation_statement(
    from_size: int,
    old: Sequence[Mapping[str, str]],
    new: Sequence[Mapping[str, str]],
    moment: datetime,
) -> Draft:
    """That other keys sign the log from a tree of ``from_size`` records on.

    It is that tree's last record. Rows of ``old`` and ``new`` are as
    :meth:`crossmodel.witness.keys.pairs.PublicKey.to_row` gives them.
    """
    predicate = {
        "time": _rfc3339(moment),
        "from_size": from_size,
        "old": [dict(row) for row in old],
        "new": [dict(row) for row in new],
    }
    subjects = {row["algorithm"]: Commitment(row["key_id"], b"", b"") for row in new}
    return build(KEY_ROTATION, subjects, predicate, about=KEY_ROTATION)


def build(
    kind: str,
    subjects: Mapping[str, Commitment],
    predicate: Mapping[str, Any],
    *,
    tenant: str = "",
    about: str = "",
) -> Draft:
    """A statement of a kind, but for the time at which the log takes it.

    Raises:
        WitnessError: if there is no subject, or the predicate is not exactly what the kind's
            schema says.
    """
    if not subjects:
        raise WitnessError(f"{kind} statement: it needs a subject")
    check(kind, predicate)
    owned = {
        name: value if value.tenant == tenant else replace(value, tenant=tenant)
        for name, value in subjects.items()
    }
    return Draft(kind, owned, predicate, tenant, about)


@lru_cache(maxsize=16)  # all records of a transaction have the same
def log_time(moment: datetime) -> str:
    """A moment as the log writes it: RFC 3339 in UTC, six decimals, so that text sorts by time."""
    return as_utc(moment).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def is_log_time(text: str) -> bool:
    """Whether a text is a time as :func:`log_time` writes it."""
    return _LOG_TIME.fullmatch(text) is not None


def logged_at(body: bytes) -> datetime | None:
    """When the log took a statement, or ``None`` where its bytes do not begin as ours do."""
    found = _BEGINNING.match(body)
    return None if found is None else datetime.fromisoformat(found[2].decode())


def predicate_type_of(body: bytes) -> str | None:
    """The predicate type of a statement, or ``None`` where its bytes do not begin as ours do."""
    found = _BEGINNING.match(body)
    return None if found is None else found[1].decode()


def subject_digests(document: Mapping[str, Any]) -> Sequence[str]:
    """The digests that a decoded statement's subjects commit to."""
    return [subject["digest"]["sha256"] for subject in document["subject"]]


def _rfc3339(moment: datetime) -> str:
    return as_utc(moment).isoformat().removesuffix("+00:00") + "Z"
