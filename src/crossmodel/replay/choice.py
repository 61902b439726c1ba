"""The selection again: a selector as it was, and the request as it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from crossmodel.domain.answer import Ask
from crossmodel.domain.config import ExplorationConfig
from crossmodel.domain.replay import Part, ReplayedPart
from crossmodel.domain.selection import ModelSelection, RequestContext, TaskRequirement
from crossmodel.engine import any_task
from crossmodel.errors import ConfigurationError, NoAvailableModelsError
from crossmodel.inputs import RecordedInputs
from crossmodel.replay.outcome import NotReplayableError, different, same
from crossmodel.replay.records import Record, differences
from crossmodel.selection import LearnedRouter, ModelSelector
from crossmodel.selection.learned import router_sha256

COMPARED = ("model", "score", "alternatives", "rejected", "requirement")

OpenRouter = Callable[[], LearnedRouter | None]
"""Reads the configured router anew, as its file is, without what it learned since."""


def replay_selection(
    record: Record,
    ask: Ask,
    context: RequestContext,
    inputs: RecordedInputs,
    open_router: OpenRouter,
) -> ReplayedPart:
    """Choose again among the models as they were.

    Raises:
        NotReplayableError: if the choice hung on something that is not recorded.
    """
    requirement = ask.task or any_task(inputs.profiles)
    chosen = _named(ask, requirement) if ask.model else _chosen(
        requirement, context, inputs, open_router
    )  # fmt: skip
    found = differences(record.predicate, chosen, COMPARED)
    if not found:
        return same(Part.SELECTION, f"{', '.join(COMPARED)} of record {record.leaf}")
    if ask.model is None and ask.conversation is not None:
        raise NotReplayableError(
            "the choice hung on which model the conversation had so far, which is not recorded"
        )
    if ask.model is None and _explores(inputs):
        raise NotReplayableError(
            "the model may have been drawn to learn more of it, and the draw is not recorded"
        )
    return different(Part.SELECTION, found)


def _named(ask: Ask, requirement: TaskRequirement) -> dict[str, Any]:
    return _outcome(str(ask.model), 1.0, [], {}, requirement)


def choose_again(
    requirement: TaskRequirement,
    context: RequestContext,
    inputs: RecordedInputs,
    open_router: OpenRouter,
) -> ModelSelection:
    """Choose among the models as they were, without a draw and as if the conversation began.

    Raises:
        NoAvailableModelsError: if none of them may answer.
        NotReplayableError: if the choice needs a router that is not here as it was.
    """
    config = replace(
        inputs.settings.selector,
        exploration=ExplorationConfig(rate=0.0),  # without a draw
        cache_ttl_seconds=0.0,
    )
    selector = ModelSelector(config, router=_router(inputs, open_router))
    for profile in inputs.profiles:
        selector.register_model(profile)
    return selector.select_optimal_model(requirement, replace(context, conversation_id=None))


def _chosen(
    requirement: TaskRequirement,
    context: RequestContext,
    inputs: RecordedInputs,
    open_router: OpenRouter,
) -> dict[str, Any]:
    try:
        selection = choose_again(requirement, context, inputs, open_router)
    except NoAvailableModelsError as error:
        return _outcome("", 0.0, [], error.reasons, requirement)
    return _outcome(
        selection.model_id,
        selection.suitability_score,
        selection.alternative_models,
        dict(selection.rejected),
        requirement,
    )


def _router(inputs: RecordedInputs, open_router: OpenRouter) -> LearnedRouter | None:
    state = inputs.router
    if state is None:
        return None
    if state.has_learned:
        raise NotReplayableError(
            "the router had learned from feedback by then, and what it had learned is not recorded"
        )
    try:
        router = open_router()
    except ConfigurationError as error:
        raise NotReplayableError(f"the router cannot be opened: {error}") from error
    if router is None or router_sha256(router) != state.sha256:
        raise NotReplayableError(
            f"the router of then is not here: its content has the SHA-256 {state.sha256[:16]}…"
        )
    return router


def _explores(inputs: RecordedInputs) -> bool:
    selector = inputs.settings.selector
    return selector.strategy == "learned" and selector.exploration.rate > 0


def _outcome(
    model: str,
    score: float,
    alternatives: Sequence[str],
    rejected: dict[str, str],
    requirement: TaskRequirement,
) -> dict[str, Any]:
    """In the words of a selection's statement."""
    return {
        "model": model,
        "score": score,
        "alternatives": list(alternatives),
        "rejected": rejected,
        "requirement": {k: v for k, v in asdict(requirement).items() if v != float("inf")},
    }
