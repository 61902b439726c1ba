"""The suitability score: a weighted sum of five terms, each 0..1."""

from __future__ import annotations

from crossmodel.domain.config import SelectionWeights
from crossmodel.domain.models import ModelCapabilityProfile
from crossmodel.domain.selection import ScoreTerms, TaskRequirement


def suitability(
    profile: ModelCapabilityProfile,
    requirement: TaskRequirement,
    weights: SelectionWeights,
    *,
    cost_weight_factor: float = 1.0,
) -> ScoreTerms:
    """Score one model that passed the filters.

    The cost and latency terms fall linearly from 1 at nothing to 0 at the constraint; with an
    infinite constraint they are 1, whatever the model costs.
    """
    wanted = requirement.capabilities
    capability = sum(profile.capabilities[name] for name in wanted) / len(wanted)
    cost = max(0.0, 1.0 - profile.cost_per_token / requirement.cost_constraint)
    latency = max(0.0, 1.0 - profile.latency_ms / requirement.latency_constraint)
    complexity = 1.0 - abs(profile.quality_score - requirement.complexity)
    total = (
        weights.capability_weight * capability
        + weights.quality_weight * profile.quality_score
        + weights.cost_weight * cost_weight_factor * cost
        + weights.latency_weight * latency
        + weights.complexity_weight * complexity
    )
    return ScoreTerms(capability, profile.quality_score, cost, latency, complexity, total)
