"""A question to a model, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str

    def __post_init__(self) -> None:
        checks.one_of("role", self.role, ROLES)
        if not isinstance(self.content, str):
            raise InvalidInputError(f"content must be a string, not {type(self.content).__name__}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens
        )


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What is sent to a provider.

    Attributes:
        model: what the provider calls the model.
        messages: the conversation; the last turn is the one to answer.
        max_tokens: most tokens of the answer; the provider's own limit if ``None``.
        temperature: 0 for the likeliest answer; the provider's own default if ``None``.
        seed: for providers that offer one.
        stop: texts that end the answer.
        extra: fields of the provider's own API, passed on untouched.
        response_schema: a JSON schema that binds the answer, where the provider can do that. What
            all of them enforce: objects with every property required and no others.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    response_schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        checks.text("model", self.model)
        if not self.messages:
            raise InvalidInputError("messages must hold at least one turn")
        if self.max_tokens is not None:
            checks.at_least("max_tokens", self.max_tokens, 1)
        if self.temperature is not None:
            checks.not_negative("temperature", self.temperature)

    def without_schema(self) -> CompletionRequest:
        """The same request with an unbound answer."""
        return replace(self, response_schema=None)


@dataclass(frozen=True, slots=True)
class Completion:
    """A provider's answer. ``model`` is the model that the provider says has answered."""

    text: str
    model: str
    usage: Usage = Usage()
    finish_reason: str = "stop"
    latency_ms: float = 0.0
