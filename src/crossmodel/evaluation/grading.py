"""Whether an answer is right: the first line that says something, bare of wrapping, word for word.

Case and punctuation count, since the conventions that are asked for are made of them.
"""

from __future__ import annotations

import re
from typing import Final

_FENCE: Final = re.compile(r"[ \t]*(?:```|~~~)[\w+-]*[ \t]*")
_LABEL: Final = re.compile(r"(?:A|Answer)[ \t]*:[ \t]*", re.IGNORECASE)
_WRAPPING: Final = ("**", "__", "`", '"', "'", "*")
"""Pairs of markup or quotation marks that may stand around an answer; longer ones first."""


def answer_in(text: str) -> str:
    """What an answer says: its first line, without fence, label, markup, quotes, extra spaces."""
    lines = (line for line in text.splitlines() if line.strip() and not _FENCE.fullmatch(line))
    said = _unwrapped(" ".join(next(lines, "").split()))
    return _unwrapped(_LABEL.sub("", said, count=1) if _LABEL.match(said) else said)


def is_correct(text: str, expected: str) -> bool:
    """Whether ``text`` answers exactly ``expected``; white space may differ, nothing else."""
    wanted = " ".join(expected.split())
    return bool(wanted) and answer_in(text) == wanted


def _unwrapped(said: str) -> str:
    for _ in _WRAPPING:
        for mark in _WRAPPING:
            inner = said[len(mark) : -len(mark)]
            wrapped = said.startswith(mark) and said.endswith(mark) and len(said) > 2 * len(mark)
            if wrapped and mark not in inner:
                said = inner.strip()
                break
        else:
            break
    return said
