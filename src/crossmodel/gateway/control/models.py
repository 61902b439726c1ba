"""Models: their rows, how their endpoints do, and what can be changed while they run."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from crossmodel.errors import ModelNotFoundError
from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.operation import Answer, Operation
from crossmodel.gateway.control.parameters import (
    Body,
    Id,
    Limit,
    Offset,
    Parameters,
    Score,
    View,
)
from crossmodel.gateway.control.ports import EndpointState, ModelChange, ModelState

PATH: Final = "/admin/v1/models"

Price = Annotated[float, Meta(ge=0, le=1_000_000, description="USD per million tokens.")]
"""At most one USD per token: what selection can compare."""


class EndpointView(View):
    """An address that serves a model. Latency is that of the first byte, a moving average."""

    id: str
    circuit: Literal["closed", "open", "half_open"]
    healthy: bool
    in_flight: int
    latency_ms: float | None
    ready_in_seconds: float | None
    requests: int
    successes: int
    failures: int
    cancelled: int


class ModelView(View):
    """A model as it counts now."""

    id: str
    provider: str
    name: str
    enabled: bool
    quality: float
    capabilities: dict[str, float]
    input_price: float
    output_price: float
    latency_ms: float
    context_window: int
    endpoints: list[EndpointView]


class ModelPage(View):
    """Models in their configured order; ``next_offset`` is that of the next page, if any."""

    items: list[ModelView]
    next_offset: int | None


class ModelPageParams(Parameters):
    """Which page."""

    limit: Limit = 50
    offset: Offset = 0


class ModelParams(Parameters):
    """Which model."""

    id: Id


class CapabilityPatch(Body):
    """Scores of capabilities; what is left out stays."""

    reasoning: Score | UnsetType = UNSET
    creativity: Score | UnsetType = UNSET
    analysis: Score | UnsetType = UNSET
    coding: Score | UnsetType = UNSET
    math: Score | UnsetType = UNSET
    language: Score | UnsetType = UNSET


class ModelPatch(Body):
    """What is to change; what is left out stays. It lasts until the settings are read again."""

    quality: Score | UnsetType = UNSET
    capabilities: CapabilityPatch | UnsetType = UNSET
    input_price: Price | UnsetType = UNSET
    output_price: Price | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


async def list_models(control: Control, params: ModelPageParams, _body: None) -> ModelPage:
    """One page of them."""
    models = control.operations.models()
    end = params.offset + params.limit
    return ModelPage(
        items=[_view(model) for model in models[params.offset : end]],
        next_offset=end if end < len(models) else None,
    )


async def get_model(control: Control, params: ModelParams, _body: None) -> ModelView:
    """One of them."""
    for model in control.operations.models():
        if model.spec.id == params.id:
            return _view(model)
    raise ModelNotFoundError(f"there is no model {params.id!r}")


async def patch_model(control: Control, params: ModelParams, body: ModelPatch) -> ModelView:
    """Change one of them."""
    scores = {} if body.capabilities is UNSET else msgspec.structs.asdict(body.capabilities)
    change = ModelChange(
        quality=_given(body.quality),
        capabilities={name: score for name, score in scores.items() if score is not UNSET},
        input_price=_given(body.input_price),
        output_price=_given(body.output_price),
        is_enabled=None if body.enabled is UNSET else body.enabled,
    )
    return _view(control.operations.change_model(params.id, change))


def _given(value: float | UnsetType) -> float | None:
    return None if value is UNSET else value


def _view(model: ModelState) -> ModelView:
    spec = model.spec
    return ModelView(
        id=spec.id,
        provider=spec.provider,
        name=spec.name,
        enabled=model.is_enabled,
        quality=spec.quality,
        capabilities=dict(spec.capabilities),
        input_price=spec.input_price,
        output_price=spec.output_price,
        latency_ms=spec.latency_ms,
        context_window=spec.context_window,
        endpoints=[_endpoint(endpoint) for endpoint in model.endpoints],
    )


def _endpoint(endpoint: EndpointState) -> EndpointView:
    return EndpointView(
        id=endpoint.id,
        circuit=endpoint.circuit.value,
        healthy=endpoint.is_healthy,
        in_flight=endpoint.in_flight,
        latency_ms=endpoint.latency_ms,
        ready_in_seconds=_finite(endpoint.ready_in_seconds),
        requests=endpoint.requests,
        successes=endpoint.successes,
        failures=endpoint.failures,
        cancelled=endpoint.cancelled,
    )


def _finite(value: float) -> float | None:
    """The value; JSON knows no infinity."""
    return value if math.isfinite(value) else None


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        PATH,
        "listModels",
        "The models and how their endpoints do.",
        list_models,
        ModelPageParams,
        [Answer(200, "A page of models.", ModelPage)],
    ),
    Operation(
        "GET",
        PATH + "/{id}",
        "getModel",
        "One model and how its endpoints do.",
        get_model,
        ModelParams,
        [Answer(200, "The model.", ModelView)],
    ),
    Operation(
        "PATCH",
        PATH + "/{id}",
        "changeModel",
        "Change a model's figures, or switch it on or off, while it runs.",
        patch_model,
        ModelParams,
        [Answer(200, "The model as it is now.", ModelView)],
        body=ModelPatch,
    ),
)
