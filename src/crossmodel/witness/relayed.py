"""A turn that was relayed as bytes, as whoever relayed it hands it over.

Whoever relays has microseconds for a record. So this is what is known then, as it is known; what
takes longer, above all reading the answer's text out of its body or stream, is left to the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from crossmodel.domain.records import SelectionRecord, TransferRecord
from crossmodel.domain.selection import CACHE, Outcome
from crossmodel.domain.traffic import Prices
from crossmodel.text.payloads import as_text
from crossmodel.wire.answers import answer_text
from crossmodel.wire.dialect import Dialect
from crossmodel.witness.turn_record import TurnRecord


class RelayedTurn(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One relayed request and its answer.

    Attributes:
        request_id: the request.
        tenant: whose it was.
        model_id: who was asked.
        score: the selection's suitability score.
        alternatives: who else could have been.
        requirement: what the task asked for, without constraints that it did not have.
        selection_ms: how long selecting took.
        propensity: the probability that the model had of being chosen.
        rejected: why other models were not chosen, by their id.
        inputs: SHA-256 of what the selection can be made again from.
        snapshots: bodies of it that may not be kept yet, by their SHA-256.
        started_at: when the request was whole, UTC.
        latency_ms: from there to the end of the answer.
        request: the body as the client sent it: hidden in the log, byte for byte.
        body: the answer's body, or its stream.
        dialect: what the answer is in; ``None`` if it says nothing, as embeddings do.
        is_stream: whether ``body`` is a stream of events.
        is_whole: whether it came to its proper end, and was no error.
        is_cached: whether no model was asked for it.
        cost_usd: what the call cost.
        served_model: who answered, as the provider says.
        price_version: the prices that the cost was reckoned with.
        transfer: which insights were put into the request, or withheld.
        context: the text that was put into it.
        trace_id: the caller's trace.
        key: the name of the client key that the cost is charged to.
        input_tokens: tokens read, as the provider counted them; ``None`` if it did not say.
        output_tokens: tokens written, likewise.
        dearest: the prices of the dearest configured model.
    """

    request_id: str
    tenant: str
    model_id: str
    score: float
    alternatives: list[str]
    requirement: dict[str, Any]
    selection_ms: float
    propensity: float | None
    rejected: Mapping[str, str]
    inputs: str | None
    snapshots: dict[str, bytes]
    started_at: datetime
    latency_ms: float
    request: bytes
    body: bytes
    dialect: Dialect | None
    is_stream: bool
    is_whole: bool
    is_cached: bool
    cost_usd: float
    served_model: str | None
    price_version: str | None
    transfer: TransferRecord | None
    context: str
    trace_id: str | None
    key: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    dearest: Prices | None = None

    def record(self) -> TurnRecord:
        """What is kept of it."""
        return TurnRecord(
            selection=SelectionRecord(
                request_id=self.request_id,
                tenant=self.tenant,
                model_id=self.model_id,
                suitability_score=self.score,
                alternatives=tuple(self.alternatives),
                requirement=self.requirement,
                selected_at=self.started_at,
                latency_ms=self.selection_ms,
                propensity=self.propensity,
            ),
            outcome=Outcome(
                self.request_id,
                self.model_id,
                success=self.is_whole,
                latency_ms=self.latency_ms,
                cost_usd=self.cost_usd,
                recorded_at=self.started_at + timedelta(milliseconds=self.latency_ms),
                source=CACHE if self.is_cached else "engine",
                served_model=self.served_model,
                price_version=self.price_version,
                key=self.key,
            ),
            request=self.request,
            rejected=self.rejected,
            inputs=self.inputs,
            snapshots=self.snapshots,
            transfer=self.transfer,
            context=self.context,
            answer=self._answer(),
            trace_id=self.trace_id,
            is_stream=self.is_stream,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            dearest=self.dearest,
        )

    def _answer(self) -> str | None:
        """What was said: all of it, what could be said of it, or nothing where it is an error."""
        if self.dialect is None or not (self.is_whole or self.is_stream):
            return None
        said = answer_text(self.body, self.dialect, is_stream=self.is_stream)
        if self.is_whole:  # one that cannot be read, such as one that was cut, is kept as it came
            return as_text(self.body) if said is None else said
        return said or None
