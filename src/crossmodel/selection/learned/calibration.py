"""Calibration: estimates become probabilities that come true as often as they say.

Isotonic regression by pooling adjacent violators (Ayer et al., 1955) over bins of equal count,
joined by straight lines, so that the map rises everywhere and never makes two models equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from crossmodel.calibration import RISE, pooled
from crossmodel.selection.learned.outcomes import Floats
from crossmodel.selection.learned.topics import Shares

BINS: Final = 12
LEAST_PER_BIN: Final = 30


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A rising map from estimates to probabilities.

    It applies as far as a prompt is familiar, so that a foreign prompt keeps the prior as it is.
    Every mixture of a rising map and the identity rises, hence the best model stays the best.

    Attributes:
        estimates: knots, rising from 0 to 1, shape (j,).
        probabilities: their images, rising, shape (j,).
    """

    estimates: Floats
    probabilities: Floats

    @classmethod
    def identity(cls) -> Calibration:
        """The map that changes nothing."""
        return cls(np.array([0.0, 1.0]), np.array([0.0, 1.0]))

    def apply(self, quality: Floats, shares: Shares) -> Floats:
        """Calibrated quality, 0..1, of the same shape (n, m)."""
        calibrated = np.interp(quality, self.estimates, self.probabilities)
        familiar = 1 - shares.level[:, -1:]
        return np.asarray(quality + familiar * (calibrated - quality), dtype=np.float64)


def fit_calibration(estimates: Floats, actual: Floats) -> Calibration:
    """The map that fits ``actual`` to ``estimates``, both (n, m); unknown actual ones are NaN."""
    known = ~np.isnan(actual)
    order = np.argsort(estimates[known], kind="stable")
    x, y = estimates[known][order], actual[known][order]
    bins = min(BINS, len(x) // LEAST_PER_BIN)
    if bins < 2:  # noqa: PLR2004 - one bin has no slope
        return Calibration.identity()
    parts = zip(np.array_split(x, bins), np.array_split(y, bins), strict=True)
    blocks = pooled((float(xs.mean()), float(ys.mean()), len(xs)) for xs, ys in parts)
    inner = [(a, b) for a, b, _ in blocks if 0 < a < 1]
    return Calibration(
        np.array([0.0, *(a for a, _ in inner), 1.0]),
        np.array([0.0, *(min(max(b, RISE), 1 - RISE) for _, b in inner), 1.0]),
    )
