"""How well insights must fit before they are handed over: learned from what came of it.

Scores are summed by how relevant the best insight was, in bins of 0.1. The expected effect is taken
to grow with relevance, so bins with few scores borrow from their neighbours: isotonic regression by
pooling adjacent violators (Ayer et al., Ann. Math. Statist. 26(4), 1955).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crossmodel.domain import checks
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.errors import InvalidInputError
from crossmodel.transfer.uplift.effects import measure

BINS: Final = 10
RELEVANCE_UNITS: Final = tuple(f"relevance:{each / BINS:.1f}" for each in range(BINS))
"""All of them, from the lowest: what to ask the store for."""


def relevance_unit(relevance: float) -> str:
    """The unit that scores at this relevance are summed by: its bin of 0.1, by the lower end.

    Raises:
        InvalidInputError: unless the relevance lies within 0..1.
    """
    checks.unit_interval("relevance", relevance)
    return RELEVANCE_UNITS[_bin(relevance)]


@dataclass(frozen=True, slots=True)
class RelevanceBound:
    """The relevance from which on insights are expected to help.

    Attributes:
        floor: the bound never falls below it, 0..1.
        start: the bound while nothing was measured, ``floor`` .. 1; the floor if not given.
        prior_effect: the effect expected from there on, and its negative below: more than 0.
        prior_weight: how many pairs of scores (:attr:`Effect.pairs`) this is worth in each bin;
            more than 0.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """

    floor: float
    start: float | None = None
    prior_effect: float = 0.05
    prior_weight: float = 5.0

    def __post_init__(self) -> None:
        checks.unit_interval("floor", self.floor)
        if self.start is not None:
            checks.unit_interval("start", self.start)
            if self.start < self.floor:
                raise InvalidInputError(f"start {self.start} is below the floor {self.floor}")
        if checks.unit_interval("prior_effect", self.prior_effect) == 0.0:
            raise InvalidInputError("prior_effect must be more than 0")
        if checks.not_negative("prior_weight", self.prior_weight) == 0.0:
            raise InvalidInputError("prior_weight must be more than 0")

    def of(self, tallies: Mapping[UpliftKey, Tally]) -> float:
        """The lowest relevance from which on the expected effect is positive.

        Infinity if it is positive nowhere. Keys of other units are passed over.
        """
        start = self.floor if self.start is None else self.start
        for position, effect in enumerate(self.effects(tallies)):
            if effect > 0:
                edge = position / BINS
                # a bin cannot tell what lies within it: there the bound stays where it was
                return max(self.floor, start if _bin(start) == position else edge)
        return math.inf

    def effects(self, tallies: Mapping[UpliftKey, Tally]) -> list[float]:
        """The expected effect in each bin, from the lowest, never falling: -1..1 each."""
        start = self.floor if self.start is None else self.start
        blocks: list[tuple[float, float, int]] = []  # mean, weight, bins
        for position, unit in enumerate(RELEVANCE_UNITS):
            measured = measure({key: each for key, each in tallies.items() if key.unit == unit})
            prior = self.prior_effect if position >= _bin(start) else -self.prior_effect
            weight = self.prior_weight + measured.pairs
            mean = (self.prior_weight * prior + measured.pairs * measured.difference) / weight
            blocks.append((mean, weight, 1))
            while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
                (a, v, m), (b, w, n) = blocks[-2:]
                blocks[-2:] = [((a * v + b * w) / (v + w), v + w, m + n)]
        return [mean for mean, _, bins in blocks for _ in range(bins)]


def _bin(relevance: float) -> int:
    return min(math.floor(relevance * BINS), BINS - 1)
