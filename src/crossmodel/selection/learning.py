"""Capability scores that learn from outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile, coerce_capability

QUALITY: Final = "quality_score"


class ScoreLearner:
    """Moves a model's scores from what was registered towards what was observed.

    A score is the mean of the registered value, which counts as ``prior`` outcomes, and of the
    outcomes that concern it: the posterior mean of a beta-binomial model. The order in which
    outcomes come makes no difference. Not thread-safe: its owner locks.
    """

    def __init__(self, prior: float) -> None:
        self._prior = prior
        self._registered: dict[tuple[str, str], float] = {}
        self._seen: dict[tuple[str, str], tuple[int, float]] = {}

    def register(self, profile: ModelCapabilityProfile) -> None:
        """Start from a profile's scores; what was learned of its model before is dropped."""
        self.forget(profile.model_id)
        self._registered[profile.model_id, QUALITY] = profile.quality_score
        self.restate(profile.model_id, profile.capabilities)

    def restate(self, model_id: str, scores: Mapping[ModelCapability, float]) -> None:
        """Take new values for some scores, as if they had been registered now."""
        for name, score in scores.items():
            self._registered[model_id, name] = score
            self._seen.pop((model_id, name), None)

    def forget(self, model_id: str) -> None:
        """Drop a model."""
        for known in [key for key in self._registered if key[0] == model_id]:
            del self._registered[known]
            self._seen.pop(known, None)

    def learn(
        self, profile: ModelCapabilityProfile, capabilities: Iterable[str], score: float
    ) -> None:
        """Let one outcome move the quality, and those of the capabilities that were required."""
        profile.quality_score = self._moved(profile.model_id, QUALITY, score)
        for name in capabilities:
            capability = coerce_capability(name)
            if isinstance(capability, ModelCapability) and capability in profile.capabilities:
                moved = self._moved(profile.model_id, capability, score)
                profile.capabilities[capability] = moved

    def _moved(self, model_id: str, name: str, score: float) -> float:
        count, total = self._seen.get((model_id, name), (0, 0.0))
        count, total = count + 1, total + score
        self._seen[model_id, name] = count, total
        registered = self._registered[model_id, name]
        return (self._prior * registered + total) / (self._prior + count)
