"""What is added to the history of traffic, in the transaction that keeps what it is of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.models import TOKENS_PER_PRICE
from crossmodel.domain.records import TransferRecord
from crossmodel.domain.selection import CACHE, Outcome
from crossmodel.domain.traffic import (
    MOST_USD,
    NANO,
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
    groups: dict[tuple[str, str], list[TurnRecord]] = {}
    for turn in turns:
        chosen = turn.selection
        groups.setdefault((chosen.tenant, chosen.model_id), []).append(turn)
    return {
        TrafficKey(start, tenant, model_id): _sums(minute)
        for (tenant, model_id), group in groups.items()
        for start, minute in _by_minute(group)
    }


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


def _by_minute(turns: list[TurnRecord]) -> Iterator[tuple[int, list[TurnRecord]]]:
    """The turns by the minute in which their request came, which is nearly always the same."""
    moments = [turn.selection.selected_at for turn in turns]
    first = minute_of(min(moments))
    if first == minute_of(max(moments)):
        yield first, turns
        return
    minutes: dict[int, list[TurnRecord]] = {}
    for moment, turn in zip(moments, turns, strict=True):
        minutes.setdefault(minute_of(moment), []).append(turn)
    yield from minutes.items()


def _sums(turns: Sequence[TurnRecord]) -> TrafficSums:
    """What turns of one minute, tenant and model add.

    Figure by figure instead of turn by turn: the writer has some microseconds for each.
    """
    outcomes = [turn.outcome for turn in turns]
    chosen = [turn.selection for turn in turns]
    sums = TrafficSums(
        requests=len(turns),
        errors=len(turns) - sum([bool(outcome.success) for outcome in outcomes]),
        cached=sum([outcome.source == CACHE for outcome in outcomes]),
        streams=sum([bool(turn.is_stream) for turn in turns]),
        cost_nano=_total([outcome.cost_usd for outcome in outcomes], MOST_USD, NANO),
        selection_us=_total([each.latency_ms for each in chosen], MOST_MS, 1000),
        suitability_nano=_total([each.suitability_score for each in chosen], 1.0, NANO),
    )
    for outcome in outcomes:
        if outcome.latency_ms is not None and outcome.source != CACHE:
            sums.latencies[bucket_of(outcome.latency_ms)] += 1
    _count_tokens(sums, turns)
    for turn in turns:
        if turn.transfer is not None:
            _count_transfer(sums, turn.transfer)
        if turn.extraction is not None:
            _count_extraction(sums, turn.extraction)
    return sums


def _count_tokens(sums: TrafficSums, turns: Sequence[TurnRecord]) -> None:
    """Count tokens, and what they would have cost; of uncounted ones, what they did cost.

    What the cache answered counts none: that is no merit of selection's.
    """
    baseline = 0.0
    for turn in turns:
        read, written = turn.input_tokens, turn.output_tokens
        usd = turn.outcome.cost_usd or 0.0
        if read is None or written is None or turn.outcome.source == CACHE:
            sums.uncounted += 1
        else:
            read, written = _tokens(read), _tokens(written)
            sums.input_tokens += read
            sums.output_tokens += written
            if turn.dearest is not None:
                handed = 0 if turn.transfer is None else _tokens(turn.transfer.tokens)
                input_price, output_price = turn.dearest
                usd = max(read - handed, 0) * input_price + written * output_price
                usd /= TOKENS_PER_PRICE
        if 0.0 < usd <= MOST_USD:
            baseline += usd
    sums.baseline_nano = round(baseline * NANO)


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
    sums.extraction_us += _total([extracted.latency_ms], MOST_MS, 1000)


def _tokens(counted: int) -> int:
    return min(max(counted, 0), MOST_TOKENS)


def _total(figures: Iterable[float | None], most: float, unit: int) -> int:
    """The sum of figures in whole parts of a unit; without those that cannot be, such as NaN."""
    return round(math.fsum([each for each in figures if each and 0.0 < each <= most]) * unit)
