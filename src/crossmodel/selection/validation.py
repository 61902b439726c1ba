"""Checks of what callers hand to the selector; each raises with what is wrong and where."""

from __future__ import annotations

from collections.abc import Mapping

from crossmodel.domain import checks
from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile
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


def check_profile(profile: ModelCapabilityProfile) -> None:
    """Refuse a profile that selection cannot work with.

    Raises:
        ModelRegistrationError: naming the model and the field.
    """
    try:
        checks.text("model_id", profile.model_id)
        profile.capabilities = capability_scores(profile.capabilities)
        checks.unit_interval("cost_per_token", profile.cost_per_token)
        checks.unit_interval("quality_score", profile.quality_score)
        checks.unit_interval("availability", profile.availability)
        checks.not_negative("latency_ms", profile.latency_ms)
    except InvalidInputError as error:
        raise ModelRegistrationError(
            f"invalid profile of model {profile.model_id!r}: {error}"
        ) from error


def check_requirement(requirement: TaskRequirement) -> None:
    """Refuse a requirement that says nothing, or says something out of range.

    Raises:
        InvalidTaskRequirementError: naming the field.
    """
    try:
        _check_wanted(requirement.required_capabilities)
        checks.unit_interval("complexity", requirement.complexity)
        checks.unit_interval("quality_threshold", requirement.quality_threshold)
        checks.limit("cost_constraint", requirement.cost_constraint)
        checks.limit("latency_constraint", requirement.latency_constraint)
    except InvalidInputError as error:
        raise InvalidTaskRequirementError(f"invalid task requirement: {error}") from error


def _check_wanted(capabilities: object) -> None:
    if not isinstance(capabilities, list) or not capabilities:
        raise InvalidInputError("required_capabilities must be a list of at least one capability")
    for capability in capabilities:
        ModelCapability.parse(capability)
