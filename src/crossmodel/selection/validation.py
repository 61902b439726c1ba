"""Checks of what callers hand to the selector; each raises with what is wrong and where."""

from __future__ import annotations

from collections.abc import Mapping

from crossmodel.domain import checks
from crossmodel.domain.models import Feature, ModelCapability, ModelCapabilityProfile
from crossmodel.domain.selection import TaskRequirement
from crossmodel.errors import InvalidInputError, InvalidTaskRequirementError, ModelRegistrationError


def capability_scores(scores: object) -> dict[ModelCapability, float]:
    """Scores per capability, with names turned into members.

    Raises:
        InvalidInputError: for an unknown capability or a score outside of 0..1.
    """
    if not isinstance(scores, Mapping) or not scores:
        raise InvalidInputError("capabilities must map at least one capability to a score")
    checked = {}
    for capability, score in scores.items():
        member = ModelCapability.parse(capability)
        checked[member] = checks.unit_interval(f"capabilities.{member}", score)
    return checked


def check_profile(profile: ModelCapabilityProfile) -> dict[ModelCapability, float]:
    """Refuse a profile that selection cannot work with; returns its checked scores.

    Raises:
        ModelRegistrationError: naming the model and the field.
    """
    try:
        checks.text("model_id", profile.model_id)
        scores = capability_scores(profile.capabilities)
        checks.unit_interval("cost_per_token", profile.cost_per_token)
        checks.unit_interval("quality_score", profile.quality_score)
        checks.unit_interval("availability", profile.availability)
        checks.not_negative("latency_ms", profile.latency_ms)
        if profile.context_window is not None:
            checks.at_least("context_window", profile.context_window, 1)
        for feature in profile.features:
            Feature.parse(feature)
    except InvalidInputError as error:
        raise ModelRegistrationError(
            f"invalid profile of model {profile.model_id!r}: {error}"
        ) from error
    return scores


def check_requirement(requirement: TaskRequirement) -> None:
    """Refuse a requirement that says nothing, or says something out of range.

    Raises:
        InvalidTaskRequirementError: naming the field.
    """
    if _is_plainly_right(requirement):
        return
    try:
        _check_wanted(requirement.required_capabilities)
        checks.unit_interval("complexity", requirement.complexity)
        checks.unit_interval("quality_threshold", requirement.quality_threshold)
        checks.limit("cost_constraint", requirement.cost_constraint)
        checks.limit("latency_constraint", requirement.latency_constraint)
    except InvalidInputError as error:
        raise InvalidTaskRequirementError(f"invalid task requirement: {error}") from error


def _is_plainly_right(requirement: TaskRequirement) -> bool:
    """The usual case at a glance; whatever else it may be is left to the checks that explain."""
    wanted = requirement.required_capabilities
    complexity, quality = requirement.complexity, requirement.quality_threshold
    cost, latency = requirement.cost_constraint, requirement.latency_constraint
    if type(wanted) is not list or not wanted:
        return False
    for name in wanted:
        if type(name) is not ModelCapability:
            return False
    return (
        type(complexity) is type(quality) is type(cost) is type(latency) is float
        and 0.0 <= complexity <= 1.0
        and 0.0 <= quality <= 1.0
        and cost > 0.0
        and latency > 0.0
    )


def _check_wanted(capabilities: object) -> None:
    if not isinstance(capabilities, list) or not capabilities:
        raise InvalidInputError("required_capabilities must be a list of at least one capability")
    for capability in capabilities:
        ModelCapability.parse(capability)
