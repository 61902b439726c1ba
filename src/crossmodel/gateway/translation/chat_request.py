"""A chat request as a Messages request."""

from __future__ import annotations

from typing import Any, Final

from crossmodel.gateway.translation.content import (
    shortest,
    text_block,
    text_blocks,
    to_blocks,
)
from crossmodel.gateway.translation.hints import CHAT_HINTS, CHAT_NEUTRAL, TURN_HINTS
from crossmodel.gateway.translation.reading import (
    Json,
    flag_of,
    list_of,
    number_of,
    object_of,
    only,
    only_neutral,
    refuse,
    text_of,
    tool_id,
)
from crossmodel.gateway.translation.tools import (
    call_to_block,
    choice_to_messages,
    tools_to_messages,
)

_SAME: Final = ("model", "stream", "temperature", "top_p", "top_k")
_KNOWN: Final = frozenset({
    *_SAME, "max_completion_tokens", "max_tokens", "messages", "parallel_tool_calls",
    "reasoning_effort", "response_format", "safety_identifier", "stop", "stream_options",
    "tool_choice", "tools", "user",
})  # fmt: skip
_SYSTEM: Final = frozenset({"system", "developer"})
_EFFORTS: Final = {"minimal": "low"} | {
    effort: effort for effort in ("low", "medium", "high", "xhigh", "max")
}
"""Chat's measures of reasoning in Messages' words. Its smallest has the next one as its nearest."""


def chat_to_messages(body: Json, *, default_max_tokens: int) -> Json:
    """The Messages request that asks for the same.

    System and developer messages before the first turn become ``system``; later ones stay where
    they are. Turns of one role in a row become one turn, with tool results first, as the API reads
    them. A temperature above 1, the most that Messages knows, becomes 1.

    Args:
        body: the chat request.
        default_max_tokens: the limit on the answer where the client set none: Messages needs one.

    Raises:
        InvalidInputError: for a field that is malformed or that Messages cannot express.
    """
    only(object_of(body, "body"), "", _KNOWN, CHAT_HINTS | CHAT_NEUTRAL.keys())
    only_neutral(body, CHAT_NEUTRAL)
    system, turns = _conversation(list_of(body.get("messages"), "messages"))
    made: Json = {"max_tokens": _limit(body, default_max_tokens), "messages": turns}
    made |= {name: body[name] for name in _SAME if body.get(name) is not None}
    text_of(made.get("model"), "model")
    if system:
        made["system"] = shortest(system)
    if "temperature" in made:
        made["temperature"] = min(number_of(made["temperature"], "temperature"), 1)
    if body.get("stop") is not None:
        made["stop_sequences"] = _stops(body["stop"])
    user = body.get("safety_identifier") or body.get("user")
    if user is not None:
        made["metadata"] = {"user_id": text_of(user, "user")}
    if body.get("tools"):
        made["tools"] = tools_to_messages(body["tools"])
    choice = choice_to_messages(body.get("tool_choice"), body.get("parallel_tool_calls"))
    if choice is not None and (made.get("tools") or choice["type"] in {"any", "tool"}):
        made["tool_choice"] = choice
    return made | _output(body)


def wants_usage(body: Json) -> bool:
    """Whether a chat request asks for the usage at the end of its stream.

    Raises:
        InvalidInputError: if ``stream_options`` is malformed.
    """
    options = object_of(body, "body").get("stream_options")
    if options is None:
        return False
    wanted = object_of(options, "stream_options").get("include_usage")
    return wanted is not None and flag_of(wanted, "stream_options.include_usage")


def _limit(body: Json, default: int) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        given = body.get(name)
        if given is not None:
            if isinstance(given, bool) or not isinstance(given, int) or given < 1:
                raise refuse(name, "must be a whole number of at least 1")
            return given
    return default


def _stops(stop: object) -> list[str]:
    if isinstance(stop, str):
        return [stop]
    return [text_of(one, f"stop[{n}]") for n, one in enumerate(list_of(stop, "stop"))]


def _output(body: Json) -> Json:
    made: dict[str, Any] = {}
    config: dict[str, Any] = {}
    effort = body.get("reasoning_effort")
    if effort == "none":
        made["thinking"] = {"type": "disabled"}
    elif effort is not None:
        word = text_of(effort, "reasoning_effort")
        if word not in _EFFORTS:
            raise refuse("reasoning_effort", f"must be none or one of {', '.join(_EFFORTS)}")
        config["effort"] = _EFFORTS[word]
    if body.get("response_format") is not None:
        schema = _schema(object_of(body["response_format"], "response_format"))
        if schema is not None:
            config["format"] = {"type": "json_schema", "schema": schema}
    if config:
        made["output_config"] = config
    return made


def _schema(wanted: Json) -> Json | None:
    kind = wanted.get("type")
    if kind == "text":
        return None
    if kind != "json_schema":
        raise refuse(
            "response_format.type",
            f"{kind!r} cannot be asked of a Messages model; text and json_schema can",
        )
    named = object_of(wanted.get("json_schema"), "response_format.json_schema")
    return object_of(named.get("schema"), "response_format.json_schema.schema")


def _conversation(messages: list[Any]) -> tuple[list[Json], list[Json]]:
    system: list[Json] = []
    turns: list[tuple[str, list[Json]]] = []
    for n, given in enumerate(messages):
        path = f"messages[{n}]"
        message = object_of(given, path)
        role = message.get("role")
        if isinstance(role, str) and role in _SYSTEM:
            only(message, path, ("role", "content"))
            blocks = text_blocks(message.get("content"), f"{path}.content")
            if not turns:
                system += blocks
                continue
            role = "system"
        elif role == "user":
            only(message, path, ("role", "content"))
            blocks = to_blocks(message.get("content"), f"{path}.content")
        elif role == "assistant":
            blocks = _assistant(message, path)
        elif role == "tool":
            role, blocks = "user", [_result(message, path)]
        else:
            raise refuse(f"{path}.role", f"{role!r} cannot be sent to a Messages model")
        if not blocks:
            continue  # a turn without content says nothing, and Messages refuses it
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    if not turns:
        raise refuse("messages", "must hold at least one turn with content")
    return system, [{"role": role, "content": shortest(blocks)} for role, blocks in turns]


def _assistant(message: Json, path: str) -> list[Json]:
    only(message, path, ("role", "content", "refusal", "tool_calls"), TURN_HINTS)
    blocks = to_blocks(message.get("content"), f"{path}.content")
    if message.get("refusal"):
        blocks.append(text_block(text_of(message["refusal"], f"{path}.refusal")))
    calls = message.get("tool_calls")
    if calls is not None:
        blocks += [
            call_to_block(call, f"{path}.tool_calls[{n}]")
            for n, call in enumerate(list_of(calls, f"{path}.tool_calls"))
        ]
    return blocks


def _result(message: Json, path: str) -> Json:
    only(message, path, ("role", "content", "tool_call_id"))
    called = text_of(message.get("tool_call_id"), f"{path}.tool_call_id")
    block: Json = {"type": "tool_result", "tool_use_id": tool_id(called)}
    blocks = to_blocks(message.get("content"), f"{path}.content")
    if blocks:
        block["content"] = shortest(blocks)
    return block
