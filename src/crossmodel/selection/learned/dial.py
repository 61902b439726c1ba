"""The dial: what a person can ask for, turned into a price of quality.

A choice maximises ``expected quality - price * expected cost``. Nobody can name that price, so it
is found on traffic: on one half the price that does what was asked, with a standard error to spare
against the luck of that half; on the other half what it then does, which is what is reported.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
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

    def take(self, rows: Rows) -> Traffic:
        """The part of these queries alone."""
        return Traffic(
            self.models,
            self.expected_quality[rows],
            self.expected_cost[rows],
            self.quality[rows],
            self.cost_usd[rows],
        )

    def filled(self) -> Traffic:
        """The same with the expectation where an outcome is unknown."""
        return replace(
            self,
            quality=np.where(np.isnan(self.quality), self.expected_quality, self.quality),
            cost_usd=np.where(np.isnan(self.cost_usd), self.expected_cost, self.cost_usd),
        )


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a price of quality does: mean quality, 0..1, and USD per 1,000 requests."""

    quality: float
    usd_per_1000: float

    @classmethod
    def of(cls, quality: Floats, cost_usd: Floats) -> OperatingPoint:
        """The mean of requests with these qualities and costs."""
        return cls(float(quality.mean()), 1000 * float(cost_usd.mean()))


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

    @property
    def quality_share(self) -> float:
        """Reported quality as a share of the best single model's."""
        best = self.best_single.quality
        return self.reported.quality / best if best else 1.0

    @property
    def cost_share(self) -> float:
        """Reported cost as a share of the best single model's."""
        best = self.best_single.usd_per_1000
        return self.reported.usd_per_1000 / best if best else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; an infinite price is ``None``."""
        points = ("chosen", "reported", "best_single")
        return {
            "dial": str(self.dial),
            "price": self.price if np.isfinite(self.price) else None,
            "met": self.met,
            "quality_share": self.quality_share,
            "cost_share": self.cost_share,
            **{name: asdict(getattr(self, name)) for name in points},
        }


def calibrate(dial: DialConfig, traffic: Traffic) -> DialSetting:
    """The price that does what the dial asks, and what it does on traffic it was not chosen on.

    Where an outcome is unknown its expectation stands in.

    Raises:
        InvalidInputError: if there are fewer than four queries.
    """
    checks.at_least("number of queries to calibrate on", len(traffic.quality), 4)
    order = np.random.default_rng(0).permutation(len(traffic.quality))
    return settle(dial, traffic.take(order[::2]), traffic.take(order[1::2]))


def settle(dial: DialConfig, choosing: Traffic, reporting: Traffic) -> DialSetting:
    """The price that does what the dial asks on one part, and what it does on another."""
    choosing, reporting = choosing.filled(), reporting.filled()
    trials = [_Trial.of(choosing, price) for price in _prices(choosing)]
    best = int(choosing.quality.mean(axis=0).argmax())
    trial = _pick(dial, trials, choosing.quality[:, best])
    reported = _Trial.of(reporting, trial.price).point
    best_single = OperatingPoint.of(reporting.quality[:, best], reporting.cost_usd[:, best])
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
    def of(cls, traffic: Traffic, price: float) -> _Trial:
        pick = worth(traffic.expected_quality, traffic.expected_cost, price).argmax(axis=1)
        rows = np.arange(len(pick))
        return cls(price, traffic.quality[rows, pick], traffic.cost_usd[rows, pick])

    @property
    def point(self) -> OperatingPoint:
        return OperatingPoint.of(self.quality, self.cost)


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
