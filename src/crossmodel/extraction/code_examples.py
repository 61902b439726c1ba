"""Worked examples in blocks of code: comment and call, call and result, a console's exchange."""

from __future__ import annotations

import re
from typing import Final

from crossmodel.extraction.examples import Pair, make_pair
from crossmodel.extraction.reading import MAX_STATEMENT, Reading
from crossmodel.text.segments import Segment

_LINE: Final = re.compile(r"[^\r\n]+")
_PROMPT: Final = ">>> "
_COMMENT: Final = re.compile(r"(?:#|//|--|;)[ \t]?(?P<said>[A-Za-z]\w* .*)$")
_CALL: Final = re.compile(r"[\w.$@]+[^()\n]{0,80}\([^\n]*\)?;?\s*$")
_NO_CALL: Final = re.compile(
    r"(?:def|class|import|from|if|for|while|with|return|function|const|let|var)\b|[@#]|//"
)
_COMMAND: Final = re.compile(r"(?:\$ )?[a-z][\w./-]* ?\S*")
_SHELLS: Final = frozenset({"bash", "console", "sh", "shell", "zsh"})
_RESULT: Final = re.compile(
    r"(?<!\s)\s++(?:#|//|--|;)[ \t]?"
    r"(?:(?:->|=>|→|==>?|>>)\s*|(?:returns?|gives?|output|result|prints?)\s*:?\s+)(?P<value>\S.*)$",
    re.IGNORECASE,
)


def pairs_in_code(reading: Reading, segment: Segment) -> list[Pair]:
    """The examples of a block of code, each a line or two at its left margin."""
    text = reading.text
    lines = [line.span() for line in _LINE.finditer(text, segment.start, segment.end)]
    found: list[Pair | None] = []
    for number, (start, end) in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else (end, end)
        before = lines[number - 1] if number else (start, start)
        if text[start].isspace() or end - start > MAX_STATEMENT:
            continue
        if text.startswith(_PROMPT, start):
            if following[1] > following[0] and not text.startswith((">>>", "..."), following[0]):
                call = start + len(_PROMPT), end
                found.append(make_pair(text, (start, following[1]), call, following))
        elif result := _RESULT.search(text, start, end):
            call = start, result.start()
            found.append(Pair(start, end, call, result.span("value")))
        elif (
            before[1] - before[0] <= MAX_STATEMENT
            and (comment := _COMMENT.match(text, *before))
            and _is_call(text[start:end], segment.language)
            and not text[slice(*following)][:1].isspace()
        ):
            found.append(make_pair(text, (before[0], end), comment.span("said"), (start, end)))
    return [pair for pair in found if pair is not None]


def _is_call(line: str, language: str) -> bool:
    if _NO_CALL.match(line):
        return False
    return bool(_CALL.match(line) or (language in _SHELLS and _COMMAND.match(line)))
