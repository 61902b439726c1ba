"""Figures of routers. All arrays are (queries, models); qualities 0..1, costs in USD.

A router is a policy for every price of quality: it chooses the greatest ``predicted quality -
price * predicted cost``. Its figures come from the points that all prices together reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from crossmodel.calibration import brier_score, expected_calibration_error

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

PRICES: Final = 300
BINS: Final = 15
"""Of the expected calibration error (Naeini, Cooper and Hauskrecht, AAAI 2015)."""

CHUNK: Final = 2_000_000
"""Cells that are compared at once."""


class Point(NamedTuple):
    """What a policy does on average: cost in USD a query, quality."""

    cost: float
    quality: float


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What is true of some queries: quality and cost of every model, shape (n, m) each."""

    quality: Floats
    cost: Floats

    def take(self, rows: npt.NDArray[np.int64]) -> Outcomes:
        """Only these queries."""
        return Outcomes(self.quality[rows], self.cost[rows])

    def singles(self) -> list[Point]:
        """Every single model, used for all queries."""
        pairs = zip(self.cost.mean(axis=0), self.quality.mean(axis=0), strict=True)
        return [Point(float(cost), float(quality)) for cost, quality in pairs]

    @property
    def cheapest(self) -> int:
        """Column of the cheapest model; of equally cheap ones the best."""
        singles = self.singles()
        return min(range(len(singles)), key=lambda j: (singles[j].cost, -singles[j].quality))

    @property
    def best(self) -> int:
        """Column of the best model; of equally good ones the cheapest."""
        singles = self.singles()
        return max(range(len(singles)), key=lambda j: (singles[j].quality, -singles[j].cost))


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a router expects of some queries: quality and cost of every model, (n, m) each."""

    quality: Floats
    cost: Floats

    def take(self, rows: npt.NDArray[np.int64]) -> Predictions:
        """Only these queries."""
        return Predictions(self.quality[rows], self.cost[rows])

    def choices(self, price: float = 0.0) -> npt.NDArray[np.int64]:
        """The model that is chosen for each query, shape (n,); the first of equal ones."""
        return np.asarray((self.quality - price * self.cost).argmax(axis=1), dtype=np.int64)


def reached(truth: Outcomes, choices: npt.NDArray[np.int64]) -> Point:
    """What these choices come to."""
    rows = np.arange(len(choices))
    return Point(
        float(truth.cost[rows, choices].mean()), float(truth.quality[rows, choices].mean())
    )


def prices(predictions: Predictions) -> list[float]:
    """Nothing, and prices from far below to far above any difference that matters."""
    scale = float(np.abs(predictions.cost).mean())
    return [0.0, *((np.geomspace(1e-4, 1e2, PRICES) / scale).tolist() if scale > 0 else [])]


def sweep(truth: Outcomes, predictions: Predictions) -> list[Point]:
    """The points that all prices reach, and the cheapest model."""
    points = [reached(truth, predictions.choices(price)) for price in prices(predictions)]
    return [*points, truth.singles()[truth.cheapest]]


def hull(points: Sequence[Point]) -> list[Point]:
    """The non-decreasing concave upper hull of quality against cost, cheapest first."""
    kept: list[Point] = []
    for point in sorted(set(points), key=lambda p: (p.cost, -p.quality)):
        if kept and point.quality <= kept[-1].quality:
            continue
        while len(kept) > 1 and _rise(kept[-2], kept[-1]) <= _rise(kept[-2], point):
            kept.pop()
        kept.append(point)
    return kept


def _rise(left: Point, right: Point) -> float:
    return (right.quality - left.quality) / max(right.cost - left.cost, 1e-300)


def quality_at(points: Sequence[Point], cost: float) -> float:
    """Quality that the hull of these points reaches for at most ``cost``; NaN below all of them."""
    corners = hull(points)
    if cost < corners[0].cost * (1 - 1e-12):
        return float("nan")
    return float(np.interp(cost, [p.cost for p in corners], [p.quality for p in corners]))


def aiq(points: Sequence[Point], low: float, high: float) -> float:
    """Area under the hull from cost ``low`` to ``high``, divided by that range.

    AIQ of RouterBench (Hu et al., arXiv 2403.12031). Left of the hull its first quality counts.
    If the range is empty, it is the best quality.
    """
    corners = hull(points)
    if high <= low:
        return corners[-1].quality
    costs = np.array([p.cost for p in corners])
    inner = costs[(costs > low) & (costs < high)]
    grid = np.concatenate([[low], inner, [high]])
    heights = np.interp(grid, costs, [p.quality for p in corners])
    return float(((heights[1:] + heights[:-1]) / 2 * np.diff(grid)).sum() / (high - low))


def aiq_of(truth: Outcomes, predictions: Predictions) -> float:
    """AIQ of a router between the cheapest and the dearest single model."""
    costs = truth.cost.mean(axis=0)
    return aiq(sweep(truth, predictions), float(costs.min()), float(costs.max()))


def recovered(truth: Outcomes, predictions: Predictions) -> Floats | None:
    """Share of the quality gap recovered at each share of strong calls, shape (n + 1,).

    Queries go to the strong model, the best single one, in falling order of predicted gain over the
    weak one, the cheapest. ``None`` if these are one model, or equally good.
    """
    strong, weak = truth.best, truth.cheapest
    gap = float(truth.quality[:, strong].mean() - truth.quality[:, weak].mean())
    if strong == weak or gap <= 0:
        return None
    expected = predictions.quality[:, strong] - predictions.quality[:, weak]
    order = np.argsort(-expected, kind="stable")
    gains = (truth.quality[:, strong] - truth.quality[:, weak])[order]
    return np.concatenate([[0.0], np.cumsum(gains)]) / len(gains) / gap


def apgr(truth: Outcomes, predictions: Predictions) -> float | None:
    """Mean recovered share over all cuts (RouteLLM, Ong et al., arXiv 2406.18665)."""
    shares = recovered(truth, predictions)
    return None if shares is None else float(shares.mean())


def cpt(truth: Outcomes, predictions: Predictions, share: float) -> float | None:
    """Least percentage of strong calls that recovers ``share`` of the gap (RouteLLM, as above)."""
    shares = recovered(truth, predictions)
    if shares is None:
        return None
    return 100.0 * float(np.argmax(shares >= share - 1e-12)) / (len(shares) - 1)


def regret(truth: Outcomes, predictions: Predictions) -> float:
    """Quality that the best choice for each query is above this one's, at no price."""
    return float(truth.quality.max(axis=1).mean() - reached(truth, predictions.choices()).quality)


def brier(truth: Outcomes, predictions: Predictions) -> float:
    """Mean squared difference of predicted and true quality."""
    return brier_score(*_paired(truth, predictions))


def ece(truth: Outcomes, predictions: Predictions) -> float:
    """Expected calibration error over all queries and models."""
    return expected_calibration_error(*_paired(truth, predictions), BINS)


def _paired(truth: Outcomes, predictions: Predictions) -> tuple[list[float], list[float]]:
    said = np.clip(predictions.quality, 0, 1)
    return said.reshape(-1).tolist(), truth.quality.reshape(-1).tolist()


def bootstrap(
    size: int, figure: Callable[[npt.NDArray[np.int64]], float], *, rounds: int = 200, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of a figure over resampled queries (Efron, 1979)."""
    random = np.random.default_rng(seed)
    figures = [figure(random.integers(0, size, size)) for _ in range(rounds)]
    low, high = np.quantile(figures, [0.025, 0.975])
    return float(low), float(high)
