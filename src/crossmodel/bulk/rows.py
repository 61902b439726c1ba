"""Insights as the rows that are written down, and what a row was made from."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

import crossmodel
from crossmodel.domain.completion import Usage
from crossmodel.domain.insight import ExtractionResult, Insight

if TYPE_CHECKING:
    from crossmodel.extraction.bulk import Extracted, ExtractionJob
    from crossmodel.extraction.logs import LoggedAnswer


def made_by(job: ExtractionJob) -> str:
    """What rows depend on beside their answer: our version, the settings and the calibration."""
    return f"{crossmodel.__version__}\x1f{job.config!r}\x1f{job.calibration!r}"


def digest_of(answer: LoggedAnswer, made: str) -> str:
    """What a row is known again by: an answer, and what :func:`made_by` says."""
    told = f"{answer.id}\x1f{answer.source_model}\x1f{answer.output}\x1f{made}"
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def encoded(found: Extracted) -> bytes:
    """The row of an answer, without a line's end."""
    return msgspec.json.encode(found_row(found))


def found_row(found: Extracted) -> dict[str, Any]:
    """The row of an answer, or of why there is none."""
    if found.result is None:
        return {"id": found.answer.id, "insights": [], "error": found.error}
    return result_row(found.answer.id, found.result)


def result_row(row_id: str, result: ExtractionResult) -> dict[str, Any]:
    """The insights of an answer; what else there is to say only where there is something."""
    row: dict[str, Any] = {
        "id": row_id,
        "insights": [insight_dict(insight) for insight in result.insights],
    }
    if result.errors:
        row["errors"] = dict(result.errors)
    if "model_assisted" in result.errors or result.usage != Usage():
        row |= {
            "rejected": dict(result.rejected),
            "usage": asdict(result.usage),
            "cost_usd": result.cost_usd,
        }
    return row


def insight_dict(insight: Insight) -> dict[str, Any]:
    """Plain values, for JSON and tables."""
    return {
        "id": insight.id,
        "type": str(insight.insight_type),
        "kind": str(insight.kind),
        "content": insight.content,
        "scope": insight.scope,
        "confidence": round(insight.confidence_score, 4),
        "source_model": insight.source_model,
        "validation_status": str(insight.validation_status),
        "trust": round(insight.trust, 4),
        "standing": str(insight.standing),
        "standing_reason": insight.standing_reason,
        "evidence": [{"start": e.start, "end": e.end} for e in insight.evidence],
        "links": list(insight.links),
    }
