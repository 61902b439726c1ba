"""What requests came to, as sums: whole numbers, so that adding them in any order loses nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from operator import add
from typing import Final, NamedTuple

from crossmodel.domain.models import ModelSpec
from crossmodel.domain.period import TimePeriod

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ONE_MINUTE: Final = timedelta(minutes=1)
MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
SPANS: Final = (MINUTE, HOUR, DAY)
"""How long the stretches are that sums are kept for, in seconds; each holds whole ones before."""

NANO: Final = 1_000_000_000
"""Money and shares are counted in billionths: 1e-9 USD is what a token costs at 0.001 USD per
million. What is added at once, such as a batch of requests, is off by half of that at most."""

MOST_USD: Final = 10_000.0
"""What is counted of the cost of one request at most: nothing wrong may overflow a sum."""

BUCKETS_PER_DOUBLING: Final = 4
BUCKETS: Final = 80
LATENCY_BOUNDS: Final = tuple(2 ** (n / BUCKETS_PER_DOUBLING) for n in range(BUCKETS - 1))
"""Upper bounds of the latency buckets in milliseconds, 1 ms to 12 minutes, each 19 % above the one
before; the last bucket holds whatever took longer."""


def nano(value: float | None, most: float = 1.0) -> int:
    """A figure of 0..``most`` in billionths; what lies outside is brought within, NaN is 0."""
    if value is None or not value > 0.0:
        return 0
    return round(min(value, most) * NANO)


def bucket_of(latency_ms: float) -> int:
    """The bucket that a latency, in milliseconds, falls into."""
    return bisect_left(LATENCY_BOUNDS, latency_ms)


class TrafficKey(NamedTuple):
    """What sums are of.

    Attributes:
        start: when the minute began, in seconds since 1970 UTC.
        tenant: whose requests.
        model_id: the model that was asked; of extraction, the one whose texts were read.
    """

    start: int
    tenant: str
    model_id: str


def minute_of(moment: datetime) -> int:
    """When the minute of a moment began, in seconds since 1970 UTC; before that there is none."""
    return max((moment - EPOCH) // ONE_MINUTE, 0) * MINUTE


@dataclass(slots=True)
class TrafficSums:
    """Sums over some requests. Names that end in ``_nano`` are billionths, in ``_us`` microseconds.

    Attributes:
        requests: how many there were.
        errors: those without a whole answer.
        cached: those that the cache answered.
        streams: those that were answered as a stream.
        uncounted: those whose tokens nobody counted.
        input_tokens: tokens read.
        output_tokens: tokens written.
        cost_nano: what was spent, in USD.
        baseline_nano: what the dearest configured model would have cost, in USD.
        scores: how many answers were given a score.
        score_nano: the sum of their scores.
        selection_us: time that choosing took.
        suitability_nano: the sum of the suitability scores of the chosen.
        extractions: texts that insights were sought in.
        extraction_us: time that took.
        insights: how many were found.
        confidence_nano: the sum of their confidence.
        transfers: requests that insights were to be handed over for.
        transferred: those of them for which that was done.
        withheld: requests from which an experiment withheld them.
        handed_over: how many insights were handed over.
        handed_tokens: how many tokens that took.
        quality_nano: the sum of the transfers' quality scores, of those that were done.
        latencies: how many answers fell into each bucket of latency; the cache's are left out.
    """

    requests: int = 0
    errors: int = 0
    cached: int = 0
    streams: int = 0
    uncounted: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0
    baseline_nano: int = 0
    scores: int = 0
    score_nano: int = 0
    selection_us: int = 0
    suitability_nano: int = 0
    extractions: int = 0
    extraction_us: int = 0
    insights: int = 0
    confidence_nano: int = 0
    transfers: int = 0
    transferred: int = 0
    withheld: int = 0
    handed_over: int = 0
    handed_tokens: int = 0
    quality_nano: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def add(self, other: TrafficSums) -> None:
        """Add other sums to these."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latencies = list(map(add, self.latencies, other.latencies))

    @classmethod
    def of(cls, parts: Iterable[TrafficSums]) -> TrafficSums:
        """The sums of several."""
        whole = cls()
        for part in parts:
            whole.add(part)
        return whole


SUMS: Final = tuple(each.name for each in fields(TrafficSums) if each.name != "latencies")
"""Names of the sums that are single numbers."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a history holds of a period.

    Attributes:
        period: what it covers: the period that was asked for, widened to the stretches that sums
            are kept for. ``end`` is the first moment after it.
        seconds: how long the steps are that ``steps`` is divided into.
        steps: the sums by when their step began, in seconds since 1970, and by model.
    """

    period: TimePeriod
    seconds: int
    steps: Mapping[tuple[int, str], TrafficSums]


class Prices(NamedTuple):
    """What a model takes, in USD per million tokens read and written."""

    input_price: float
    output_price: float


def dearest_prices(models: Iterable[ModelSpec]) -> Prices | None:
    """The prices of the dearest of the models, by the blend that selection compares them by.

    ``None`` if there is no model.
    """
    dearest = max(models, key=lambda model: model.blended_price_per_token, default=None)
    return None if dearest is None else Prices(dearest.input_price, dearest.output_price)
