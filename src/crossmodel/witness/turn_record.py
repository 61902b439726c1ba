"""One turn of the loop as plain data, in a form that can be handed to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.records import SelectionRecord, TransferRecord
from crossmodel.domain.selection import Outcome
from crossmodel.domain.traffic import Prices


@dataclass(frozen=True, slots=True)
class Extracted:
    """What seeking insights in an answer came to, in figures.

    ``confidence`` is the sum over the insights; ``latency_ms`` is in milliseconds.
    """

    insights: int
    confidence: float
    latency_ms: float

    @classmethod
    def of(cls, result: ExtractionResult) -> Extracted:
        """The figures of an extraction."""
        said = sum(insight.confidence_score for insight in result.insights)
        return cls(len(result.insights), said, result.latency_ms)


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """What is kept of a turn, in a form that can be handed to another process.

    Attributes:
        selection: which model was chosen, for whose request.
        outcome: what came of it.
        request: what was asked: JSON of ours, or what a client sent; hidden in the log.
        rejected: why other models were not chosen, by their id.
        inputs: SHA-256 of the recorded inputs that the selection can be made again from.
        snapshots: bodies of those inputs that may not be kept yet, by their SHA-256.
        transfer: what was handed over or withheld; its ``context_digest`` is still empty.
        context: the text that was handed over: hidden in the log.
        answer: the answer: hidden in the log.
        trace_id: the caller's trace.
        is_stream: whether it was answered as a stream.
        input_tokens: tokens read, as the provider counted them; ``None`` if it did not say.
        output_tokens: tokens written, likewise.
        dearest: the prices of the dearest configured model at that time; ``None`` if not known.
        extraction: what seeking insights in the answer came to; ``None`` where none were sought.
    """

    selection: SelectionRecord
    outcome: Outcome
    request: bytes = field(repr=False)
    rejected: Mapping[str, str] = field(default_factory=dict)
    inputs: str | None = None
    snapshots: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    transfer: TransferRecord | None = None
    context: str = field(default="", repr=False)
    answer: str | None = field(default=None, repr=False)
    trace_id: str | None = None
    is_stream: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    dearest: Prices | None = None
    extraction: Extracted | None = None
