"""Tools, and how freely the model may use them, in both dialects."""

from __future__ import annotations

from typing import Any, Final

from crossmodel.gateway.translation.hints import TOOL_HINTS
from crossmodel.gateway.translation.reading import (
    Json,
    arguments_of,
    flag_of,
    json_text,
    list_of,
    object_of,
    only,
    refuse,
    text_of,
    tool_id,
)

_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}
_CHOICES_BACK: Final = {theirs: ours for ours, theirs in _CHOICES.items()}


def tools_to_messages(tools: object, path: str = "tools") -> list[Json]:
    """Chat's function tools as Messages tools."""
    translated = []
    for n, given in enumerate(list_of(tools, path)):
        where = f"{path}[{n}]"
        tool = object_of(given, where)
        if tool.get("type") != "function":
            raise refuse(f"{where}.type", "only function tools can be given to a Messages model")
        only(tool, where, ("type", "function"))
        function = object_of(tool.get("function"), f"{where}.function")
        known = ("name", "description", "parameters", "strict")
        only(function, f"{where}.function", known)
        made: Json = {"name": text_of(function.get("name"), f"{where}.function.name")}
        if function.get("description") is not None:
            made["description"] = text_of(function["description"], f"{where}.function.description")
        made["input_schema"] = _schema(function.get("parameters"), f"{where}.function.parameters")
        if function.get("strict") is not None:
            made["strict"] = flag_of(function["strict"], f"{where}.function.strict")
        translated.append(made)
    return translated


def tools_to_chat(tools: object, path: str = "tools") -> list[Json]:
    """Messages tools that the client runs as chat's function tools."""
    translated = []
    for n, given in enumerate(list_of(tools, path)):
        where = f"{path}[{n}]"
        tool = object_of(given, where)
        kind = tool.get("type")
        if kind is not None and kind != "custom":
            raise refuse(f"{where}.type", f"a chat model has no tool {kind!r} of its own")
        neutral = {"type", "name", "description", "input_schema", "strict"}
        if tool.get("defer_loading") is False:
            neutral.add("defer_loading")
        if tool.get("allowed_callers") == ["direct"]:
            neutral.add("allowed_callers")
        only(tool, where, neutral, TOOL_HINTS)
        function: Json = {"name": text_of(tool.get("name"), f"{where}.name")}
        if tool.get("description") is not None:
            function["description"] = text_of(tool["description"], f"{where}.description")
        function["parameters"] = object_of(tool.get("input_schema"), f"{where}.input_schema")
        if tool.get("strict") is not None:
            function["strict"] = flag_of(tool["strict"], f"{where}.strict")
        translated.append({"type": "function", "function": function})
    return translated


def _schema(parameters: object, path: str) -> Json:
    """What a function takes, as Messages insists on it: said to be an object."""
    if parameters is None:
        return {"type": "object", "properties": {}}
    schema = object_of(parameters, path)
    return schema if "type" in schema else {"type": "object", **schema}


def choice_to_messages(choice: object, parallel: object) -> Json | None:
    """``tool_choice`` and ``parallel_tool_calls`` of chat as one ``tool_choice`` of Messages."""
    made: Json | None = None
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise refuse("tool_choice", f"must be none, auto or required, not {choice!r}")
        made = {"type": _CHOICES[choice]}
    elif choice is not None:
        named = object_of(choice, "tool_choice")
        if named.get("type") != "function":
            raise refuse("tool_choice.type", "only a function can be chosen of a Messages model")
        function = object_of(named.get("function"), "tool_choice.function")
        made = {"type": "tool", "name": text_of(function.get("name"), "tool_choice.function.name")}
    if parallel is not None and not flag_of(parallel, "parallel_tool_calls"):
        made = made or {"type": "auto"}
        if made["type"] != "none":
            made["disable_parallel_tool_use"] = True
    return made


def choice_to_chat(choice: object) -> Json:
    """A Messages ``tool_choice`` as the fields of a chat request that say the same."""
    given = object_of(choice, "tool_choice")
    only(given, "tool_choice", ("type", "name", "disable_parallel_tool_use"))
    kind = given.get("type")
    made: dict[str, Any] = {}
    if kind == "tool":
        name = text_of(given.get("name"), "tool_choice.name")
        made["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif isinstance(kind, str) and kind in _CHOICES_BACK:
        made["tool_choice"] = _CHOICES_BACK[kind]
    else:
        raise refuse("tool_choice.type", f"must be auto, any, tool or none, not {kind!r}")
    single = given.get("disable_parallel_tool_use")
    if single is not None:
        made["parallel_tool_calls"] = not flag_of(single, "tool_choice.disable_parallel_tool_use")
    return made


def call_to_block(call: object, path: str) -> Json:
    """A tool call of chat as a ``tool_use`` block."""
    given = object_of(call, path)
    if given.get("type", "function") != "function":
        raise refuse(f"{path}.type", "only function calls can be sent to a Messages model")
    function = object_of(given.get("function"), f"{path}.function")
    return {
        "type": "tool_use",
        "id": tool_id(text_of(given.get("id"), f"{path}.id")),
        "name": text_of(function.get("name"), f"{path}.function.name"),
        "input": arguments_of(function.get("arguments"), f"{path}.function.arguments"),
    }


def block_to_call(block: Json, path: str) -> Json:
    """A ``tool_use`` block as a tool call of chat."""
    function = {
        "name": text_of(block.get("name"), f"{path}.name"),
        "arguments": json_text(object_of(block.get("input"), f"{path}.input"), f"{path}.input"),
    }
    return {
        "id": text_of(block.get("id"), f"{path}.id"),
        "type": "function",
        "function": function,
    }
