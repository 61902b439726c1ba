"""Where the figures come from that the desk does not have: small protocols, and what serves now.

The traffic is read off the latest outcomes here. Whoever keeps sums of it over time, or alerts,
implements the protocol and takes its place in :mod:`crossmodel.dashboard.serving`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from crossmodel.assembly import CrossModel
from crossmodel.dashboard.gateway import Gateway
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.period import TimePeriod
from crossmodel.domain.selection import Outcome

LOOKED_AT: Final = 10_000
"""Latest outcomes that figures are made of, where nobody keeps sums."""

ANSWERED: Final = frozenset({"engine", "cache"})
"""Sources of outcomes that are answers; the others are what somebody thought of one."""

INSTANT: Final = timedelta(microseconds=1)
BUCKETS: Final = 24
"""Points of a line over a period."""


@dataclass(frozen=True, slots=True)
class ModelTraffic:
    """What one model did: figures that nothing was measured for are ``None``.

    Latencies are in milliseconds, scores and the error rate 0..1.
    """

    requests: int = 0
    failures: int = 0
    cost_usd: float = 0.0
    score: float | None = None
    scored: int = 0
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class TrafficSummary:
    """What happened within a period.

    Attributes:
        period: from when to when; that of the outcomes that were looked at may be shorter.
        requests: how many were answered or failed.
        failures: how many failed.
        cost_usd: what they did cost.
        baseline_usd: what they would have cost with the dearest model; ``None`` if not known.
        assumption: what the baseline takes for granted, in a sentence.
        per_bucket: requests in each of equally long parts of the period.
        models: the figures of each model, by id.
        is_whole: whether all of the period was looked at.
    """

    period: TimePeriod
    requests: int = 0
    failures: int = 0
    cost_usd: float = 0.0
    baseline_usd: float | None = None
    assumption: str = ""
    per_bucket: Sequence[int] = ()
    models: Mapping[str, ModelTraffic] = field(default_factory=dict)
    is_whole: bool = True

    @property
    def error_rate(self) -> float | None:
        """Share of requests that failed, 0..1."""
        return self.failures / self.requests if self.requests else None


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody should know.

    Attributes:
        name: what was found, such as the name of a check.
        message: what is wrong, and what to do.
        since: when it was first found.
        is_over: whether it has recovered.
        ended: when it had.
        is_silenced: whether nobody is told at present.
    """

    name: str
    message: str
    since: datetime
    is_over: bool = False
    ended: datetime | None = None
    is_silenced: bool = False


class Traffic(Protocol):
    """Knows what requests there were, and what they did cost."""

    async def summary(self, tenant: str, period: TimePeriod) -> TrafficSummary:
        """What a tenant's requests of a period came to."""
        ...


class Alerts(Protocol):
    """Knows what is wrong, and what was."""

    async def alerts(self, *, limit: int = 100) -> Sequence[Alert] | None:
        """Those that are not over first, then the latest; ``None`` if nobody watches."""
        ...


class NobodyWatches:
    """No alerts, because nobody looks for anything."""

    async def alerts(self, *, limit: int = 100) -> Sequence[Alert] | None:  # noqa: ARG002 - the protocol's
        """That nobody watches."""
        return None


class LatestOutcomes:
    """The traffic as far as the latest 10,000 outcomes tell of it."""

    def __init__(self, cm: CrossModel) -> None:
        self._cm = cm

    async def summary(self, tenant: str, period: TimePeriod) -> TrafficSummary:
        """What a tenant's requests of a period came to, as far as they are among the latest."""
        found = await self._cm.latest_outcomes(limit=LOOKED_AT, tenant=tenant)
        is_whole = len(found) < LOOKED_AT or found[-1].recorded_at < period.start
        return summed(found, period, self._cm.models(), is_whole=is_whole)


@dataclass(frozen=True, slots=True)
class Sources:
    """All of them."""

    traffic: Traffic
    alerts: Alerts
    gateway: Gateway


def summed(
    outcomes: Iterable[Outcome],
    period: TimePeriod,
    models: Iterable[ModelSpec],
    *,
    is_whole: bool = True,
) -> TrafficSummary:
    """The outcomes of a period, summed up.

    The baseline takes every call's cost in the proportion of blended prices: as if the dearest
    model had read and written as many tokens. A call whose model is free or not configured any more
    tells nothing of its tokens: then there is no baseline.
    """
    inside = [each for each in outcomes if period.contains(each.recorded_at)]
    answers = [each for each in inside if each.source in ANSWERED]
    prices = {model.id: model.blended_price_per_token for model in models}
    dearest = max(prices, key=lambda name: prices[name], default="")
    baseline: float | None = 0.0
    buckets: Counter[int] = Counter()
    for each in answers:
        since = (each.recorded_at - period.start) / (period.duration or INSTANT)
        buckets[min(int(since * BUCKETS), BUCKETS - 1)] += 1
        cost, price = each.cost_usd or 0.0, prices.get(each.model_id, 0.0)
        if baseline is not None and each.success and each.source != "cache":
            baseline = baseline + cost * prices[dearest] / price if price > 0 else None
    return TrafficSummary(
        period=period,
        requests=len(answers),
        failures=sum(not each.success for each in answers),
        cost_usd=sum(each.cost_usd or 0.0 for each in inside),
        baseline_usd=baseline if answers else None,
        assumption=f"every answer had been bought of {dearest}, with as many tokens, three of them "
        "read for one written; answers from the cache count as nothing in both",
        per_bucket=tuple(buckets[position] for position in range(BUCKETS)),
        models=_by_model(inside),
        is_whole=is_whole,
    )


def _by_model(outcomes: Iterable[Outcome]) -> dict[str, ModelTraffic]:
    grouped: dict[str, list[Outcome]] = defaultdict(list)
    for each in outcomes:
        grouped[each.model_id].append(each)
    return {name: _figures(of) for name, of in sorted(grouped.items())}


def _figures(outcomes: Sequence[Outcome]) -> ModelTraffic:
    answers = [each for each in outcomes if each.source in ANSWERED]
    latencies = sorted(each.latency_ms for each in answers if each.latency_ms is not None)
    # newest first: the last word on an answer is the one that counts
    scores: dict[str, float] = {}
    for each in outcomes:
        if each.score is not None:
            scores.setdefault(each.request_id, each.score)
    return ModelTraffic(
        requests=len(answers),
        failures=sum(not each.success for each in answers),
        cost_usd=sum(each.cost_usd or 0.0 for each in outcomes),
        score=sum(scores.values()) / len(scores) if scores else None,
        scored=len(scores),
        latency_p50_ms=_quantile(latencies, 0.5),
        latency_p95_ms=_quantile(latencies, 0.95),
    )


def _quantile(ordered: Sequence[float], q: float) -> float | None:
    """The smallest value that at least a share ``q`` of them do not exceed."""
    if not ordered:
        return None
    return ordered[max(0, -int(-q * len(ordered) // 1) - 1)]
