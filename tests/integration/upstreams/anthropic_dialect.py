"""The Anthropic dialect: messages, the count of their tokens, models, and its errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from upstreams.answers import Call, Composition, Prompt
from upstreams.behaviours import ANSWERS, Behaviour
from upstreams.sse import Event

Json = dict[str, Any]
_STOP = {
    "stop": "end_turn", "length": "max_tokens", "sequence": "stop_sequence", "calls": "tool_use",
    "refusal": "refusal",
}  # fmt: skip
_ERRORS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def error(status: int, message: str, request_id: str = "req_test") -> Json:
    """The body of an error."""
    kind = _ERRORS.get(status, "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": request_id,
    }


def error_events() -> list[Event]:
    """How a stream says that it failed."""
    return [Event(error(529, "Overloaded"), "error")]


def prompt(body: Json) -> Prompt:
    """Reads a request."""
    read = Prompt(max_tokens=body.get("max_tokens"), stop=list(body.get("stop_sequences") or []))
    if body.get("system"):
        _read_blocks(read, "system", body["system"])
    for message in body["messages"]:
        read.results.clear()  # those of the last message count
        _read_blocks(read, message["role"], message["content"])
    if (body.get("tool_choice") or {}).get("type") != "none":
        read.tools = [
            (tool["name"], tool["input_schema"])
            for tool in body.get("tools") or []
            if "input_schema" in tool
        ]
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    read.schema = wanted.get("schema")
    return read


def _read_blocks(read: Prompt, role: str, content: Any) -> None:
    if isinstance(content, str):
        read.say(role, content)
        return
    texts = []
    for block in content:
        if block["type"] == "text":
            texts.append(block["text"])
        elif block["type"] == "image":
            source = block["source"]
            if source["type"] == "base64":
                read.show_bytes(source["media_type"], source["data"])
            else:
                read.show(source.get("url") or "")
        elif block["type"] == "tool_result":
            result = block.get("content") or ""
            read.results.append(result if isinstance(result, str) else json.dumps(result))
    read.say(role, "".join(texts))


def _usage(answer: Composition, output_tokens: int) -> Json:
    return {
        "input_tokens": answer.input_tokens - answer.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": answer.cached_tokens,
        "output_tokens": output_tokens,
    }


def _blocks(answer: Composition, key: str) -> list[tuple[Json, Call | None]]:
    """The blocks of the content, each call's beside it."""
    blocks: list[tuple[Json, Call | None]] = []
    if answer.thoughts:
        signature = f"sig{key[:20]}=="
        block = {"type": "thinking", "thinking": answer.thinking, "signature": signature}
        blocks.append((block, None))
    if answer.pieces:
        blocks.append(({"type": "text", "text": answer.text}, None))
    for number, call in enumerate(answer.calls):
        block = {
            "type": "tool_use",
            "id": f"toolu_{key[:20]}{number}",
            "name": call.name,
            "input": json.loads(call.arguments),
        }
        blocks.append((block, call))
    return blocks


def message(body: Json, answer: Composition, key: str, behaviour: Behaviour) -> Json:
    """A whole message; ``key`` tells answers apart."""
    whole: Json = {
        "id": f"msg_{key[:24]}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [block for block, _ in _blocks(answer, key)],
        "stop_reason": _STOP[answer.finish],
        "stop_sequence": answer.sequence,
    }
    if answer.finish == "refusal":
        whole["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    if "no-usage" not in behaviour:
        whole["usage"] = _usage(answer, answer.output_tokens)
    return whole


def message_events(
    body: Json, answer: Composition, key: str, behaviour: Behaviour
) -> Iterator[Event]:
    """The same as a stream."""
    for event in _message_opened(message(body, answer, key, behaviour), answer, key, behaviour):
        yield Event(event, event["type"])
    yield Event({"type": "message_stop"}, "message_stop", last=True)


def _message_opened(
    whole: Json, answer: Composition, key: str, behaviour: Behaviour
) -> Iterator[Json]:
    """All events but the last."""
    begun = {**whole, "content": [], "stop_reason": None, "stop_sequence": None}
    begun.pop("stop_details", None)
    if "usage" in begun:
        begun["usage"] = _usage(answer, 1)
    yield {"type": "message_start", "message": begun}
    if "unknown" in behaviour:
        yield {"type": "vendor_note", "index": 0}
    for index, (block, call) in enumerate(_blocks(answer, key)):
        empty, deltas = _opened(block, call, answer)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    names = ("stop_reason", "stop_sequence", "stop_details")
    ended: Json = {
        "type": "message_delta",
        "delta": {name: whole[name] for name in names if name in whole},
    }
    if "usage" in whole:
        ended["usage"] = {"output_tokens": answer.output_tokens}
    yield ended


def _opened(block: Json, call: Call | None, answer: Composition) -> tuple[Json, Iterable[Json]]:
    """A block as it begins, and what is added to it."""
    if call is not None:
        fragments = ["", *call.fragments()]
        return {**block, "input": {}}, (
            {"type": "input_json_delta", "partial_json": fragment} for fragment in fragments
        )
    if block["type"] == "thinking":
        thoughts = ({"type": "thinking_delta", "thinking": one} for one in answer.thoughts)
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, chain(thoughts, [signature])
    return {**block, "text": ""}, ({"type": "text_delta", "text": piece} for piece in answer.pieces)


def count(read: Prompt) -> Json:
    """How many tokens a request has."""
    return {"input_tokens": max(1, len(read.text.split()))}


def model(name: str) -> Json:
    """One model of the list."""
    return {
        "type": "model",
        "id": name,
        "display_name": name.title(),
        "created_at": "2023-11-14T22:13:20Z",
        "lifecycle": "active",
    }


def models() -> Json:
    """The list of models: one for each answer."""
    names = sorted(ANSWERS)
    return {
        "data": [model(name) for name in names],
        "has_more": False,
        "first_id": names[0],
        "last_id": names[-1],
    }
