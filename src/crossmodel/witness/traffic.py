"""What is added to the history of traffic, in the transaction that keeps what it is of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.models import TOKENS_PER_PRICE
from crossmodel.domain.records import TransferRecord
from crossmodel.domain.selection import CACHE, Outcome
from crossmodel.domain.traffic import (
    MOST_USD,
    TrafficKey,
    TrafficSums,
    bucket_of,
    minute_of,
    nano,
)
from crossmodel.domain.transfer import Arm
from crossmodel.witness.turn_record import Extracted, TurnRecord

MOST_TOKENS: Final = 1_000_000_000
MOST_MS: Final = 1_000_000_000.0
"""What is counted of one request at most: what a provider says must not overflow a sum."""


def sums_of_turns(turns: Sequence[TurnRecord]) -> dict[TrafficKey, TrafficSums]:
    """What turns add, each to the minute in which its request came."""
    sums: dict[TrafficKey, TrafficSums] = {}
    for turn in turns:
        chosen = turn.selection
        key = TrafficKey(minute_of(chosen.selected_at), chosen.tenant, chosen.model_id)
        mine = sums.get(key)
        if mine is None:
            mine = sums[key] = TrafficSums()
        _count(mine, turn)
    return sums


def sums_of_score(score: float, *, before: float | None) -> TrafficSums:
    """What a score of an answer adds, instead of the one that it had ``before``."""
    return TrafficSums(scores=int(before is None), score_nano=nano(score) - nano(before))


def sums_of_spending(tenant: str, outcome: Outcome) -> dict[TrafficKey, TrafficSums]:
    """What a call adds that nobody's request was answered by: its cost alone."""
    key = TrafficKey(minute_of(outcome.recorded_at), tenant, outcome.model_id)
    return {key: TrafficSums(cost_nano=nano(outcome.cost_usd, MOST_USD))}


def sums_of_extraction(
    tenant: str, result: ExtractionResult, moment: datetime
) -> dict[TrafficKey, TrafficSums]:
    """What an extraction adds, from a text that was answered elsewhere."""
    sums = TrafficSums()
    _count_extraction(sums, Extracted.of(result))
    return {TrafficKey(minute_of(moment), tenant, result.source_model): sums}


def _count(sums: TrafficSums, turn: TurnRecord) -> None:
    outcome = turn.outcome
    cost = nano(outcome.cost_usd, MOST_USD)
    sums.requests += 1
    sums.cost_nano += cost
    sums.selection_us += _microseconds(turn.selection.latency_ms)
    sums.suitability_nano += nano(turn.selection.suitability_score)
    if not outcome.success:
        sums.errors += 1
    if turn.is_stream:
        sums.streams += 1
    if outcome.source == CACHE:
        sums.cached += 1
    elif outcome.latency_ms is not None:
        sums.latencies[bucket_of(outcome.latency_ms)] += 1
    if turn.input_tokens is None or turn.output_tokens is None:
        sums.uncounted += 1
        sums.baseline_nano += cost
    else:
        read, written = _tokens(turn.input_tokens), _tokens(turn.output_tokens)
        sums.input_tokens += read
        sums.output_tokens += written
        if turn.dearest is None:
            sums.baseline_nano += cost
        else:
            handed = 0 if turn.transfer is None else _tokens(turn.transfer.tokens)
            usd = max(read - handed, 0) * turn.dearest[0] + written * turn.dearest[1]
            sums.baseline_nano += nano(usd / TOKENS_PER_PRICE, MOST_USD)
    if turn.transfer is not None:
        _count_transfer(sums, turn.transfer)
    if turn.extraction is not None:
        _count_extraction(sums, turn.extraction)


def _count_transfer(sums: TrafficSums, transfer: TransferRecord) -> None:
    if transfer.arm in {Arm.HOLDOUT, Arm.PADDING}:
        sums.withheld += 1
        return
    sums.transfers += 1
    if transfer.success:
        sums.transferred += 1
        sums.handed_over += len(transfer.insight_ids)
        sums.handed_tokens += _tokens(transfer.tokens)
        sums.quality_nano += nano(transfer.quality_score)


def _count_extraction(sums: TrafficSums, extracted: Extracted) -> None:
    sums.extractions += 1
    sums.insights += extracted.insights
    sums.confidence_nano += nano(extracted.confidence, float(extracted.insights))
    sums.extraction_us += _microseconds(extracted.latency_ms)


def _tokens(counted: int) -> int:
    return min(max(counted, 0), MOST_TOKENS)


def _microseconds(ms: float) -> int:
    return 0 if math.isnan(ms) else round(min(max(ms, 0.0), MOST_MS) * 1000)
