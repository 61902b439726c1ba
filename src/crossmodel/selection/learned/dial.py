"""The dial: what a person can ask for, turned into a price of quality.

A choice maximises ``expected quality - price * expected cost``. Nobody can name that price, so it
is found on traffic: on one half the price that does what was asked, with a standard error to spare
against the luck of that half; on the other half what it then does, which is what is reported.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from crossmodel.domain import checks
from crossmodel.domain.config import DialConfig
from crossmodel.selection.learned.outcomes import Floats, Rows

PRICES: Final = 400
"""Prices that are tried, from nothing to far more than any difference in cost is worth."""


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """A sample of traffic with what was expected of each model, without having seen the outcome.

    Attributes:
        models: shape (m,).
        expected_quality: 0..1, shape (n, m).
        expected_cost: USD, shape (n, m).
        quality: what came out, NaN where not tried, shape (n, m).
        cost_usd: what it cost, NaN where not known, shape (n, m).
    """

    models: tuple[str, ...]
    expected_quality: Floats
    expected_cost: Floats
    quality: Floats
    cost_usd: Floats

    def columns(self, models: tuple[str, ...]) -> Traffic:
        """The part of these models alone, all of which it must have."""
        picked = [self.models.index(model) for model in models]
        return Traffic(
            models,
            self.expected_quality[:, picked],
            self.expected_cost[:, picked],
            self.quality[:, picked],
            self.cost_usd[:, picked],
        )


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a price of quality does: mean quality, 0..1, and USD per 1,000 requests."""

    quality: float
    usd_per_1000: float


@dataclass(frozen=True, slots=True)
class DialSetting:
    """A calibrated dial.

    Attributes:
        dial: what was asked for.
        price: quality that one USD must buy to be spent; infinite for the least cost.
        chosen: what the price does on the half it was chosen on.
        reported: what it does on the other half.
        best_single: the best single model on the other half, for comparison.
        met: whether the reported half does what was asked.
    """

    dial: DialConfig
    price: float
    chosen: OperatingPoint
    reported: OperatingPoint
    best_single: OperatingPoint
    met: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; an infinite price is ``None``."""
        points = ("chosen", "reported", "best_single")
        return {
            "dial": str(self.dial),
            "price": self.price if np.isfinite(self.price) else None,
            "met": self.met,
            **{name: asdict(getattr(self, name)) for name in points},
        }


def calibrate(dial: DialConfig, traffic: Traffic) -> DialSetting:
    """The price that does what the dial asks, and what it does on traffic it was not chosen on.

    Where an outcome is unknown its expectation stands in.

    Raises:
        InvalidInputError: if there are fewer than four queries.
    """
    checks.at_least("number of queries to calibrate on", len(traffic.quality), 4)
    quality = np.where(np.isnan(traffic.quality), traffic.expected_quality, traffic.quality)
    cost = np.where(np.isnan(traffic.cost_usd), traffic.expected_cost, traffic.cost_usd)
    order = np.random.default_rng(0).permutation(len(quality))
    choosing, reporting = order[::2], order[1::2]
    trials = [_Trial.of(traffic, quality, cost, choosing, p) for p in _prices(traffic)]
    best = int(quality[choosing].mean(axis=0).argmax())
    trial = _pick(dial, trials, quality[choosing, best])
    reported = _Trial.of(traffic, quality, cost, reporting, trial.price).point
    best_single = OperatingPoint(
        float(quality[reporting, best].mean()), 1000 * float(cost[reporting, best].mean())
    )
    met = _is_met(dial, reported, best_single)
    return DialSetting(dial, trial.price, trial.point, reported, best_single, met)


def worth(expected_quality: Floats, expected_cost: Floats, price: float) -> Floats:
    """What each model is worth, of the shape of its arguments: the greatest is chosen.

    An infinite price leaves only the cost to decide.
    """
    if np.isinf(price):
        return np.asarray(-expected_cost, dtype=np.float64)
    return np.asarray(expected_quality - price * expected_cost, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """What one price does to each query of a sample."""

    price: float
    quality: Floats
    cost: Floats

    @classmethod
    def of(
        cls, traffic: Traffic, quality: Floats, cost: Floats, rows: Rows, price: float
    ) -> _Trial:
        expected = traffic.expected_quality[rows], traffic.expected_cost[rows]
        pick = worth(*expected, price).argmax(axis=1)
        return cls(price, quality[rows, pick], cost[rows, pick])

    @property
    def point(self) -> OperatingPoint:
        return OperatingPoint(float(self.quality.mean()), 1000 * float(self.cost.mean()))


def _prices(traffic: Traffic) -> list[float]:
    scale = float(traffic.expected_cost.mean())
    if scale <= 0:
        return [0.0]
    return [0.0, *(np.geomspace(1e-4, 1e3, PRICES) / scale).tolist(), float("inf")]


def _pick(dial: DialConfig, trials: list[_Trial], best: Floats) -> _Trial:
    """The cheapest trial that is surely good enough, or the best that is surely cheap enough."""
    points = [trial.point for trial in trials]
    by_cost = sorted(range(len(trials)), key=lambda i: (points[i].usd_per_1000, -points[i].quality))
    best_of = sorted(by_cost, key=lambda i: -points[i].quality)
    if dial.least_quality_share is not None:
        for i in by_cost:
            if _surely_positive(trials[i].quality - dial.least_quality_share * best):
                return trials[i]
        return trials[best_of[0]]
    if dial.most_usd_per_1000 is not None:
        limit = dial.most_usd_per_1000 / 1000
        fitting = {i for i in by_cost if _surely_positive(limit - trials[i].cost)}
    else:
        least, most = points[by_cost[0]].usd_per_1000, points[0].usd_per_1000
        allowed = most - (dial.cost_quality_tradeoff or 0.0) * (most - least)
        fitting = {i for i in by_cost if points[i].usd_per_1000 <= allowed * (1 + 1e-9)}
    return trials[next((i for i in best_of if i in fitting), by_cost[0])]


def _surely_positive(differences: Floats) -> bool:
    """Whether their mean is not negative, with a standard error to spare."""
    error = float(differences.std()) / len(differences) ** 0.5
    return bool(float(differences.mean()) - error >= 0)


def _is_met(dial: DialConfig, reported: OperatingPoint, best: OperatingPoint) -> bool:
    if dial.least_quality_share is not None:
        return bool(reported.quality >= dial.least_quality_share * best.quality)
    if dial.most_usd_per_1000 is not None:
        return reported.usd_per_1000 <= dial.most_usd_per_1000
    return True
