"""The OpenAI dialect: chat, completions, responses, embeddings, models, and its errors."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any

from upstreams.answers import CREATED, Composition, Prompt
from upstreams.behaviours import ANSWERS, Behaviour
from upstreams.sse import Event

Json = dict[str, Any]
DONE = Event("[DONE]", last=True)
_FINISH = {"calls": "tool_calls", "length": "length"}
_ERRORS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "invalid_request_error", 429: "rate_limit_error",
}  # fmt: skip


def error(status: int, message: str, code: str | None = None) -> Json:
    """The body of an error."""
    kind = _ERRORS.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def error_events(body: Json, path: str, number: int) -> list[Event]:
    """How a stream says that it failed; ``number`` events came before."""
    if path.endswith("/responses"):
        event = {"type": "error", "code": "server_error", "message": "it broke", "param": None}
        return [Event({**event, "sequence_number": number}, "error")]
    return [Event(error(500, f"the model {body.get('model')} broke"))]


# --- what is asked


def chat_prompt(body: Json) -> Prompt:
    """Reads a chat request."""
    prompt = Prompt(max_tokens=body.get("max_completion_tokens", body.get("max_tokens")))
    stop = body.get("stop")
    prompt.stop = [stop] if isinstance(stop, str) else list(stop or [])
    for message in body["messages"]:
        _read_parts(prompt, message["role"], message.get("content"))
    _, results = _after_last(body["messages"], lambda message: message["role"] == "tool")
    prompt.results = [_plain(message.get("content")) for message in results]
    if body.get("tool_choice") != "none":
        prompt.tools = [
            (tool["function"]["name"], tool["function"].get("parameters") or {})
            for tool in body.get("tools") or []
            if tool.get("type") == "function"
        ]
    wanted = body.get("response_format") or {}
    prompt.schema = (wanted.get("json_schema") or {}).get("schema")
    return prompt


def completion_prompt(body: Json) -> Prompt:
    """Reads a request of the old completions."""
    asked = body["prompt"]
    prompt = Prompt(max_tokens=body.get("max_tokens"))
    prompt.say("user", asked if isinstance(asked, str) else json.dumps(asked))
    stop = body.get("stop")
    prompt.stop = [stop] if isinstance(stop, str) else list(stop or [])
    return prompt


def responses_prompt(body: Json) -> Prompt:
    """Reads a request of the responses interface."""
    prompt = Prompt(max_tokens=body.get("max_output_tokens"))
    if body.get("instructions"):
        prompt.say("system", body["instructions"])
    items = body["input"]
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    for item in items:
        if "role" in item:
            _read_parts(prompt, item["role"], item.get("content"))
    _, results = _after_last(items, lambda item: item.get("type") == "function_call_output")
    prompt.results = [_plain(item.get("output")) for item in results]
    if body.get("tool_choice") != "none":
        prompt.tools = [
            (tool["name"], tool.get("parameters") or {})
            for tool in body.get("tools") or []
            if tool.get("type") == "function"
        ]
    prompt.schema = ((body.get("text") or {}).get("format") or {}).get("schema")
    return prompt


def _after_last(items: list[Json], wanted: Any) -> tuple[list[Json], list[Json]]:
    """The list cut where the run of wanted items at its end begins."""
    at = len(items)
    while at and wanted(items[at - 1]):
        at -= 1
    return items[:at], items[at:]


def _plain(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _read_parts(prompt: Prompt, role: str, content: Any) -> None:
    if content is None:
        return
    if isinstance(content, str):
        prompt.say(role, content)
        return
    texts = []
    for part in content:
        if part["type"] in {"text", "input_text", "output_text"}:
            texts.append(part["text"])
        elif part["type"] in {"image_url", "input_image"}:
            url = part.get("image_url") or part.get("file_id") or ""
            prompt.show(url if isinstance(url, str) else url["url"])
    prompt.say(role, "".join(texts))


# --- chat


def _usage(answer: Composition) -> Json:
    usage: Json = {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }
    if answer.cached_tokens:
        usage["prompt_tokens_details"] = {"cached_tokens": answer.cached_tokens, "audio_tokens": 0}
    if answer.thoughts:
        usage["completion_tokens_details"] = {"reasoning_tokens": len(answer.thoughts)}
    return usage


def _call_id(key: str, number: int) -> str:
    return f"call_{key[:16]}{number}"


def chat(body: Json, answer: Composition, key: str, behaviour: Behaviour) -> Json:
    """A whole chat completion; ``key`` tells answers apart."""
    refused = answer.finish == "refusal"
    message: Json = {
        "role": "assistant",
        "content": None if refused else answer.text or None,
        "refusal": answer.text if refused else None,
    }
    if answer.thoughts:
        message["reasoning_content"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = [
            {
                "id": _call_id(key, number),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for number, call in enumerate(answer.calls)
        ]
    finish = _FINISH.get(answer.finish, "stop")
    whole: Json = {
        "id": f"chatcmpl-{key[:24]}",
        "object": "chat.completion",
        "created": CREATED,
        "model": body["model"],
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
            for index in range(body.get("n") or 1)
        ],
        "system_fingerprint": "fp_test",
    }
    if "no-usage" not in behaviour:
        whole["usage"] = _usage(answer)
    return whole


def chat_events(body: Json, answer: Composition, key: str, behaviour: Behaviour) -> Iterator[Event]:
    """The same as a stream: choices and the calls within them take turns."""
    counted = bool((body.get("stream_options") or {}).get("include_usage"))
    counted = counted and "no-usage" not in behaviour
    choices = range(body.get("n") or 1)

    def chunk(choices: list[Json], **more: Any) -> Event:
        return Event(
            {
                "id": f"chatcmpl-{key[:24]}",
                "object": "chat.completion.chunk",
                "created": CREATED,
                "model": body["model"],
                "choices": choices,
                "system_fingerprint": "fp_test",
                **({"usage": None} if counted else {}),
                **more,
            }
        )

    def delta(index: int, what: Json, finish: str | None = None) -> Event:
        return chunk([{"index": index, "delta": what, "logprobs": None, "finish_reason": finish}])

    yield from (delta(index, {"role": "assistant", "content": ""}) for index in choices)
    if "unknown" in behaviour:
        yield Event({"object": "vendor.note", "choices": []}, "vendor_note")
    said = "refusal" if answer.finish == "refusal" else "content"
    deltas = chain(
        ({"reasoning_content": thought} for thought in answer.thoughts),
        ({said: piece} for piece in answer.pieces),
        _call_deltas(answer, key),
    )
    yield from (delta(index, one) for one in deltas for index in choices)
    yield from (delta(index, {}, _FINISH.get(answer.finish, "stop")) for index in choices)
    if counted:
        yield chunk([], usage=_usage(answer))
    yield DONE


def _call_deltas(answer: Composition, key: str) -> list[Json]:
    deltas = [
        {
            "tool_calls": [
                {
                    "index": number,
                    "id": _call_id(key, number),
                    "type": "function",
                    "function": {"name": call.name, "arguments": ""},
                }
            ]
        }
        for number, call in enumerate(answer.calls)
    ]
    fragments = [call.fragments() for call in answer.calls]
    for turn in range(max(map(len, fragments), default=0)):
        deltas += [
            {"tool_calls": [{"index": number, "function": {"arguments": pieces[turn]}}]}
            for number, pieces in enumerate(fragments)
            if turn < len(pieces)
        ]
    return deltas


# --- completions, embeddings, models


def completion(body: Json, answer: Composition, key: str, behaviour: Behaviour) -> Json:
    """A whole answer of the old completions."""
    finish = "length" if answer.finish == "length" else "stop"
    whole: Json = {
        "id": f"cmpl-{key[:24]}",
        "object": "text_completion",
        "created": CREATED,
        "model": body["model"],
        "choices": [{"index": 0, "text": answer.text, "logprobs": None, "finish_reason": finish}],
    }
    if "no-usage" not in behaviour:
        whole["usage"] = _usage(answer)
    return whole


def completion_events(
    body: Json, answer: Composition, key: str, behaviour: Behaviour
) -> Iterator[Event]:
    """The same as a stream."""
    shape = {"id": f"cmpl-{key[:24]}", "object": "text_completion", "created": CREATED}
    finish = "length" if answer.finish == "length" else "stop"

    def chunk(text: str, ended: str | None) -> Event:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": ended}
        return Event({**shape, "model": body["model"], "choices": [choice]})

    yield from (chunk(piece, None) for piece in answer.pieces)
    yield chunk("", finish)
    if (body.get("stream_options") or {}).get("include_usage") and "no-usage" not in behaviour:
        usage = _usage(answer)
        yield Event({**shape, "model": body["model"], "choices": [], "usage": usage})
    yield DONE


def embeddings(body: Json) -> Json:
    """Vectors that depend on each input, 16 numbers unless ``dimensions`` says otherwise."""
    asked = body["input"]
    inputs = asked if isinstance(asked, list) and not _is_tokens(asked) else [asked]
    data = []
    for index, text in enumerate(inputs):
        vector = _vector(_plain(text), body.get("dimensions") or 16)
        encoded: Any = vector
        if body.get("encoding_format") == "base64":
            encoded = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": encoded})
    tokens = sum(len(_plain(text).split()) for text in inputs)
    return {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _is_tokens(asked: list[Any]) -> bool:
    return bool(asked) and isinstance(asked[0], int)


def _vector(text: str, dimensions: int) -> list[float]:
    seed = hashlib.shake_256(text.encode(errors="replace")).digest(dimensions)
    return [(byte - 128) / 128 for byte in seed]


def model(name: str) -> Json:
    """One model of the list."""
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "upstream"}


def models() -> Json:
    """The list of models: one for each answer."""
    return {"object": "list", "data": [model(name) for name in sorted(ANSWERS)]}


# --- responses


def responses(body: Json, answer: Composition, key: str, behaviour: Behaviour) -> Json:
    """A whole response."""
    short = answer.finish == "length"
    whole: Json = {
        "id": f"resp_{key[:24]}",
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if short else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if short else None,
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": _items(answer, key),
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
    }
    if "no-usage" not in behaviour:
        whole["usage"] = {
            "input_tokens": answer.input_tokens,
            "input_tokens_details": {
                "cached_tokens": answer.cached_tokens,
                "cache_write_tokens": 0,
            },
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": len(answer.thoughts)},
            "total_tokens": answer.input_tokens + answer.output_tokens,
        }
    return whole


def _items(answer: Composition, key: str) -> list[Json]:
    items: list[Json] = []
    if answer.thoughts:
        summary = [{"type": "summary_text", "text": answer.thinking}]
        items.append({"id": f"rs_{key[:16]}", "type": "reasoning", "summary": summary})
    if answer.pieces or not answer.calls:
        items.append(
            {
                "id": f"msg_{key[:16]}",
                "type": "message",
                "role": "assistant",
                "status": "incomplete" if answer.finish == "length" else "completed",
                "content": [_part(answer, answer.text)],
            }
        )
    items += [
        {
            "id": f"fc_{key[:16]}{number}",
            "type": "function_call",
            "call_id": _call_id(key, number),
            "name": call.name,
            "arguments": call.arguments,
            "status": "completed",
        }
        for number, call in enumerate(answer.calls)
    ]
    return items


def _part(answer: Composition, text: str) -> Json:
    if answer.finish == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def responses_events(
    body: Json, answer: Composition, key: str, behaviour: Behaviour
) -> Iterator[Event]:
    """The same as a stream of typed, numbered events."""
    whole = responses(body, answer, key, behaviour)
    ended = {"type": f"response.{whole['status']}", "response": whole}
    events = chain(_responses_opened(whole, answer, behaviour), [ended])
    for number, event in enumerate(events):
        yield Event({**event, "sequence_number": number}, event["type"], last=event is ended)


def _responses_opened(whole: Json, answer: Composition, behaviour: Behaviour) -> Iterator[Json]:
    """All events but the last."""
    begun = {**whole, "status": "in_progress", "output": [], "incomplete_details": None}
    begun.pop("usage", None)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    if "unknown" in behaviour:
        yield {"type": "response.vendor_note"}
    calls = iter(answer.calls)
    for index, item in enumerate(whole["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        opened = {"type": "response.output_item.added", "output_index": index}
        if item["type"] == "reasoning":
            yield {**opened, "item": {**item, "summary": []}}
            yield from _reasoning_events(answer, at)
        elif item["type"] == "message":
            yield {**opened, "item": {**item, "content": [], "status": "in_progress"}}
            yield from _message_events(answer, at)
        else:
            yield {**opened, "item": {**item, "arguments": "", "status": "in_progress"}}
            kind = "response.function_call_arguments"
            for piece in next(calls).fragments():
                yield {"type": f"{kind}.delta", **at, "delta": piece}
            yield {"type": f"{kind}.done", **at, "arguments": item["arguments"]}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _reasoning_events(answer: Composition, at: Json) -> list[Json]:
    at = {**at, "summary_index": 0}
    kind = "response.reasoning_summary"
    empty, full = ({"type": "summary_text", "text": text} for text in ("", answer.thinking))
    return [
        {"type": f"{kind}_part.added", **at, "part": empty},
        *({"type": f"{kind}_text.delta", **at, "delta": thought} for thought in answer.thoughts),
        {"type": f"{kind}_text.done", **at, "text": answer.thinking},
        {"type": f"{kind}_part.done", **at, "part": full},
    ]


def _message_events(answer: Composition, at: Json) -> Iterator[Json]:
    at = {**at, "content_index": 0}
    refused = answer.finish == "refusal"
    kind = "response.refusal" if refused else "response.output_text"
    more: Json = {} if refused else {"logprobs": []}
    done = {"refusal" if refused else "text": answer.text}
    yield {"type": "response.content_part.added", **at, "part": _part(answer, "")}
    for piece in answer.pieces:
        yield {"type": f"{kind}.delta", **at, "delta": piece, **more}
    yield {"type": f"{kind}.done", **at, **done, **more}
    yield {"type": "response.content_part.done", **at, "part": _part(answer, answer.text)}
