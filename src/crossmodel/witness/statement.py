"""Statements: in-toto Statements v1, serialised once; what is private is only committed to."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from crossmodel.domain.insight import Insight
from crossmodel.domain.records import SelectionRecord, TransferRecord
from crossmodel.domain.selection import Outcome
from crossmodel.domain.witness import Commitment, Statement
from crossmodel.errors import WitnessError

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_BASE: Final = "https://crossmodel.dev/predicate/"
SALT_BYTES: Final = 32

_TEXT, _NUMBER, _INTEGER = (str,), (int, float), (int,)
_OPTIONAL_NUMBER, _OPTIONAL_TEXT = (int, float, type(None)), (str, type(None))

SCHEMAS: Final[dict[str, dict[str, tuple[type, ...]]]] = {
    "selection": {
        "time": _TEXT,
        "request_id": _TEXT,
        "model": _TEXT,
        "score": _NUMBER,
        "alternatives": (list,),
        "rejected": (dict,),
        "requirement": (dict,),
    },
    "transfer": {
        "time": _TEXT,
        "request_id": _TEXT,
        "target_model": _TEXT,
        "protocol": _TEXT,
        "insights": (list,),
        "quality_score": _NUMBER,
        "tokens": _INTEGER,
        "success": (bool,),
    },
    "outcome": {
        "time": _TEXT,
        "request_id": _TEXT,
        "model": _TEXT,
        "success": (bool,),
        "score": _OPTIONAL_NUMBER,
        "latency_ms": _OPTIONAL_NUMBER,
        "cost_usd": _OPTIONAL_NUMBER,
        "source": _TEXT,
    },
    "insight": {
        "time": _TEXT,
        "insight_id": _TEXT,
        "type": _TEXT,
        "kind": _TEXT,
        "source_model": _TEXT,
        "confidence": _NUMBER,
        "validation_status": _TEXT,
        "evidence": (list,),
        "links": (list,),
    },
}
"""Each kind's predicate: exactly these fields, of these types."""

VERSION: Final = "v1"


def commit(value: bytes | str) -> Commitment:
    """Commit to a value: ``SHA256(salt ‖ value)`` with 32 random bytes of salt."""
    raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    salt = secrets.token_bytes(SALT_BYTES)
    return Commitment(hashlib.sha256(salt + raw).hexdigest(), salt, raw)


def pae(payload_type: str, body: bytes) -> bytes:
    """DSSE's pre-authentication encoding, so that bytes of one type never pass for another's."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def predicate_type(kind: str) -> str:
    """The URI of a kind of statement, with its version."""
    return f"{PREDICATE_BASE}{kind}/{VERSION}"


def selection_statement(
    request: Commitment, record: SelectionRecord, *, rejected: Mapping[str, str]
) -> Statement:
    """That a model was chosen for a request, over which others, and which were refused."""
    predicate = {
        "time": _rfc3339(record.selected_at),
        "request_id": record.request_id,
        "model": record.model_id,
        "score": record.suitability_score,
        "alternatives": list(record.alternatives),
        "rejected": dict(rejected),
        "requirement": dict(record.requirement),
    }
    return build("selection", {"request": request}, predicate)


def transfer_statement(
    request: Commitment, context: Commitment, record: TransferRecord
) -> Statement:
    """That insights were handed to a model, in exactly this context."""
    predicate = {
        "time": _rfc3339(record.transferred_at),
        "request_id": record.request_id,
        "target_model": record.target_model,
        "protocol": record.protocol,
        "insights": list(record.insight_ids),
        "quality_score": record.quality_score,
        "tokens": record.tokens,
        "success": record.success,
    }
    return build("transfer", {"request": request, "context": context}, predicate)


def outcome_statement(
    outcome: Outcome, *, request: Commitment | None = None, answer: Commitment | None = None
) -> Statement:
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
    }
    # feedback has no text of its own: what it is about is known by the request's id
    subjects = {"request": request or commit(outcome.request_id), "answer": answer}
    return build("outcome", {k: v for k, v in subjects.items() if v is not None}, predicate)


def insight_statement(insight: Insight, source: Commitment) -> Statement:
    """That an insight was found in a source, and where. ``source`` commits to the source's hash."""
    predicate = {
        "time": _rfc3339(insight.extraction_timestamp),
        "insight_id": insight.id,
        "type": str(insight.insight_type),
        "kind": str(insight.kind),
        "source_model": insight.source_model,
        "confidence": insight.confidence_score,
        "validation_status": str(insight.validation_status),
        "evidence": [{"start": e.start, "end": e.end} for e in insight.evidence],
        "links": list(insight.links),
    }
    return build("insight", {"insight": commit(insight.content), "source": source}, predicate)


def build(kind: str, subjects: Mapping[str, Commitment], predicate: Mapping[str, Any]) -> Statement:
    """A statement of a kind, serialised once.

    Raises:
        WitnessError: if the predicate is not exactly what the kind's schema says, or holds what
            JSON cannot (a number that is not finite, a lone surrogate).
    """
    _check(kind, predicate)
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": commitment.digest}}
            for name, commitment in subjects.items()
        ],
        "predicateType": predicate_type(kind),
        "predicate": dict(predicate),
    }
    try:
        body = json.dumps(
            document, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
        ).encode()
    except (TypeError, ValueError) as error:
        raise WitnessError(f"a {kind} statement cannot hold this: {error}") from None
    return Statement(PAYLOAD_TYPE, body, tuple(subjects.values()))


def subject_digests(document: Mapping[str, Any]) -> Sequence[str]:
    """The digests that a decoded statement's subjects commit to."""
    return [subject["digest"]["sha256"] for subject in document["subject"]]


def _check(kind: str, predicate: Mapping[str, Any]) -> None:
    schema = SCHEMAS.get(kind)
    if schema is None:
        raise WitnessError(f"there is no statement {kind!r}; known are {', '.join(SCHEMAS)}")
    if set(predicate) != set(schema):
        wrong = sorted(set(predicate) ^ set(schema))
        raise WitnessError(f"a {kind} statement has other fields: {', '.join(wrong)}")
    for name, allowed in schema.items():
        value = predicate[name]
        is_bool = isinstance(value, bool)
        if is_bool != (bool in allowed) or not isinstance(value, allowed):
            raise WitnessError(f"{name} of a {kind} statement is a {type(value).__name__}")
        if isinstance(value, float) and not math.isfinite(value):
            raise WitnessError(f"{name} of a {kind} statement is not finite")


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
