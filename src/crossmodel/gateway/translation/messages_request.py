"""A Messages request as a chat request."""

from __future__ import annotations

from typing import Any, Final

from crossmodel.gateway.translation.content import to_part
from crossmodel.gateway.translation.hints import BLOCK_HINTS, MESSAGES_HINTS
from crossmodel.gateway.translation.reading import (
    Json,
    flag_of,
    list_of,
    object_of,
    only,
    refuse,
    text_of,
)
from crossmodel.gateway.translation.tools import block_to_call, choice_to_chat, tools_to_chat

_SAME: Final = ("model", "stream", "temperature", "top_p", "top_k")
_KNOWN: Final = frozenset({
    *_SAME, "context_management", "max_tokens", "messages", "metadata", "output_config",
    "stop_sequences", "system", "thinking", "tool_choice", "tools",
})  # fmt: skip
_EFFORTS: Final = frozenset({"low", "medium", "high", "xhigh", "max"})
_THINKING: Final = frozenset({"adaptive", "between_tools", "disabled", "enabled"})
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})

ERROR_MARK: Final = "Error: "
"""Begins the result of a tool that failed: chat has no other way to say so."""

IMAGES_FOLLOW: Final = "(The result is shown in the next message.)"
"""Stands for a tool's result that is only images: chat takes them from users alone."""


def messages_to_chat(body: Json, *, limit_field: str = "max_completion_tokens") -> Json:
    """The chat request that asks for the same.

    Tool results become messages of their own; images among them follow in a user message. A stream
    is asked to end with its usage, which Messages always states.

    Args:
        body: the Messages request.
        limit_field: what the chosen server calls the limit on an answer's tokens.

    Raises:
        InvalidInputError: for a field that is malformed or that chat cannot express.
    """
    only(object_of(body, "body"), "", _KNOWN, MESSAGES_HINTS)
    made: Json = {name: body[name] for name in _SAME if body.get(name) is not None}
    text_of(made.get("model"), "model")
    limit = body.get("max_tokens")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise refuse("max_tokens", "must be a whole number of at least 1 for a chat model")
    made[limit_field] = limit
    made["messages"] = _system(body.get("system"))
    for n, message in enumerate(list_of(body.get("messages"), "messages")):
        path = f"messages[{n}]"
        made["messages"] += _turn(object_of(message, path), path)
    if made.get("stream"):
        made["stream_options"] = {"include_usage": True}
    if body.get("stop_sequences"):
        stops = list_of(body["stop_sequences"], "stop_sequences")
        made["stop"] = [text_of(one, f"stop_sequences[{n}]") for n, one in enumerate(stops)]
    if body.get("metadata") is not None:
        metadata = object_of(body["metadata"], "metadata")
        only(metadata, "metadata", ("user_id",))
        if metadata.get("user_id") is not None:
            made["user"] = text_of(metadata["user_id"], "metadata.user_id")
    if body.get("tools"):
        made["tools"] = tools_to_chat(body["tools"])
    if body.get("tool_choice") is not None:
        choice = choice_to_chat(body["tool_choice"])
        if made.get("tools") or choice["tool_choice"] not in ("auto", "none"):
            made |= choice  # chat refuses the others where there is nothing to choose
    _check_context(body.get("context_management"))
    return made | _output(body)


def _check_context(given: object) -> None:
    """Only thoughts may be asked to be cleared: a chat model does not get them anyway."""
    if given is None:
        return
    edits = object_of(given, "context_management").get("edits") or []
    for n, edit in enumerate(list_of(edits, "context_management.edits")):
        path = f"context_management.edits[{n}]"
        kind = text_of(object_of(edit, path).get("type"), f"{path}.type")
        if not kind.startswith("clear_thinking"):
            raise refuse(path, "a chat model's API cannot edit the conversation; leave it out")


def _output(body: Json) -> Json:
    made: dict[str, Any] = {}
    if body.get("thinking") is not None:
        thinking = object_of(body["thinking"], "thinking")
        if text_of(thinking.get("type"), "thinking.type") not in _THINKING:
            raise refuse("thinking.type", f"must be one of {', '.join(sorted(_THINKING))}")
        if thinking["type"] == "disabled":
            made["reasoning_effort"] = "none"
    if body.get("output_config") is None:
        return made
    config = object_of(body["output_config"], "output_config")
    only(config, "output_config", ("effort", "format"))
    effort = config.get("effort")
    if effort is not None and "reasoning_effort" not in made:
        if text_of(effort, "output_config.effort") not in _EFFORTS:
            raise refuse("output_config.effort", f"must be one of {', '.join(sorted(_EFFORTS))}")
        made["reasoning_effort"] = effort
    if config.get("format") is not None:
        wanted = object_of(config["format"], "output_config.format")
        if wanted.get("type") != "json_schema":
            raise refuse("output_config.format.type", "must be json_schema")
        schema = object_of(wanted.get("schema"), "output_config.format.schema")
        named = {"name": "answer", "schema": schema, "strict": True}
        made["response_format"] = {"type": "json_schema", "json_schema": named}
    return made


def _system(system: object) -> list[Json]:
    if system is None or system in ("", []):
        return []
    return [{"role": "system", "content": _texts(system, "system")}]


def _texts(content: object, path: str) -> str | list[Json]:
    """Content that holds nothing but text."""
    parts = _parts(content, path)
    for part in parts:
        if part["type"] != "text":
            raise refuse(path, "must hold text only here")
    return _shortest(parts)


def _blocks(content: object, path: str) -> list[tuple[str, Json]]:
    """Content as blocks, each with its path."""
    if isinstance(content, str):
        return [(path, {"type": "text", "text": content})]
    return [
        (f"{path}[{n}]", object_of(block, f"{path}[{n}]"))
        for n, block in enumerate(list_of(content, path))
    ]


def _parts(content: object, path: str) -> list[Json]:
    return [to_part(block, where) for where, block in _blocks(content, path)]


def _shortest(parts: list[Json]) -> str | list[Json]:
    if not parts:
        return ""
    if len(parts) == 1 and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    return parts


def _turn(message: Json, path: str) -> list[Json]:
    only(message, path, ("role", "content"))
    role, content, where = message.get("role"), message.get("content"), f"{path}.content"
    if role == "user":
        return _user(_blocks(content, where))
    if role == "assistant":
        return _assistant(_blocks(content, where))
    if role == "system":
        return [{"role": "system", "content": _texts(content, where)}]
    raise refuse(f"{path}.role", f"must be user, assistant or system, not {role!r}")


def _user(blocks: list[tuple[str, Json]]) -> list[Json]:
    results: list[Json] = []
    parts: list[Json] = []
    for path, block in blocks:
        if block.get("type") == "tool_result":
            result, images = _result(block, path)
            results.append(result)
            parts += images
        else:
            parts.append(to_part(block, path))
    return [*results, {"role": "user", "content": _shortest(parts)}] if parts else results


def _result(block: Json, path: str) -> tuple[Json, list[Json]]:
    known = ("type", "tool_use_id", "content", "is_error")
    only(block, path, known, BLOCK_HINTS)
    given = block.get("content")
    parts = [] if given is None else _parts(given, f"{path}.content")
    texts = [part for part in parts if part["type"] == "text"]
    others = [part for part in parts if part["type"] != "text"]
    if others and not texts:
        texts.append({"type": "text", "text": IMAGES_FOLLOW})
    failed = block.get("is_error")
    if failed is not None and flag_of(failed, f"{path}.is_error"):
        if not texts:
            texts.append({"type": "text", "text": ""})
        texts[0] = {"type": "text", "text": ERROR_MARK + texts[0]["text"]}
    called = text_of(block.get("tool_use_id"), f"{path}.tool_use_id")
    return {"role": "tool", "tool_call_id": called, "content": _shortest(texts)}, others


def _assistant(blocks: list[tuple[str, Json]]) -> list[Json]:
    texts: list[Json] = []
    calls: list[Json] = []
    for path, block in blocks:
        kind = block.get("type")
        if isinstance(kind, str) and kind in _THOUGHTS:
            continue
        if kind == "tool_use":
            only(block, path, ("type", "id", "name", "input"), BLOCK_HINTS)
            calls.append(block_to_call(block, path))
        elif kind == "text":
            texts.append(to_part(block, path))
        else:
            raise refuse(f"{path}.type", f"{kind!r} cannot be sent to a chat model")
    if not texts and not calls:
        return []
    made: Json = {"role": "assistant", "content": _shortest(texts) if texts else None}
    if calls:
        made["tool_calls"] = calls
    return [made]
