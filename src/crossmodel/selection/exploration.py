"""Exploration: trying models that too little is known of, at a cost that is capped.

A share of the choices is drawn by Thompson sampling (Thompson, 1933): each model as often as it is
the best one when every estimate is redrawn within its uncertainty. The probability of every choice
is known and kept, so that the traffic can be used again to evaluate other policies.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

import numpy as np

from crossmodel.domain.config import ExplorationConfig
from crossmodel.selection.table import Floats, Mask

DRAWS: Final = 256
"""Redraws per choice: probabilities come in steps of 1/256."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A choice among candidates: its position, the probability that it had, whether it explores."""

    position: int
    propensity: float
    explored: bool


class Explorer:
    """Draws choices; thread-safe.

    What exploring costs on top of the best choice never exceeds ``most_cost_share`` of what all
    choices were expected to cost so far: candidates that would exceed it cannot be drawn.
    """

    def __init__(self, config: ExplorationConfig, *, seed: int | None = None) -> None:
        self._config = config
        self._random = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self.expected_usd = 0.0
        self.extra_usd = 0.0

    def draw(self, worth: Floats, uncertainty: Floats, cost_usd: Floats) -> Draw:
        """Choose among candidates, best first or not, by worth, its standard error and cost."""
        best = int(worth.argmax())
        with self._lock:
            self.expected_usd += float(cost_usd[best])
            if self._config.rate <= 0 or len(worth) == 1:
                return Draw(best, 1.0, explored=False)
            extra = np.maximum(cost_usd - cost_usd[best], 0.0)
            allowed = self._config.most_cost_share * self.expected_usd - self.extra_usd
            shares = self._shares(worth, uncertainty, extra <= allowed)
            position = best
            if self._random.random() < self._config.rate:
                position = int(self._random.choice(len(worth), p=shares))
            propensity = self._config.rate * float(shares[position])
            if position == best:
                propensity += 1 - self._config.rate
            self.extra_usd += float(extra[position])
        return Draw(position, min(propensity, 1.0), explored=position != best)

    def _shares(self, worth: Floats, uncertainty: Floats, affordable: Mask) -> Floats:
        redrawn = worth + uncertainty * self._random.standard_normal((DRAWS, len(worth)))
        redrawn[:, ~affordable] = -np.inf  # the best costs nothing extra, so one always is
        wins = np.bincount(redrawn.argmax(axis=1), minlength=len(worth))
        return np.asarray(wins / DRAWS, dtype=np.float64)
