"""Capability scores that learn from outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile

QUALITY: Final = "quality_score"


@dataclass(slots=True)
class _Score:
    """A registered score, what was observed since, and what follows from both."""

    registered: float
    value: float
    count: int = 0
    total: float = 0.0

    def moved(self, score: float, prior: float) -> float:
        self.count += 1
        self.total += score
        if prior != float("inf"):
            self.value = (prior * self.registered + self.total) / (prior + self.count)
        return self.value


class ScoreLearner:
    """Moves a model's scores from what was registered towards what was observed.

    A score is the mean of the registered value, which counts as ``prior`` outcomes, and of the
    outcomes that concern it: the posterior mean of a beta-binomial model. The order in which
    outcomes come makes no difference. A score that somebody else has set meanwhile counts as
    registered then. Not thread-safe: its owner locks.
    """

    def __init__(self, prior: float) -> None:
        self._prior = prior
        self._scores: dict[str, dict[str, _Score]] = {}

    def forget(self, model_id: str) -> None:
        """Drop what was learned of a model."""
        self._scores.pop(model_id, None)

    def learn(
        self, profile: ModelCapabilityProfile, capabilities: Iterable[ModelCapability], score: float
    ) -> None:
        """Let one outcome move the quality, and those of the capabilities that were required."""
        profile.quality_score = self._moved(profile, QUALITY, profile.quality_score, score)
        for name in capabilities:
            if name in profile.capabilities:
                current = profile.capabilities[name]
                profile.capabilities[name] = self._moved(profile, name, current, score)

    def _moved(
        self, profile: ModelCapabilityProfile, name: str, current: float, score: float
    ) -> float:
        scores = self._scores.setdefault(profile.model_id, {})
        known = scores.get(name)
        if known is None or known.value != current:
            known = scores[name] = _Score(current, current)
        return known.moved(score, self._prior)
