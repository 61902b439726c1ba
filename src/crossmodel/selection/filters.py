"""Hard filters: which models may answer at all, and what would admit those that may not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile
from crossmodel.domain.selection import NO_CONTEXT, RequestContext, TaskRequirement


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One filter that a model fails.

    ``relaxation`` is the change that would let it pass, ``size`` how big that change is relative
    to what was asked: infinite where something has to be given up altogether.
    """

    reason: str
    relaxation: str
    size: float


def obstacles(
    profile: ModelCapabilityProfile,
    requirement: TaskRequirement,
    context: RequestContext = NO_CONTEXT,
    *,
    minimum_availability: float,
    thresholds: Mapping[str, float],
) -> list[Obstacle]:
    """Every filter that ``profile`` fails; an empty list admits it.

    ``thresholds`` are the least scores per capability that apply to this model.
    """
    found = []
    if profile.availability < minimum_availability:
        found.append(
            _too_low(
                "availability",
                profile.availability,
                "minimum_availability_threshold",
                minimum_availability,
            )
        )
    for capability in requirement.capabilities:
        found += _capability_obstacles(profile, capability, thresholds)
    if profile.quality_score < requirement.quality_threshold:
        found.append(
            _too_low(
                "quality_score",
                profile.quality_score,
                "quality_threshold",
                requirement.quality_threshold,
            )
        )
    for field, value, limit in (
        ("cost_per_token", profile.cost_per_token, requirement.cost_constraint),
        ("latency_ms", profile.latency_ms, requirement.latency_constraint),
    ):
        if value > limit:
            constraint = "cost_constraint" if field == "cost_per_token" else "latency_constraint"
            found.append(
                Obstacle(
                    f"{field} {value:g} is above {constraint} {limit:g}",
                    f"{constraint} {limit:g} → {value:g}",
                    (value - limit) / limit,
                )
            )
    found += _request_obstacles(profile, context)
    return found


def _request_obstacles(
    profile: ModelCapabilityProfile, context: RequestContext
) -> Iterable[Obstacle]:
    if context.allowed is not None and profile.model_id not in context.allowed:
        reason = "is not among the models that may be chosen"
        yield Obstacle(reason, f"allow {profile.model_id}", float("inf"))
    for feature in sorted(context.features - profile.features):
        yield Obstacle(f"cannot do {feature}", f"do without {feature}", float("inf"))
    tokens = context.input_tokens + context.output_tokens
    if profile.context_window is not None and tokens > profile.context_window:
        yield Obstacle(
            f"context_window {profile.context_window} is below the {tokens} tokens of this request",
            f"tokens {tokens} → {profile.context_window}",
            (tokens - profile.context_window) / profile.context_window,
        )


def _capability_obstacles(
    profile: ModelCapabilityProfile, capability: ModelCapability, thresholds: Mapping[str, float]
) -> Iterable[Obstacle]:
    score = profile.capabilities.get(capability)
    if score is None:
        yield Obstacle(
            f"lacks capability {capability}",
            f"drop {capability} from required_capabilities",
            float("inf"),
        )
        return
    threshold = thresholds.get(capability)
    if threshold is not None and score < threshold:
        yield _too_low(str(capability), score, f"quality_thresholds.{capability}", threshold)


def _too_low(field: str, value: float, threshold_name: str, threshold: float) -> Obstacle:
    return Obstacle(
        f"{field} {value:g} is below {threshold_name} {threshold:g}",
        f"{threshold_name} {threshold:g} → {value:g}",
        (threshold - value) / threshold,
    )


def smallest_relaxation(rejected: Mapping[str, list[Obstacle]]) -> str | None:
    """The fewest and, among those, relatively smallest changes that would admit one model."""
    if not rejected:
        return None
    model_id, found = min(
        rejected.items(),
        key=lambda item: (len(item[1]), sum(obstacle.size for obstacle in item[1]), item[0]),
    )
    changes = " and ".join(obstacle.relaxation for obstacle in found)
    return f"{changes} (admits {model_id})"
