"""One decision: what was asked, how every model scored, and what the others lack."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass

import numpy as np

from crossmodel.domain.config import ModelSelectorConfig
from crossmodel.domain.selection import (
    ModelSelection,
    RequestContext,
    SelectionExplanation,
    TaskRequirement,
)
from crossmodel.selection import filters
from crossmodel.selection.learned.policy import LearnedScore
from crossmodel.selection.scoring import Suitability, best_rows
from crossmodel.selection.table import Floats, ProfileTable


@dataclass(eq=False)
class Decision:
    """What one choice was made of; the prompt of its context is not kept."""

    requirement: TaskRequirement
    context: RequestContext
    config: ModelSelectorConfig
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

    def explain(self, selection: ModelSelection) -> SelectionExplanation:
        """Every term of every score, and every rejected model with its reason."""
        order = best_rows(self.score, self.scored.admitted, len(self.table))
        metadata = selection.selection_metadata
        explored = "drawn to learn more of it" if metadata.get("explored") else None
        return SelectionExplanation(
            model_id=selection.model_id,
            weights=asdict(self.config.weights),
            scores={self.table.ids[row]: self.scored.terms(row) for row in order},
            rejected=self.rejected(),
            relaxation=self.relaxation(),
            learned=self.learned.explain(order) if self.learned else None,
            reason=metadata.get("conversation") or explored,
        )

    def rejected(self) -> dict[str, str]:
        """The reason of every model that did not pass the filters."""
        return {
            model: "; ".join(obstacle.reason for obstacle in found)
            for model, found in self._obstacles.items()
        }

    def relaxation(self) -> str | None:
        """The smallest change of what was asked that would admit one of those."""
        return filters.smallest_relaxation(self._obstacles)

    @functools.cached_property
    def _obstacles(self) -> dict[str, list[filters.Obstacle]]:
        """What stands in the way of each model that did not pass."""
        return {
            self.table.ids[row]: filters.obstacles(
                self.table.profile(int(row)),
                self.requirement,
                self.context,
                minimum_availability=self.config.minimum_availability_threshold,
                thresholds=self.table.thresholds_of(int(row)),
            )
            for row in (~self.scored.admitted).nonzero()[0]
        }
