"""Models that run in this process, or are asked through an adapter: they answer like a server."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any, Final

import msgspec

from crossmodel.domain.completion import ROLES, Completion, CompletionRequest, Message
from crossmodel.domain.ids import time_ordered_id
from crossmodel.errors import (
    CrossModelError,
    InvalidInputError,
    ProviderRateLimitError,
    ProviderTimeoutError,
)
from crossmodel.gateway.http1 import Header
from crossmodel.gateway.peek import texts_of
from crossmodel.gateway.translation.errors import error_body
from crossmodel.gateway.translation.reading import list_of, number_of, object_of, text_of
from crossmodel.gateway.upstream import Call, Receiver, ResponseHead
from crossmodel.ports import Provider
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.sse import DONE, write_event

logger = logging.getLogger(__name__)

KNOWN: Final = frozenset(
    {
        "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "seed", "stop",
        "stream", "stream_options", "response_format", "n", "user", "metadata", "store", "top_p",
        "frequency_penalty", "presence_penalty",
    }
)  # fmt: skip
"""Fields that are understood, or that change an answer only by degrees."""

LIMITS: Final = ("max_completion_tokens", "max_tokens")

TOOL_FIELDS: Final = ("tools", "functions", "logprobs", "audio", "modalities")

JSON: Final = b"application/json"
EVENTS: Final = b"text/event-stream; charset=utf-8"


class InProcess:
    """Asks a provider's adapter for a chat completion, and answers as an HTTP server would."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._tasks: set[asyncio.Task[None]] = set()

    def compose(self, path: bytes, lines: bytes, body: bytes) -> bytes:  # noqa: ARG002 - the port's
        """The body: nothing else is needed."""
        return body

    def send(self, request: bytes, receiver: Receiver) -> Call:
        """Answer a chat completion request; ``receiver`` is told as if it came over a wire."""
        task = asyncio.get_running_loop().create_task(self._answer(request, receiver))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return _InProcessCall(task)

    def sweep(self, now: float) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Stop whatever is under way; the adapter itself belongs to somebody else."""
        for task in self._tasks:
            task.cancel()

    async def _answer(self, body: bytes, receiver: Receiver) -> None:
        status, kind, more = 200, JSON, []
        try:
            asked = _read(body)
            completion = await self._provider.complete(_request(asked))
            if asked.get("stream") is True:
                kind, said = EVENTS, _events(asked, completion)
            else:
                said = msgspec.json.encode(_completion(asked, completion))
        except CrossModelError as error:
            status, more = _status(error), _wait(error)
            said = error_body(status, str(error), Dialect.CHAT)
        except Exception:
            logger.exception("a provider's adapter failed")
            receiver.on_failure("the provider's adapter failed", was_sent=True)
            return
        receiver.on_head(ResponseHead(status, [(b"content-type", kind), *more], len(said), kind))
        receiver.on_data(said)
        receiver.on_end(is_delimited=True)


class _InProcessCall:
    """An answer that is being made: it comes in one piece, so that nothing can be paused."""

    __slots__ = ("_task",)

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def pause(self) -> None:
        """It comes in one piece."""

    def resume(self) -> None:
        """It comes in one piece."""

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._task.cancel()


def _status(error: CrossModelError) -> int:
    if isinstance(error, InvalidInputError):
        return 400
    if isinstance(error, ProviderRateLimitError):
        return 429
    return 504 if isinstance(error, ProviderTimeoutError) else 502


def _wait(error: CrossModelError) -> list[Header]:
    """For how long the provider asks to be left alone, where it does."""
    seconds = error.retry_after_seconds if isinstance(error, ProviderRateLimitError) else None
    return [] if seconds is None else [(b"retry-after", b"%d" % math.ceil(seconds))]


def _read(body: bytes) -> dict[str, Any]:
    """The body, decoded to its depths.

    Raises:
        InvalidInputError: if it holds what cannot be read, such as a number out of range.
    """
    try:
        return object_of(msgspec.json.decode(body), "the body")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"the body cannot be read: {error}") from None


def _request(asked: dict[str, Any]) -> CompletionRequest:
    """The request in our terms.

    Raises:
        InvalidInputError: if it asks for what such a model cannot do; the message names the field.
    """
    for name in TOOL_FIELDS:
        if asked.get(name):
            raise InvalidInputError(f"{name}: this model answers in text alone")
    if asked.get("n") not in (None, 1):
        raise InvalidInputError("n: this model gives one answer")
    if unknown := sorted(asked.keys() - KNOWN - set(TOOL_FIELDS)):
        raise InvalidInputError(f"{unknown[0]}: this model knows no such field")
    turns = list_of(asked.get("messages"), "messages")
    limits = [number_of(asked[name], name) for name in LIMITS if asked.get(name) is not None]
    object_of(asked.get("stream_options") or {}, "stream_options")
    return CompletionRequest(
        model=str(asked["model"]),
        messages=tuple(_message(turn, f"messages[{at}]") for at, turn in enumerate(turns)),
        max_tokens=int(min(limits)) if limits else None,
        temperature=_number(asked, "temperature"),
        seed=_whole(asked, "seed"),
        stop=_stop(asked.get("stop")),
        response_schema=_schema(asked.get("response_format")),
    )


def _number(asked: dict[str, Any], name: str) -> float | None:
    value = asked.get(name)
    return None if value is None else number_of(value, name)


def _whole(asked: dict[str, Any], name: str) -> int | None:
    value = _number(asked, name)
    if value is not None and value != int(value):
        raise InvalidInputError(f"{name} must be a whole number")
    return None if value is None else int(value)


def _stop(stop: object) -> tuple[str, ...]:
    if stop is None or isinstance(stop, str):
        return () if stop is None else (stop,)
    return tuple(text_of(each, f"stop[{at}]") for at, each in enumerate(list_of(stop, "stop")))


def _message(turn: object, path: str) -> Message:
    read = object_of(turn, path)
    role, content = text_of(read.get("role"), f"{path}.role"), read.get("content")
    if isinstance(content, list) and not all(
        isinstance(part, dict) and part.get("type") in {"text", None} for part in content
    ):
        raise InvalidInputError(f"{path}.content: this model reads text alone")
    role = "system" if role == "developer" else role
    for known in ROLES:
        if role == known:
            return Message(known, "\n".join(texts_of(content)))
    raise InvalidInputError(f"{path}.role: this model knows no role {role!r:.100}")


def _schema(wanted: object) -> dict[str, Any] | None:
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    schema = object_of(wanted.get("json_schema"), "response_format.json_schema").get("schema")
    return object_of(schema, "response_format.json_schema.schema")


def _usage(completion: Completion) -> dict[str, int]:
    read, written = completion.usage.input_tokens, completion.usage.output_tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _completion(asked: dict[str, Any], completion: Completion) -> dict[str, Any]:
    return {
        "id": time_ordered_id("chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": completion.model or asked["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": completion.text},
                "logprobs": None,
                "finish_reason": completion.finish_reason,
            }
        ],
        "usage": _usage(completion),
    }


def _events(asked: dict[str, Any], completion: Completion) -> bytes:
    """The answer as a stream: who asked for one reads nothing else."""
    shared = {
        "id": time_ordered_id("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": completion.model or asked["model"],
    }
    said = {"role": "assistant", "content": completion.text}
    steps: list[tuple[dict[str, Any], str | None]] = [(said, None), ({}, completion.finish_reason)]
    chunks = [
        shared | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in steps
    ]
    if (asked.get("stream_options") or {}).get("include_usage"):
        chunks.append(shared | {"choices": [], "usage": _usage(completion)})
    return b"".join(write_event(msgspec.json.encode(chunk)) for chunk in chunks) + DONE
