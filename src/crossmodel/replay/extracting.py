"""The extraction again: the answer as it was given, read by an extractor as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crossmodel.domain.insight import Insight, text_sha256
from crossmodel.domain.replay import Part, ReplayedPart
from crossmodel.extraction import ConfidenceCalculator, InsightExtractor
from crossmodel.inputs import RecordedInputs, class_of
from crossmodel.ports import Transaction
from crossmodel.replay.outcome import NotReplayableError, different, same
from crossmodel.replay.records import LogReader, Record, differences

COMPARED = (
    "type", "kind", "source_model", "confidence", "validation_status", "evidence", "links",
)  # fmt: skip


def extract_again(
    answer: str,
    source_model: str,
    injected: Sequence[str],
    inputs: RecordedInputs,
    present: InsightExtractor,
) -> list[Insight]:
    """The insights of an answer, by the patterns and settings that were recorded.

    ``present`` lends foreign patterns, of which only the class is recorded.

    Raises:
        NotReplayableError: if the code of one of them is not here.
    """
    settings = inputs.settings
    extractor = InsightExtractor(settings.extractor)
    try:
        if settings.calibration is None:
            raise NotReplayableError("confidence was worked out by foreign code")
        calculator = ConfidenceCalculator(settings.extractor.confidence_config)
        calculator.restore(settings.calibration)
        extractor.confidence_calculator = calculator
        known = dict(extractor.extraction_patterns)
        extractor.extraction_patterns = {}
        for name, said in settings.patterns.items():
            candidates = (known.get(name), present.extraction_patterns.get(name))
            pattern = next((p for p in candidates if p is not None and class_of(p) == said), None)
            if pattern is None:
                raise NotReplayableError(f"the pattern {name!r} was {said}, which is not here")
            extractor.register_extraction_pattern(name, pattern)
        return extractor.extract(answer, source_model, {"injected": list(injected)}).insights
    finally:
        extractor.close()


def compare_insights(
    tx: Transaction,
    reader: LogReader,
    tenant: str,
    found: Sequence[Insight],
    *,
    signed: Mapping[str, Record],
    answer: str,
    before: int,
    assistant: str | None,
) -> ReplayedPart | None:
    """Compare what is found now with the records of the insights that the answer taught.

    An insight that was known ``before`` that record, or that another one says already, was not
    witnessed again. ``None`` if there is and was nothing to find.

    Raises:
        NotReplayableError: if an ``assistant`` was asked and not all is the same without it.
        VerificationError: if a record must not be believed.
    """
    differing: list[str] = []
    compared = known = 0
    changed: set[str] = set()
    sha256 = text_sha256(answer)
    told = {
        (each.start, each.end)
        for insight in tx.insights_of_source(tenant, sha256)
        for each in insight.evidence
        if each.source_sha256 == sha256
    }
    for insight in found:
        record = signed.get(insight.id)
        if record is not None:
            compared += 1
            if said := _compared(insight, record, sha256):
                changed.add(insight.id)
                differing += said
        elif reader.insight(tenant, insight.id, before) is not None or all(
            (each.start, each.end) in told for each in insight.evidence
        ):
            known += 1
        else:
            differing.append(f"{insight.id}: it is found now, and the log does not have it")
    missing = sorted(signed.keys() - {insight.id for insight in found})
    differing += [f"{each}: the log has it, and it is not found now" for each in missing]
    if differing and assistant is not None:
        raise NotReplayableError(
            f"insights were found with the help of {assistant!r}, whose reply is not recorded; "
            f"{compared - len(changed)} of {len(signed)} come out the same without it"
        )
    if differing:
        return different(Part.EXTRACTION, differing)
    if not compared and not known:
        return None
    beside = f", and {known} that were known before" if known else ""
    return same(Part.EXTRACTION, f"{compared} insights as in their records{beside}")


def _compared(insight: Insight, record: Record, source_sha256: str) -> list[str]:
    now: dict[str, Any] = {
        "type": str(insight.insight_type),
        "kind": str(insight.kind),
        "source_model": insight.source_model,
        "confidence": insight.confidence_score,
        "validation_status": str(insight.validation_status),
        "evidence": [{"start": each.start, "end": each.end} for each in insight.evidence],
        "links": list(insight.links),
    }
    found = differences(record.predicate, now, COMPARED)
    for subject, value in (("insight", insight.content), ("source", source_sha256)):
        if record.commits_to(subject, value) is False:
            found.append(f"{subject}: it is not that of record {record.leaf}")
    return [f"{insight.id}: {each}" for each in found]
