"""Anthropic's messages, and every server that speaks them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from crossmodel.domain.completion import Completion, CompletionRequest, Message, Usage
from crossmodel.ports import TokenCounter
from crossmodel.providers.http import HttpApi
from crossmodel.providers.registry import API_VERSION

DEFAULT_MAX_TOKENS: Final = 4096
"""The API insists on a limit; this one is sent when the caller has none."""

FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
"""Their word for why an answer ended, in ours; others pass as they are."""


class _Block(msgspec.Struct):
    type: str
    text: str = ""


class _Usage(msgspec.Struct):
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cache_creation_input_tokens: int | None = 0
    cache_read_input_tokens: int | None = 0


class _Answer(msgspec.Struct):
    content: list[_Block]
    model: str = ""
    stop_reason: str | None = None
    usage: _Usage | None = None


class AnthropicProvider:
    """Calls ``POST {base_url}/v1/messages``."""

    def __init__(
        self,
        *,
        provider_id: str = "anthropic",
        base_url: str,
        api_key: str = "",
        timeout_seconds: float = 120.0,
    ) -> None:
        headers = {"anthropic-version": API_VERSION}
        self._api = HttpApi(
            provider_id=provider_id,
            base_url=base_url.rstrip("/").removesuffix("/v1") + "/",
            headers=headers | ({"authorization": f"Bearer {api_key}"} if api_key else {}),
            secret=api_key,
            timeout_seconds=timeout_seconds,
        )

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer, or raise a ``ProviderError`` within the time limit."""
        started = time.perf_counter()
        answer = await self._api.post("v1/messages", message_body(request), _Answer, request.model)
        usage = answer.usage or _Usage()
        read = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
        reason = answer.stop_reason or "stop"
        return Completion(
            text="".join(block.text for block in answer.content if block.type == "text"),
            model=answer.model or request.model,
            usage=Usage((usage.input_tokens or 0) + read, usage.output_tokens or 0),
            finish_reason=FINISH_REASONS.get(reason, reason),
            latency_ms=(time.perf_counter() - started) * 1000,
        )

    def token_counter(self, model: str) -> TokenCounter | None:  # noqa: ARG002 - the port's signature
        """None: the tokenizer is at the other end."""
        return None

    async def close(self) -> None:
        """Close the connections; safe to call twice."""
        await self._api.close()


def message_body(request: CompletionRequest) -> dict[str, Any]:
    """The request as the messages API takes it.

    System turns go into their own field, and turns of one role in a row become one turn. A
    temperature is sent where the caller set one: this version of the API no longer has it, and its
    refusal tells the caller more than our silence would.
    """
    system = "\n\n".join(m.content for m in request.messages if m.role == "system")
    turns = [m for m in request.messages if m.role != "system"]
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": [
            {"role": role, "content": "\n\n".join(m.content for m in same)}
            for role, same in itertools.groupby(turns, key=_role)
        ],
    }
    optional = {
        "system": system or None,
        "temperature": request.temperature,
        "stop_sequences": list(request.stop) or None,
        "output_config": _output_config(request.response_schema),
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    return body | dict(request.extra)


def _output_config(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if schema is None else {"format": {"type": "json_schema", "schema": dict(schema)}}


def _role(message: Message) -> str:
    return message.role
