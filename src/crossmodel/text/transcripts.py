"""Who speaks where, in a text that may be a whole conversation.

A model's answer is one turn. Logs, agents and careless exports hold more in one text: chat
templates with their tokens, lines that begin with a role, thoughts and tool calls between tags,
ReAct traces (Yao et al., ICLR 2023). Precision comes first: an answer that shows a dialogue, lists
a user's name or explains a chat template stays one turn of the assistant.
"""

# ruff: noqa: RUF001 - one family of templates writes its tokens with a full-width bar

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from crossmodel.domain.insight import Span
from crossmodel.text.speakers import (
    OPENER,
    Mark,
    TurnRole,
    fences,
    line_marks,
    react_marks,
    template_marks,
)

__all__ = ["Turn", "TurnRole", "foreign_spans", "turns"]


class Turn(NamedTuple):
    """``text[start:end]`` is what ``role`` says, without the marker before it."""

    role: TurnRole
    start: int
    end: int


_TAGS: Final = {
    **dict.fromkeys(("think", "thinking", "thought", "scratchpad"), TurnRole.THINKING),
    **dict.fromkeys(
        ("tool_call", "tool_calls", "tool_use", "tool_result", "tool_results", "tool_response",
         "function_call", "function_calls", "function_result", "function_results",
         "function_response"),
        TurnRole.TOOL,
    ),
}  # fmt: skip
_OPENING: Final = re.compile(
    rf"<(?P<name>{'|'.join(sorted(_TAGS, key=len, reverse=True))})(?:\s[^<>\n]{{0,200}})?>"
)
_INDENT: Final = 8
"""Spaces that may stand before a tag that begins a line."""
_LONE_CLOSING: Final = re.compile(r"^[ \t]*</(?:think|thinking)>[ \t]*$", re.MULTILINE)

_FENCED_JSON: Final = re.compile(r"```(?:json|tool_call|tool_code)?[ \t]*\n")
_CALL_FIELDS: Final = frozenset(
    {"name", "arguments", "parameters", "id", "call_id", "index", "type", "function"}
)
_CALL_KEYS: Final = ('"arguments"', '"parameters"', '"tool_calls"', '"function_call"')

_SIGNS: Final = re.compile(
    r"<(?:\||｜|<SYS|start_of_turn|/think|(?:think|thought|scratchpad|tool_|function_))"
)
_FIRST_LETTERS: Final = frozenset("#*_[ \t\nSsDdUuHhAaBbCcGgMmTtFfOoIiEe")


def turns(text: str) -> list[Turn]:
    """The turns of ``text`` in order, none of them blank; they never overlap.

    A text without a sign of being more is one turn of the assistant, over the whole of it. Linear
    in the length of the text.
    """
    if not _has_sign(text):
        return [Turn(TurnRole.ASSISTANT, 0, len(text))]
    marks = template_marks(text) or line_marks(text)
    found: list[Turn] = []
    for turn in _between(marks, 0, len(text)):
        if turn.role is TurnRole.ASSISTANT:
            found += _refined(text, turn)
        else:
            found.append(turn)
    if len(found) == 1 and found[0] == (TurnRole.ASSISTANT, 0, len(text)):
        return found
    return [turn for turn in (_trimmed(text, each) for each in found) if turn.start < turn.end]


def foreign_spans(text: str) -> list[Span]:
    """Where ``text`` holds no words of the assistant's: in order, none next to another."""
    if not _has_sign(text):
        return []
    spans, position = [], 0
    for turn in turns(text):
        if turn.role is TurnRole.ASSISTANT:
            if turn.start > position:
                spans.append(Span(position, turn.start))
            position = turn.end
    if position < len(text):
        spans.append(Span(position, len(text)))
    return spans


def _has_sign(text: str) -> bool:
    """Whether ``text`` could be more than one turn; takes about a microsecond."""
    return (
        ("<" in text and _SIGNS.search(text) is not None)
        or "[INST]" in text
        or "[TOOL_" in text
        or "\nObservation:" in text
        or (text[:1] in _FIRST_LETTERS and OPENER.match(text) is not None)
        or (text[:1] in "{[`" and _is_call(text))
    )


def _refined(text: str, turn: Turn) -> Iterator[Turn]:
    """What of an assistant's turn is said aloud, what is thought, and what tools say and hear."""
    for step in _between(react_marks(text, turn.start, turn.end), turn.start, turn.end):
        if step.role is not TurnRole.ASSISTANT:
            yield step
            continue
        for piece in _tagged(text, step):
            said = text[piece.start : piece.end]
            is_call = piece.role is TurnRole.ASSISTANT and _is_call(said)
            yield piece._replace(role=TurnRole.TOOL) if is_call else piece


def _tagged(text: str, turn: Turn) -> Iterator[Turn]:
    """The turn cut at tags that begin a line; what is between them is not said aloud."""
    position = turn.start
    if "<" not in text[turn.start : turn.end]:
        yield turn
        return
    in_fence = fences(text, turn.start, turn.end)
    lone = _LONE_CLOSING.search(text, turn.start, turn.end)
    opening = _OPENING.search(text, turn.start, turn.end)
    if lone and not in_fence(lone.start()) and (not opening or lone.start() < opening.start()):
        yield Turn(TurnRole.THINKING, turn.start, lone.start())  # the template opened it
        position = lone.end()
    unclosed: set[str] = set()
    for match in _OPENING.finditer(text, position, turn.end):
        name, start = match["name"], match.start()
        if start < position or name in unclosed or in_fence(start):
            continue
        before = text[max(position, start - _INDENT) : start].rstrip(" \t")
        if before and not before.endswith(("\n", ">")):
            continue
        end = text.find(f"</{name}>", match.end(), turn.end)
        after = end + len(name) + 3
        if end < 0:
            unclosed.add(name)
            if text[turn.start : start].strip():
                continue
            end = after = turn.end  # cut off in the middle of it
        yield Turn(TurnRole.ASSISTANT, position, start)
        yield Turn(_TAGS[name], match.end(), end)
        position = after
    yield Turn(TurnRole.ASSISTANT, position, turn.end)


def _is_call(said: str) -> bool:
    """Whether all of it is a function call as JSON, fenced or not."""
    body = said.strip()
    fence = _FENCED_JSON.match(body)
    if fence and body.endswith("```"):
        body = body[fence.end() : -3].strip()
    if body[:1] not in {"{", "["} or not any(key in body for key in _CALL_KEYS):
        return False
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return False
    calls = value if isinstance(value, list) else [value]
    return bool(calls) and all(isinstance(call, dict) and _calls(call) for call in calls)


def _calls(call: dict[str, Any]) -> bool:
    """Whether it is a call: what describes a tool has a name and parameters, too, and says more."""
    if isinstance(call.get("tool_calls"), list) or isinstance(call.get("function_call"), dict):
        return True
    function = call.get("function")
    inner = function if isinstance(function, dict) else call
    return isinstance(inner.get("name"), str) and call.keys() | inner.keys() <= _CALL_FIELDS


def _between(marks: Iterable[Mark], start: int, end: int) -> Iterator[Turn]:
    """The turns that marks cut ``start..end`` into; what comes before all of them is an answer."""
    role: TurnRole | None = TurnRole.ASSISTANT
    for mark in marks:
        if role is not None and mark.start > start:
            yield Turn(role, start, mark.start)
        role, start = mark.role, mark.end
    if role is not None and end > start:
        yield Turn(role, start, end)


def _trimmed(text: str, turn: Turn) -> Turn:
    said = text[turn.start : turn.end]
    start = turn.start + len(said) - len(said.lstrip())
    return Turn(turn.role, start, max(start, turn.start + len(said.rstrip())))
