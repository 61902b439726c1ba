"""Figures from sums: accuracy with its interval, and the expected calibration error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

from crossmodel.calibration import BINS, error_of_gaps, wilson_interval
from crossmodel.domain.reliability import Observed, Reliability, ReliabilityBin


def reliability_of(
    source_model: str,
    bins: Mapping[int, Observed],
    *,
    start: date | None = None,
    end: date | None = None,
) -> Reliability:
    """The figures of one model from the sums of its bins, 0..9."""
    whole = [bounded(bins.get(position, Observed())) for position in range(BINS)]
    n = sum(each.n for each in whole)
    correct = min(math.fsum(each.correct for each in whole), float(n))
    gaps = [each.gap for each in whole]
    over = error_of_gaps((gap for gap in gaps if gap > 0), n)
    under = error_of_gaps((gap for gap in gaps if gap < 0), n)
    return Reliability(
        source_model=source_model,
        n=n,
        mean_confidence=math.fsum(each.confidence for each in whole) / n if n else None,
        accuracy=correct / n if n else None,
        interval=wilson_interval(correct, n),
        ece=min(over + under, 1.0),
        overconfidence=over,
        underconfidence=under,
        bins=tuple(_bin(position, each) for position, each in enumerate(whole)),
        start=start,
        end=end,
    )


def brief(source_model: str, bins: Mapping[int, Observed]) -> dict[str, float] | None:
    """What a statement says of a model's reliability; ``None`` where nothing is known."""
    known = reliability_of(source_model, bins)
    if known.mean_confidence is None or known.accuracy is None:
        return None
    return {
        "n": known.n,
        "accuracy": known.accuracy,
        "ece": known.ece,
        "mean_confidence": known.mean_confidence,
    }


def bounded(observed: Observed) -> Observed:
    """Sums that taking back and rounding may have left a hair outside of what can be."""
    n = max(observed.n, 0)
    return Observed(
        n, min(max(observed.confidence, 0.0), float(n)), min(max(observed.correct, 0.0), float(n))
    )


def _bin(position: int, observed: Observed) -> ReliabilityBin:
    low, high = position / BINS, (position + 1) / BINS
    if not observed.n:
        return ReliabilityBin(low, high)
    return ReliabilityBin(
        low,
        high,
        observed.n,
        mean_confidence=observed.confidence / observed.n,
        accuracy=observed.correct / observed.n,
    )
