"""What is known of a model: what it can do, what it costs, how fast it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from crossmodel.domain import checks
from crossmodel.domain.watched import Notify, Watched, WatchedDict
from crossmodel.errors import InvalidInputError

INPUT_SHARE = 0.75
"""Share of input tokens in the blended price: three tokens read for one written."""

TOKENS_PER_PRICE = 1_000_000
"""Prices are quoted in USD per this many tokens."""


class ModelCapability(StrEnum):
    """The six things that models are compared on. Look-ups ignore case: ``("Coding")`` works."""

    REASONING = "reasoning"
    CREATIVITY = "creativity"
    ANALYSIS = "analysis"
    CODING = "coding"
    MATH = "math"
    LANGUAGE = "language"

    @classmethod
    def _missing_(cls, value: object) -> ModelCapability | None:
        folded = value.strip().lower() if isinstance(value, str) else None
        return next((member for member in cls if member.value == folded), None)

    @classmethod
    def parse(cls, value: str) -> ModelCapability:
        """The capability of that name.

        Raises:
            InvalidInputError: if there is none; the message lists those there are.
        """
        try:
            return cls(value)
        except ValueError:
            known = ", ".join(cls)
            raise InvalidInputError(f"unknown capability {value!r}; known are {known}") from None


class Feature(StrEnum):
    """What a request may need besides text: a model without it cannot answer at all."""

    TOOLS = "tools"
    VISION = "vision"
    JSON_SCHEMA = "json_schema"
    STREAMING = "streaming"

    @classmethod
    def parse(cls, value: str) -> Feature:
        """The feature of that name.

        Raises:
            InvalidInputError: if there is none; the message lists those there are.
        """
        try:
            return cls(value)
        except ValueError:
            raise InvalidInputError(
                f"unknown feature {value!r}; known are {', '.join(cls)}"
            ) from None


def coerce_capability(value: Any) -> Any:
    """An enum member where ``value`` names one, else ``value`` itself for the caller to refuse."""
    try:
        return ModelCapability(value)
    except ValueError:
        return value


@dataclass(slots=True)
class ModelCapabilityProfile(Watched):
    """One model as selection sees it. Checked when it is registered, not when it is made.

    Change it whenever you like: who selects among profiles notices.

    Attributes:
        model_id: what callers ask for.
        capabilities: score per capability, 0..1. Keys may be names; known ones become members.
        cost_per_token: USD per token, blended over input and output, 0..1.
        latency_ms: typical time to a whole answer, in milliseconds.
        quality_score: overall quality, 0..1.
        availability: share of time in which it answers, 0..1.
        metadata: whatever the caller wants kept with it.
        context_window: tokens that prompt and answer may have together; ``None`` for no limit.
        features: what it can do besides text.
    """

    model_id: str
    capabilities: dict[ModelCapability, float]
    cost_per_token: float = 0.0
    latency_ms: float = 0.0
    quality_score: float = 0.5
    availability: float = 1.0
    metadata: dict[str, Any] = field(default_factory=dict)
    context_window: int | None = None
    features: frozenset[str] = frozenset(Feature)

    def __post_init__(self) -> None:
        if isinstance(self.capabilities, Mapping):
            self.capabilities = {coerce_capability(k): v for k, v in self.capabilities.items()}

    def watch(self, notify: Notify) -> None:
        """Call ``notify`` after every change of a field, and of a score, from here on."""
        self.capabilities = WatchedDict(self.capabilities, self._changed)
        Watched.watch(self, notify)

    def _changed(self) -> None:
        for notify in self._watchers:
            notify()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles hold the fields; nobody watches them."""
        values = (getattr(self, each.name) for each in fields(self))
        return type(self), tuple(dict(v) if isinstance(v, WatchedDict) else v for v in values)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One row of the model table: where a model lives, what it takes, what it costs.

    Attributes:
        id: what clients ask for.
        provider: id of the provider that serves it.
        name: what the provider calls it; the same as ``id`` if empty.
        quality: overall quality, 0..1.
        capabilities: score per capability name, 0..1; every capability gets ``quality`` if empty.
        input_price: USD per million input tokens.
        output_price: USD per million output tokens.
        latency_ms: typical time to a whole answer, in milliseconds.
        context_window: tokens that prompt and answer may have together.
        max_output_tokens: tokens that one answer may have, where the model has such a limit.
        modalities: what it reads besides text; ``"text"`` is always among them.
        tools: whether it can call tools.
        json_schema: whether its answers can be bound to a JSON schema.
        streaming: whether it can answer piece by piece.
        fallbacks: ids of the models that are asked instead, in this order, when it fails.
        follows_system_prompt: small models often do not; insights then go into the user's turn.
        availability: share of time in which it answers, 0..1.

    Raises:
        InvalidInputError: naming the field, if a value is out of range.
    """

    id: str
    provider: str
    name: str = ""
    quality: float = 0.5
    capabilities: Mapping[str, float] = field(default_factory=dict)
    input_price: float = 0.0
    output_price: float = 0.0
    latency_ms: float = 1000.0
    context_window: int = 8192
    max_output_tokens: int | None = None
    modalities: tuple[str, ...] = ("text",)
    follows_system_prompt: bool = True
    availability: float = 1.0
    tools: bool = True
    json_schema: bool = True
    streaming: bool = True
    fallbacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks.text("id", self.id)
        checks.text("provider", self.provider)
        checks.unit_interval("quality", self.quality)
        checks.unit_interval("availability", self.availability)
        checks.not_negative("input_price", self.input_price)
        checks.not_negative("output_price", self.output_price)
        checks.limit("latency_ms", self.latency_ms)
        checks.at_least("context_window", self.context_window, 1)
        if self.max_output_tokens is not None:
            checks.at_least("max_output_tokens", self.max_output_tokens, 1)
        scores: dict[str, float] = {}
        for name, score in self.capabilities.items():
            checks.known_key("capabilities", name.lower(), ModelCapability)
            scores[name.lower()] = checks.unit_interval(f"capabilities.{name}", score)
        object.__setattr__(self, "capabilities", scores)
        object.__setattr__(self, "name", self.name or self.id)
        if "text" not in self.modalities:
            object.__setattr__(self, "modalities", ("text", *self.modalities))

    @property
    def blended_price_per_token(self) -> float:
        """USD per token, three tokens read for one written: the figure that selection compares."""
        blended = INPUT_SHARE * self.input_price + (1 - INPUT_SHARE) * self.output_price
        return blended / TOKENS_PER_PRICE

    @property
    def price_version(self) -> str:
        """Names the prices that a call was reckoned with: they change, and calls do not."""
        prices = f"{self.input_price!r}/{self.output_price!r}"
        return hashlib.sha256(prices.encode()).hexdigest()[:12]

    @property
    def features(self) -> frozenset[Feature]:
        """What it can do besides text."""
        able = {
            Feature.TOOLS: self.tools,
            Feature.VISION: "image" in self.modalities,
            Feature.JSON_SCHEMA: self.json_schema,
            Feature.STREAMING: self.streaming,
        }
        return frozenset(feature for feature, yes in able.items() if yes)

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """What a call with these token counts costs, in USD."""
        total = input_tokens * self.input_price + output_tokens * self.output_price
        return total / TOKENS_PER_PRICE

    def profile(self) -> ModelCapabilityProfile:
        """The row as selection sees it."""
        scores = self.capabilities or dict.fromkeys(ModelCapability, self.quality)
        return ModelCapabilityProfile(
            model_id=self.id,
            capabilities={ModelCapability(name): score for name, score in scores.items()},
            cost_per_token=self.blended_price_per_token,
            latency_ms=self.latency_ms,
            quality_score=self.quality,
            availability=self.availability,
            context_window=self.context_window,
            features=self.features,
        )
