"""Marks of who speaks next: tokens of chat templates, lines with a role, steps of a trace."""

# ruff: noqa: RUF001 - one family of templates writes its tokens with a full-width bar

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple


class TurnRole(StrEnum):
    """Who speaks, or to whom: ``TOOL`` is what is said to tools and by them."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    THINKING = "thinking"


class Mark(NamedTuple):
    """From ``end`` on ``role`` speaks (nobody, where it is ``None``); the marker is no part."""

    start: int
    end: int
    role: TurnRole | None


_ROLES: Final = {
    **dict.fromkeys(("system", "developer"), TurnRole.SYSTEM),
    **dict.fromkeys(("user", "human", "you"), TurnRole.USER),
    **dict.fromkeys(
        ("assistant", "ai", "bot", "chatbot", "chatgpt", "claude", "gpt", "model"),
        TurnRole.ASSISTANT,
    ),
    **dict.fromkeys(
        ("tool", "tool call", "tool result", "tool output", "tool response", "function call",
         "function result", "observation", "ipython"),
        TurnRole.TOOL,
    ),
}  # fmt: skip

_LITERAL: Final[dict[str, TurnRole | None]] = {
    "[INST]": TurnRole.USER,
    "[/INST]": TurnRole.ASSISTANT,
    "<<SYS>>": TurnRole.SYSTEM,
    "<</SYS>>": TurnRole.USER,
    "[TOOL_CALLS]": TurnRole.TOOL,
    "[TOOL_RESULTS]": TurnRole.TOOL,
    "[/TOOL_RESULTS]": TurnRole.ASSISTANT,
    "[AVAILABLE_TOOLS]": TurnRole.SYSTEM,
    "[/AVAILABLE_TOOLS]": None,
    **dict.fromkeys(
        ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>",
         "<|end_of_text|>", "<|return|>", "<|call|>", "<s>", "</s>", "<|begin_of_text|>",
         "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    ),
}  # fmt: skip
_TOKEN: Final = re.compile(
    r"<\|im_start\|>(?P<chatml>[a-z]{1,20})[^\S\n]*(?:\n|$|(?=<))"
    r"|<\|start_header_id\|>(?P<llama>[a-z]{1,20})<\|end_header_id\|>"
    r"|<start_of_turn>(?P<gemma>user|model)\b"
    r"|<\|(?P<phi>system|user|assistant|tool|observation)\|>"
    r"|<｜(?P<deepseek>User|Assistant)｜>"
    r"|<\|start\|>(?P<harmony>[a-z]{1,20})[^<|\n]{0,80}"
    r"(?:<\|channel\|>(?P<channel>[a-z]{1,20})[^<|\n]{0,80})?(?:<\|constrain\|>[a-z]{1,20})?"
    r"<\|message\|>|<\|channel\|>(?P<bare>[a-z]{1,20})[^<|\n]{0,80}<\|message\|>|"
    + "|".join(map(re.escape, _LITERAL))
)
_HTML_TOO: Final = frozenset({"<s>", "</s>"})
"""Struck-out text in HTML, except where the templates that use them are at work."""
_WITH_HTML_TOO: Final = ("[INST]", "<|assistant|>")
_MAX_GAP: Final = 16
"""Characters of white space between two tokens that follow each other."""
_CHANNELS: Final = {"analysis": TurnRole.THINKING, "commentary": TurnRole.TOOL}

_ONLY_IN_TOKENS: Final = frozenset({"developer", "ipython", "model"})
"""Lines that begin so hold other things than turns."""
_NAMES: Final = "|".join(
    name.replace(" ", "[ _]")
    for name in sorted(_ROLES.keys() - _ONLY_IN_TOKENS, key=len, reverse=True)
)
_LINE: Final = re.compile(
    rf"^[ \t]{{0,3}}(?:(?P<heading>\#{{1,6}})[ \t]+(?:\*\*)?(?P<h>{_NAMES})(?:\*\*)?:?(?:\*\*)?"
    rf"[ \t]*$"
    rf"|(?P<bold>\*\*|__)(?P<b>{_NAMES})(?::(?:\*\*|__)|(?:\*\*|__)(?::|[ \t]*$))"
    rf"|(?P<bracket>\[)(?P<s>{_NAMES})\]:?"
    rf"|(?P<plain>)(?P<p>{_NAMES}):)",
    re.MULTILINE | re.IGNORECASE,
)
OPENER: Final = re.compile(r"\s*+" + _LINE.pattern, re.MULTILINE | re.IGNORECASE)
"""A text that begins with a role."""
_NO_OPENERS: Final = frozenset({"ai", "bot", "gpt"})
"""A text that begins so is more often a comparison than a conversation."""

_SIDES: Final = frozenset({TurnRole.USER, TurnRole.ASSISTANT})

_STEP: Final = re.compile(
    r"^(?:(?P<user>Question)|(?P<thinking>Thought)|(?P<tool>Action Input|Action|Observation)):"
    r"|^(?=(?P<assistant>Final Answer):)",
    re.MULTILINE,
)

_FENCE: Final = re.compile(r"^[ \t]{0,3}(```|~~~)", re.MULTILINE)


def template_marks(text: str) -> list[Mark]:
    """The tokens of chat templates; none if there is no turn that begins with one."""
    is_raw = _TOKEN.match(text, len(text) - len(text.lstrip())) is not None
    in_fence = (lambda _: False) if is_raw else fences(text)
    marks: list[Mark] = []
    is_html = not any(token in text for token in _WITH_HTML_TOO)
    for match in _TOKEN.finditer(text):
        token = match.group()
        if is_html and token in _HTML_TOO:
            continue
        before = text[match.start() - 1 : match.start()]
        if "`" in (before, text[match.end() : match.end() + 1]) or in_fence(match.start()):
            continue
        gap = match.start() - marks[-1].end if marks else len(text)
        follows = gap <= _MAX_GAP and not text[match.start() - gap : match.start()].strip()
        if token in _LITERAL:
            role = _LITERAL[token]
            opens = role is not None and not token.startswith(("[/", "<</"))
        else:
            role, opens = _role_of(match), match["deepseek"] is None
        if opens and before not in {"", "\n"} and not follows:
            continue  # in the middle of a line somebody writes about it
        if token.startswith(("[/", "<</")) and not marks:
            continue
        marks.append(Mark(match.start(), match.end(), role))
    return marks if any(mark.role for mark in marks) else []


def _role_of(match: re.Match[str]) -> TurnRole:
    channel = _CHANNELS.get(match["channel"] or match["bare"] or "")
    if match["bare"]:
        return channel or TurnRole.ASSISTANT
    name = next(filter(None, match.group("chatml", "llama", "gemma", "phi", "deepseek", "harmony")))
    role = _ROLES.get(name.lower(), TurnRole.TOOL)
    return channel if channel and role is TurnRole.ASSISTANT else role


def line_marks(text: str) -> list[Mark]:
    """Lines that begin with a role: from the first line on, all written alike, and alternating."""
    first = OPENER.match(text)
    if first is None or _named(first) in _NO_OPENERS:
        return []
    style = _style(first)
    in_fence = fences(text)
    marks: list[Mark] = []
    names: dict[TurnRole, str] = {}
    for match in _LINE.finditer(text):
        name = _named(match)
        role = _ROLES[name]
        if _style(match) != style or in_fence(match.start()):
            continue
        if role in _SIDES and names.setdefault(role, name) != name:
            continue  # each side keeps its name: another one belongs to what is said
        marks.append(Mark(match.start(), match.end(), role))
    return marks if names.keys() >= _SIDES else []


def _named(match: re.Match[str]) -> str:
    name: str = next(filter(None, match.group("h", "b", "s", "p")))
    return name.lower().replace("_", " ")


def _style(match: re.Match[str]) -> tuple[str | None, ...]:
    return match.group("heading", "bold", "bracket", "plain")


def react_marks(text: str, start: int, end: int) -> list[Mark]:
    """The steps of a ReAct trace: thoughts, actions that are observed, a final answer."""
    if text.find("Observation:", start, end) < 0:
        return []
    steps = [(match, str(match.lastgroup)) for match in _STEP.finditer(text, start, end)]
    said = [match.group() for match, _ in steps]
    observed = any(
        one.startswith("Action") and other == "Observation:" for one, other in pairwise(said)
    )
    if not observed or "Thought:" not in said:
        return []
    return [Mark(match.start(), match.end(), TurnRole(role)) for match, role in steps]


def fences(text: str, start: int = 0, end: int | None = None) -> Callable[[int], bool]:
    """Tells whether a place lies in fenced code; a fence that is never closed hides nothing."""
    starts: list[int] = []
    ends: list[int] = []
    opened: re.Match[str] | None = None
    for mark in _FENCE.finditer(text, start, len(text) if end is None else end):
        if opened is None:
            opened = mark
        elif mark[1] == opened[1]:
            starts.append(opened.start())
            ends.append(mark.end())
            opened = None

    def inside(place: int) -> bool:
        at = bisect_right(starts, place) - 1
        return at >= 0 and place < ends[at]

    return inside
