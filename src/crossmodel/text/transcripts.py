"""Who says what in a text that holds a conversation: turns of users, models and tools.

Most answers are one turn. A text is a transcript only where marks of a chat template say so, or
where at least two roles take turns at the beginnings of lines: "User: alice" in a list, a play, or
a worked example (Q and A) is none.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    THINKING = "thinking"


class Turn(NamedTuple):
    """``text[start:end]`` is what the role says, without the mark that names it."""

    role: Role
    start: int
    end: int


_ROLES: Final = {
    "user": Role.USER, "human": Role.USER, "customer": Role.USER,
    "assistant": Role.ASSISTANT, "ai": Role.ASSISTANT, "bot": Role.ASSISTANT,
    "model": Role.ASSISTANT, "gpt": Role.ASSISTANT, "chatgpt": Role.ASSISTANT,
    "claude": Role.ASSISTANT,
    "system": Role.SYSTEM, "developer": Role.SYSTEM,
    "tool": Role.TOOL, "function": Role.TOOL, "observation": Role.TOOL,
    "tool result": Role.TOOL, "tool call": Role.TOOL, "tool output": Role.TOOL,
    "function result": Role.TOOL, "ipython": Role.TOOL, "action": Role.TOOL,
    "action input": Role.TOOL, "thought": Role.THINKING,
}  # fmt: skip
_NAME: Final = "|".join(sorted(map(re.escape, _ROLES), key=len, reverse=True))
_TAG: Final = "think|thinking|tool_call|tool_response|tool_result|function_call"
_MARK: Final = re.compile(
    rf"""<\|(?:im_start\|>|start_header_id\|>|)(?P<template>{_NAME})(?:<\|end_header_id\|>|\|>|)
          [ \t]*\r?\n?
    |(?P<inst>\[INST\])[ \t]*|(?P<noinst>\[/INST\])[ \t]*
    |^[ \t]*(?:\#{{1,6}}[ ]|[*_]{{0,2}}\[?)(?P<line>{_NAME})\]?[*_]{{0,2}}[ ]?
          (?::[*_]{{0,2}}|(?=\r?\n)|(?<=\]))[ \t]*
    |<(?P<open>{_TAG})>|</(?P<close>{_TAG})>
    |(?P<end><\|(?:im_end|eot_id|end|end_of_text)\|>)""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_TAGS: Final = {
    "think": Role.THINKING, "thinking": Role.THINKING, "tool_call": Role.TOOL,
    "tool_response": Role.TOOL, "tool_result": Role.TOOL, "function_call": Role.TOOL,
}  # fmt: skip
_SIGNS: Final = ("<|", "[INST]", "<think", "<tool_", "<function_call")
_LINE_SIGNS: Final = (
    "user", "User", "USER", "human", "Human", "HUMAN", "customer", "Customer",
    "Observation", "observation", "[assistant]", "Action",
)  # fmt: skip
"""A conversation that names its roles names somebody who is not the model."""


def turns(text: str) -> list[Turn]:
    """The turns of ``text``, in order, apart from each other; a plain answer is one turn.

    Takes time linear in the text.
    """
    whole = [Turn(Role.ASSISTANT, 0, len(text))] if text else []
    has_template = any(sign in text for sign in _SIGNS)
    if not has_template and not any(sign in text for sign in _LINE_SIGNS):
        return whole
    found = _marked(text)
    if not _is_conversation(text, found, has_template=has_template):
        return whole
    return [turn for turn, _ in found if text[turn.start : turn.end].strip()]


def foreign_spans(text: str) -> list[tuple[int, int]]:
    """What somebody else than the model says, or the model to itself, its marks included."""
    spoken = [(turn.start, turn.end) for turn in turns(text) if turn.role is Role.ASSISTANT]
    foreign, position = [], 0
    for start, end in spoken:
        if start > position:
            foreign.append((position, start))
        position = end
    if spoken and position < len(text):
        foreign.append((position, len(text)))
    return foreign if spoken else [(0, len(text))] if text else []


def _marked(text: str) -> list[tuple[Turn, bool]]:
    """The turns that marks begin, and whether the mark was a line's beginning."""
    found: list[tuple[Turn, bool]] = []
    role, start, is_line = Role.ASSISTANT, 0, False
    outer = Role.ASSISTANT
    for mark in _MARK.finditer(text):
        found.append((Turn(role, start, mark.start()), is_line))
        start, is_line = mark.end(), mark["line"] is not None
        name = (mark["template"] or mark["line"] or "").lower()
        if name:
            role = outer = _ROLES[name]
        elif mark["inst"]:
            role = outer = Role.USER
        elif mark["noinst"] or mark["end"]:
            role = outer = Role.ASSISTANT
        elif mark["open"]:
            role = _TAGS[mark["open"].lower()]
        else:
            role = outer
    found.append((Turn(role, start, len(text)), is_line))
    return found


def _is_conversation(text: str, found: list[tuple[Turn, bool]], *, has_template: bool) -> bool:
    named = [turn.role for turn, is_line in found if is_line]
    if has_template and len(named) < len(found) - 1:
        return True
    others = sum(role is not Role.ASSISTANT for role in named)
    begins = found[0][0].end <= len(text) - len(text.lstrip())
    # two roles that take turns; or one that answers somebody from the first line on
    return others > 0 and Role.ASSISTANT in named and (len(named) > 2 or begins)  # noqa: PLR2004
