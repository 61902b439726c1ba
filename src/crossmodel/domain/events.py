"""What hooks are told: one frozen record for each thing that happened.

None of them holds what anybody wrote: neither prompts nor answers nor insights. Times are in UTC,
durations in milliseconds, money in USD, scores and confidences within 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from crossmodel.domain.answer import Turn
from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.period import as_utc, utc_now
from crossmodel.domain.selection import ModelSelection
from crossmodel.domain.transfer import TransferResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionEvent:
    """A model was selected, or none could be.

    Attributes:
        tenant: for whom.
        model_id: what was chosen; empty if nothing was.
        latency_ms: how long choosing took.
        suitability_score: the model's score for the task, 0..1.
        task_complexity: of the task, 0..1.
        alternatives: how many other models would have done.
        algorithm: how it was chosen, as ``selection_metadata`` has it.
        error: why nothing was chosen: the name of the error's class; empty if all is well.
        request_id: the request that it was for, if it was for one.
        at: when it was done.
    """

    tenant: str
    model_id: str
    latency_ms: float = 0.0
    suitability_score: float = 0.0
    task_complexity: float = 0.0
    alternatives: int = 0
    algorithm: str = ""
    error: str = ""
    request_id: str | None = None
    at: datetime = field(default_factory=utc_now)

    @classmethod
    def of(
        cls,
        selection: ModelSelection,
        tenant: str,
        request_id: str | None = None,
        at: datetime | None = None,
    ) -> SelectionEvent:
        """What there is to tell of a selection; ``at`` where it was done before, and kept."""
        return cls(
            tenant=tenant,
            model_id=selection.model_id,
            latency_ms=selection.selection_latency_ms,
            suitability_score=selection.suitability_score,
            task_complexity=selection.task_requirement.complexity,
            alternatives=len(selection.alternative_models),
            algorithm=str(selection.selection_metadata.get("selection_algorithm", "")),
            request_id=request_id,
            at=at or as_utc(selection.selection_timestamp),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionEvent:
    """An answer was read for insights.

    Attributes:
        tenant: whose insights they are.
        source_model: whose answer it was.
        latency_ms: how long reading it took.
        insights: how many were found.
        rejected: how many were refused.
        failed_patterns: how many patterns failed.
        average_confidence: mean confidence of those found, 0 if there are none.
        cost_usd: what the model cost that assisted, if one did.
        request_id: the request that was answered, if it is on our record.
        at: when it was done.
    """

    tenant: str
    source_model: str
    latency_ms: float = 0.0
    insights: int = 0
    rejected: int = 0
    failed_patterns: int = 0
    average_confidence: float = 0.0
    cost_usd: float = 0.0
    request_id: str | None = None
    at: datetime = field(default_factory=utc_now)

    @classmethod
    def of(
        cls,
        result: ExtractionResult,
        tenant: str,
        request_id: str | None = None,
        at: datetime | None = None,
    ) -> ExtractionEvent:
        """What there is to tell of an extraction."""
        return cls(
            tenant=tenant,
            source_model=result.source_model,
            latency_ms=result.latency_ms,
            insights=len(result.insights),
            rejected=sum(result.rejected.values()),
            failed_patterns=len(result.errors),
            average_confidence=result.average_confidence,
            cost_usd=result.cost_usd,
            request_id=request_id,
            at=at or utc_now(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEvent:
    """Insights were handed to a model, or withheld from it.

    Attributes:
        tenant: whose request it was.
        target_model: who got them.
        success: whether anything was handed over.
        latency_ms: how long preparing it took.
        insights: how many were handed over.
        rejected: how many were not.
        quality_score: of what was handed over, 0..1.
        tokens: how many of the model's tokens they take, at most.
        arm: what the request got of the running experiment; see ``Arm``.
        protocol: the form in which they were written.
        request_id: the request that it was for, if it was for one.
        at: when it was done.
    """

    tenant: str
    target_model: str
    success: bool
    latency_ms: float = 0.0
    insights: int = 0
    rejected: int = 0
    quality_score: float = 0.0
    tokens: int = 0
    arm: str = ""
    protocol: str = ""
    request_id: str | None = None
    at: datetime = field(default_factory=utc_now)

    @classmethod
    def of(
        cls,
        result: TransferResult,
        tenant: str,
        target_model: str,
        request_id: str | None = None,
        at: datetime | None = None,
    ) -> TransferEvent:
        """What there is to tell of a transfer."""
        return cls(
            tenant=tenant,
            target_model=target_model,
            success=result.success,
            latency_ms=result.latency_ms,
            insights=len(result.transferred_insights),
            rejected=len(result.rejected),
            quality_score=result.transfer_quality_score,
            tokens=result.tokens,
            arm=str(result.arm),
            protocol=result.protocol,
            request_id=request_id,
            at=at or utc_now(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessEvent:
    """Something is on the record.

    Attributes:
        tenant: whose it is.
        about: the request or source text that it is about.
        records: how many records the log has got; 0 where a writer process puts them there later.
        latency_ms: how long it took until they were durable.
        at: when it was done.
    """

    tenant: str
    about: str
    records: int = 0
    latency_ms: float = 0.0
    at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent:
    """A request is over. What happened on its way comes with it.

    Attributes:
        request_id: what feedback, traces and proofs refer to.
        tenant: whose it was.
        model_id: who was asked last.
        provider: the id of the row of the provider that runs the model.
        operation: ``gen_ai.operation.name``: ``chat``, ``text_completion`` or ``embeddings``.
        started_at: when the request was whole.
        latency_ms: from there to the end of the answer.
        error: what went wrong: an HTTP status, or the name of an error's class; empty if nothing.
        served_model: who answered, as the provider says; empty if it does not.
        input_tokens: as the provider counted them; ``None`` if it did not say.
        output_tokens: likewise.
        cost_usd: what the call is charged with.
        first_byte_ms: from the whole request to the first byte of the answer, where that is known.
        route: the path that was asked for; empty in the library.
        status: the HTTP status that the client got; 0 in the library.
        is_stream: whether the answer was a stream of events.
        is_cached: whether the answer came from the cache, so that no model was asked.
        trace_id: the caller's trace, 32 hex digits (W3C Trace Context).
        parent_id: the caller's span in it, 16 hex digits.
        selection: why this model.
        transfer: which insights were put into the request, or withheld.
        extraction: what was learned from the answer before it was given.
    """

    request_id: str
    tenant: str
    model_id: str
    provider: str
    started_at: datetime
    latency_ms: float
    operation: str = "chat"
    error: str = ""
    served_model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float = 0.0
    first_byte_ms: float | None = None
    route: str = ""
    status: int = 0
    is_stream: bool = False
    is_cached: bool = False
    trace_id: str | None = None
    parent_id: str | None = None
    selection: SelectionEvent | None = None
    transfer: TransferEvent | None = None
    extraction: ExtractionEvent | None = None

    @classmethod
    def of(
        cls, turn: Turn, started_at: datetime, *, error: BaseException | None = None
    ) -> RequestEvent:
        """What there is to tell of a turn of the loop that is over, or has failed."""
        ask, completion = turn.ask, turn.completion
        usage = completion.usage if completion else None
        transfer = extraction = None
        if turn.transfer is not None:
            transfer = TransferEvent.of(
                turn.transfer, ask.tenant, turn.model.id, turn.id, turn.handed_over_at
            )
        if turn.extraction is not None:
            extraction = ExtractionEvent.of(turn.extraction, ask.tenant, turn.id)
        return cls(
            request_id=turn.id,
            tenant=ask.tenant,
            model_id=turn.model.id,
            provider=turn.model.provider,
            started_at=started_at,
            latency_ms=(utc_now() - started_at).total_seconds() * 1000,
            error=type(error).__name__ if error is not None else "",
            served_model=completion.model if completion else "",
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            cost_usd=turn.cost_usd,
            trace_id=ask.trace_id,
            selection=SelectionEvent.of(turn.selection, ask.tenant, turn.id),
            transfer=transfer,
            extraction=extraction,
        )


Event = SelectionEvent | ExtractionEvent | TransferEvent | WitnessEvent | RequestEvent
"""Whatever a hook may be told."""
