"""One decision: what was asked, how every model scored, and what the others lack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossmodel.domain.selection import RequestContext, TaskRequirement
from crossmodel.selection import filters
from crossmodel.selection.learned.policy import LearnedScore
from crossmodel.selection.scoring import Suitability
from crossmodel.selection.table import Floats, ProfileTable


@dataclass(slots=True, eq=False)
class Decision:
    """What one choice was made of."""

    requirement: TaskRequirement
    context: RequestContext
    scored: Suitability
    learned: LearnedScore | None
    score: Floats

    @property
    def table(self) -> ProfileTable:
        """The models that were there."""
        return self.scored.table

    def gain_over(self, best: int, cached_share: float, model_id: str) -> float | None:
        """How much better the best row is than a model, what its prompt cache saves taken off.

        ``None`` if the model cannot be chosen any more.
        """
        if model_id not in self.table.ids:
            return None
        row = self.table.ids.index(model_id)
        if not self.scored.admitted[row]:
            return None
        gain = float(self.score[best] - self.score[row])
        if self.learned is not None and row != best and np.isfinite(self.learned.price):
            reread = float(self.table.cost[best]) * self.context.input_tokens
            gain -= self.learned.price * cached_share * reread
        return gain

    def obstacles(self, minimum_availability: float) -> dict[str, list[filters.Obstacle]]:
        """What stands in the way of each model that did not pass."""
        return {
            self.table.ids[row]: filters.obstacles(
                self.table.profile(int(row)),
                self.requirement,
                self.context,
                minimum_availability=minimum_availability,
                thresholds=self.table.thresholds_of(int(row)),
            )
            for row in (~self.scored.admitted).nonzero()[0]
        }
