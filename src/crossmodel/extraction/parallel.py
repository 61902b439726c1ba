"""A large output read by several processes: parts apart, results as if it had been read at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Final, Protocol

from crossmodel.domain.config import InsightExtractorConfig
from crossmodel.domain.insight import Evidence, Insight, InsightKind
from crossmodel.extraction.linking import relinked
from crossmodel.extraction.parts import PART, Part, split
from crossmodel.extraction.worker import Worker

LARGE: Final = 400_000
"""Characters from which on processes pay: starting one takes as long as reading some of these."""

_PARTS_PER_WORKER: Final = 3
_SECONDS_PER_PART: Final = 600.0
_SPANS: Final = ("answer_span", "input_span", "output_span")
_MARKED: Final = frozenset({"boxed", "hashes", "final answer", "rating"})


class Reader(Protocol):
    """What reads a part: an extractor, made anew in each process."""

    def extract_insights(
        self, model_output: str, source_model: str, extraction_context: Mapping[str, Any] | None
    ) -> list[Insight]:
        """The insights of a text."""
        ...


def extract_in_parts(
    text: str,
    source_sha256: str,
    source_model: str,
    context: Mapping[str, Any],
    *,
    make: Callable[[InsightExtractorConfig], Reader],
    config: InsightExtractorConfig,
    workers: int,
) -> list[Insight]:
    """The insights of the built-in patterns, with offsets into the whole of ``text``.

    ``make`` makes the extractor of a process.

    Links across a cut are lost; of several final answers the last that is marked as one counts.

    Raises:
        ExtractionError: if a process fails.
    """
    parts = list(split(text, max(PART, len(text) // (workers * _PARTS_PER_WORKER))))
    idle: SimpleQueue[Worker] = SimpleQueue()
    crew = [Worker() for _ in range(min(workers, len(parts)))]
    for each in crew:
        idle.put(each)

    def read(part: Part) -> list[Insight]:
        worker = idle.get()
        try:
            found: list[Insight] = worker.call(
                _extract,
                make,
                config,
                part.text,
                source_model,
                dict(context),
                seconds=_SECONDS_PER_PART,
            )
        finally:
            idle.put(worker)
        return _shifted(found, part, source_sha256)

    try:
        with ThreadPoolExecutor(len(crew)) as pool:
            found = list(pool.map(read, parts))
    finally:
        for each in crew:
            each.close()
    return _with_one_answer(found)


def _extract(
    make: Callable[[InsightExtractorConfig], Reader],
    config: InsightExtractorConfig,
    text: str,
    source_model: str,
    context: dict[str, Any],
) -> list[Insight]:
    return make(config).extract_insights(text, source_model, context)


def _shifted(insights: Sequence[Insight], part: Part, source_sha256: str) -> list[Insight]:
    by = part.offset - part.headings
    kept, renamed = [], {}
    for insight in insights:
        if any(each.start < part.headings for each in insight.evidence):
            continue
        insight.evidence = tuple(
            Evidence(each.start + by, each.end + by, source_sha256) for each in insight.evidence
        )
        for name in _SPANS:
            if name in insight.metadata:
                insight.metadata[name] = [each + by for each in insight.metadata[name]]
        old, insight.id = insight.id, insight.content_id()
        renamed[old] = insight.id
        kept.append(insight)
    return relinked(kept, renamed)


def _with_one_answer(found: Sequence[list[Insight]]) -> list[Insight]:
    """All insights, with the final answer that reading at once would have found."""
    answers = [
        insight
        for insights in found
        for insight in insights
        if insight.kind == InsightKind.FINAL_ANSWER
    ]
    marked = [each for each in answers if each.metadata.get("answer_sign") in _MARKED]
    in_last = [each for each in found[-1] if each.kind == InsightKind.FINAL_ANSWER]
    wanted = [*marked[-1:], *in_last][:1]
    return [
        insight
        for insights in found
        for insight in insights
        if insight.kind != InsightKind.FINAL_ANSWER or insight in wanted
    ]
