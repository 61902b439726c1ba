"""One row per answer: what was found in it and what was judged, for a person to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from crossmodel.domain.insight import Insight
from crossmodel.evaluation.extraction.judge import Judgement


def items(found: Judgement) -> Iterator[dict[str, Any]]:
    """Plain values, for JSON. Unlike the figures these hold texts of the answers."""
    faults = _faults(found)
    for each, judged in zip(found.extracted, found.answers.judged, strict=True):
        row = each.row
        yield {
            "id": row.id,
            "domain": row.domain,
            "source_model": row.source_model,
            "task": row.task,
            "check": row.check,
            "correct": row.correct,
            "reference": row.reference,
            "verdict": str(judged.verdict),
            "extracted": list(judged.extracted),
            "extracted_is_right": judged.is_right,
            "stated": judged.stated,
            "faults": faults.get(row.id, []),
            "insights": [_insight(insight) for insight in each.insights],
            "rejected": dict(each.result.rejected),
            "errors": dict(each.result.errors),
        }


def _faults(found: Judgement) -> dict[str, list[str]]:
    """What went wrong, by id of row."""
    faults: dict[str, list[str]] = defaultdict(list)
    for insight in found.grounding.ungrounded:
        faults[insight.row_id].append(f"ungrounded {insight.kind}: {insight.reason}")
    code, formulas = found.code, found.formulas
    for name, ids in (
        *((f"false grounding: {each.what}", each.accepted_ids) for each in found.false_grounding),
        ("fenced block is no segment", code.segments.missed_ids),
        ("fenced block is no insight", code.insights.missed_ids),
        ("bare program is no insight", code.bare.missed_ids),
        ("parse status of code is wrong", code.disagreeing_ids),
        ("display formula is no segment", formulas.display_segments.missed_ids),
        ("display formula is in no insight", formulas.display_symbolic.missed_ids),
        ("inline formula is in no insight", formulas.inline_symbolic.missed_ids),
        *((f"duplicate not merged: {e.what} edit", e.wrong_ids) for e in found.duplicates.edits),
        *((f"false merge: {e.what} changed", e.wrong_ids) for e in found.duplicates.flips),
    ):
        for row_id in ids:
            faults[row_id].append(name)
    return faults


def _insight(insight: Insight) -> dict[str, Any]:
    return {
        "id": insight.id,
        "type": str(insight.insight_type),
        "kind": str(insight.kind),
        "content": insight.content,
        "confidence": insight.confidence_score,
        "evidence": [{"start": each.start, "end": each.end} for each in insight.evidence],
    }
