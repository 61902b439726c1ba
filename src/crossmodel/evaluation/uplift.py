"""How the figures of measured uplift are found: by simulating traffic whose effect is known.

The evidence of harm is looked at after every single use, of many insights at once, by the formula
of :mod:`crossmodel.transfer.uplift.monitor`; a test holds the two to the same figures.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crossmodel.domain import checks
from crossmodel.domain.uplift import Tally
from crossmodel.transfer.uplift.effects import Effect, effect_of
from crossmodel.transfer.uplift.monitor import (
    DEMOTE_EVIDENCE,
    HARMS,
    LARGEST_EXPONENT,
    LEAST_TO_DEMOTE,
    LEAST_TO_QUARANTINE,
    QUARANTINE_EVIDENCE,
    SUSPECTED_HOLDOUT_RATE,
    SUSPICION,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

NEVER: Final = np.iinfo(np.int64).max
"""The use after which something is found that is not."""

_ROUNDING: Final = 1e-12
"""What the ends of an interval may lack."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Uses of insights whose effect is known.

    Attributes:
        with_insight: mean score with one, 0..1.
        without: mean score without, 0..1.
        holdout_rate: share of the uses, 0..1, that goes without.
        concentration: of beta-distributed scores; ``None`` for scores of 0 and 1.
        watched: whether more go without while an insight is suspected, as
            :func:`~crossmodel.transfer.uplift.monitor.suspected_rate` has it.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """

    with_insight: float
    without: float
    holdout_rate: float = 0.1
    concentration: float | None = None
    watched: bool = False

    def __post_init__(self) -> None:
        for name in ("with_insight", "without", "holdout_rate"):
            checks.unit_interval(name, getattr(self, name))
        if self.concentration is not None:
            checks.limit("concentration", self.concentration)

    def scores(self, treated: NDArray[np.bool_], random: np.random.Generator) -> Floats:
        """One score for each insight."""
        means = np.where(treated, self.with_insight, self.without)
        if self.concentration is None:
            return (random.random(means.shape) < means).astype(np.float64)
        return random.beta(means * self.concentration, (1.0 - means) * self.concentration)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What became of each insight.

    Attributes:
        demoted: after which use it was first demoted, at least; or ``NEVER``.
        quarantined: after which use it was first quarantined; or ``NEVER``.
        sums: by arm (with it, without) and figure (scores, total, squares), at the end.
    """

    demoted: Counts
    quarantined: Counts
    sums: Floats

    @property
    def held_out(self) -> float:
        """Share of the uses, 0..1, that went without."""
        return float(self.sums[1, 0].sum() / self.sums[:, 0].sum())

    def effect(self, insight: int) -> Effect:
        """The effect of one of the insights at the end."""
        with_it, without = (
            Tally(int(arm[0, insight]), float(arm[1, insight]), float(arm[2, insight]))
            for arm in self.sums
        )
        return effect_of(with_it, without)


def simulate(traffic: Traffic, uses: int, insights: int, random: np.random.Generator) -> Simulated:
    """Use so many insights so many times each, and look after every use."""
    sums = np.zeros((2, 3, insights))
    demoted, quarantined = np.full(insights, NEVER), np.full(insights, NEVER)
    rates = np.full(insights, traffic.holdout_rate)
    for use in range(1, uses + 1):
        treated = random.random(insights) >= rates
        scores = traffic.scores(treated, random)
        figures = np.stack([np.ones(insights), scores, scores * scores])
        sums += np.stack([treated * figures, ~treated * figures])
        found = evidence(sums)
        for first, level, least in (
            (demoted, DEMOTE_EVIDENCE, LEAST_TO_DEMOTE),
            (quarantined, QUARANTINE_EVIDENCE, LEAST_TO_QUARANTINE),
        ):
            enough = (sums[0, 0] >= least[0]) & (sums[1, 0] >= least[1])
            first[(found >= level) & enough & (first == NEVER)] = use
        if traffic.watched:
            suspected = max(traffic.holdout_rate, SUSPECTED_HOLDOUT_RATE)
            rates = np.where(found >= SUSPICION, suspected, traffic.holdout_rate)
    return Simulated(demoted, quarantined, sums)


def evidence(sums: Floats) -> Floats:
    """Of harm, for each insight: :func:`crossmodel.transfer.uplift.monitor.evidence`."""
    n = sums[:, 0] + 2.0
    mean = (sums[:, 1] + 1.0) / n
    variance = np.maximum(0.0, (sums[:, 2] + 1.0) / n - mean * mean)
    pooled = (variance * n).sum(axis=0) / n.sum(axis=0)
    fewer = np.stack([n[0] < n[1], n[1] <= n[0]])
    information = 1.0 / (np.where(fewer, np.maximum(variance, pooled), variance) / n).sum(axis=0)
    shortfall = mean[1] - mean[0]
    found: Floats = np.zeros_like(shortfall)
    for harm, weight in HARMS:
        exponent = (harm * shortfall - harm * harm / 2) * information
        found += weight * np.exp(np.minimum(exponent, LARGEST_EXPONENT))
    return np.where((sums[:, 0] > 0).all(axis=0), found, 1.0)


def coverage(
    treated: int,
    control: int,
    rates: Sequence[tuple[float, float]],
    interval: Callable[[Tally, Tally], Effect] = effect_of,
) -> list[float]:
    """How often the interval of an effect holds the truth, for scores of 0 and 1.

    Summed over all outcomes of so many scores in each arm, for each pair of true rates: with, and
    without. Exact, as every outcome's probability is known.
    """
    pairs = list(itertools.product(range(treated + 1), range(control + 1)))
    effects = [interval(_ones(k, treated), _ones(m, control)) for k, m in pairs]
    low = np.array([effect.low for effect in effects])
    high = np.array([effect.high for effect in effects])
    shares = []
    for rate, other in rates:
        weights = np.outer(_binomial(treated, rate), _binomial(control, other)).ravel()
        truth = rate - other
        held = (low <= truth + _ROUNDING) & (truth - _ROUNDING <= high)
        shares.append(float(weights[held].sum()))
    return shares


def _ones(successes: int, n: int) -> Tally:
    return Tally(n, float(successes), float(successes))


def _binomial(n: int, rate: float) -> Floats:
    return np.array([math.comb(n, k) * rate**k * (1.0 - rate) ** (n - k) for k in range(n + 1)])
