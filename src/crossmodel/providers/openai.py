"""OpenAI's chat completions, and every server that speaks them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from crossmodel.domain.completion import Completion, CompletionRequest, Usage
from crossmodel.errors import ProviderResponseError
from crossmodel.ports import TokenCounter
from crossmodel.providers.http import HttpApi


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0


class ChatCompletion(msgspec.Struct):
    """What we read of a chat completion; servers may send more."""

    choices: list[_Choice]
    model: str = ""
    usage: _Usage | None = None


class OpenAIProvider:
    """Calls ``POST {base_url}/chat/completions``."""

    def __init__(
        self,
        *,
        provider_id: str = "openai",
        base_url: str,
        api_key: str = "",
        timeout_seconds: float = 120.0,
    ) -> None:
        self._provider_id = provider_id
        self._limit = limit_field(base_url)
        self._api = HttpApi(
            provider_id=provider_id,
            base_url=base_url.rstrip("/") + "/",
            headers={"authorization": f"Bearer {api_key}"} if api_key else {},
            secret=api_key,
            timeout_seconds=timeout_seconds,
        )

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer, or raise a ``ProviderError`` within the time limit."""
        started = time.perf_counter()
        body = chat_body(request, limit=self._limit)
        answer = await self._api.post("chat/completions", body, ChatCompletion, request.model)
        elapsed = (time.perf_counter() - started) * 1000
        return read_chat_completion(answer, request, self._provider_id, elapsed)

    def token_counter(self, model: str) -> TokenCounter | None:  # noqa: ARG002 - the port's signature
        """None: the tokenizer is at the other end."""
        return None

    async def close(self) -> None:
        """Close the connections; safe to call twice."""
        await self._api.close()


def limit_field(base_url: str) -> str:
    """What the server calls the limit on an answer's tokens.

    OpenAI's reasoning models refuse the old name; most other servers know no other.
    """
    return "max_completion_tokens" if "//api.openai.com/" in f"{base_url}/" else "max_tokens"


def chat_body(request: CompletionRequest, *, limit: str = "max_tokens") -> dict[str, Any]:
    """The request as chat completions take it; what is not set is not sent."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
    }
    optional = {
        limit: request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "response_format": _response_format(request.response_schema),
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    return body | dict(request.extra)


def _response_format(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    named = {"name": "answer", "schema": dict(schema), "strict": True}
    return {"type": "json_schema", "json_schema": named}


def read_chat_completion(
    answer: ChatCompletion, request: CompletionRequest, provider_id: str, latency_ms: float
) -> Completion:
    """The answer in our terms.

    Raises:
        ProviderResponseError: if it holds no choice.
    """
    if not answer.choices:
        raise ProviderResponseError(
            "the answer holds no choice", provider=provider_id, model=request.model, status=200
        )
    choice = answer.choices[0]
    content = choice.message.content
    if isinstance(content, list):
        content = "".join(part.text or "" for part in content)
    usage = answer.usage or _Usage()
    return Completion(
        text=content or choice.message.refusal or "",
        model=answer.model or request.model,
        usage=Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0),
        finish_reason=choice.finish_reason or "stop",
        latency_ms=latency_ms,
    )
