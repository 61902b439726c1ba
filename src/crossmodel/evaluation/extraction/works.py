"""Texts that were asked for in a form: whether they keep to it, as far as that can be counted."""

from __future__ import annotations

import re
from typing import Final

from crossmodel.text.matches import last_match

_PASSAGE: Final = re.compile(r"^[^\w\n]*passage[^\w\n]*$", re.MULTILINE | re.IGNORECASE)
_PARAGRAPHS: Final = re.compile(r"\n\s*\n")
_SONNET_LINES: Final = 14
_MAX_SENTENCE: Final = 1000
_FENCE: Final = re.compile(r"^\s*(?:\"\"\"|```)?\s*$")


def is_sonnet_with(text: str, reference: str) -> bool:
    """Whether it has fourteen lines and the words that ``SCHEME, words`` names.

    Whether it rhymes is not judged.
    """
    words = reference.rpartition(",")[2].split()
    lines = [line for line in text.splitlines() if not _FENCE.match(line)]
    return len(lines) == _SONNET_LINES and all(
        re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in words
    )


def passage(answer: str) -> str | None:
    """What stands under the last line that says "Passage", else the whole answer."""
    found = last_match(_PASSAGE, answer)
    return (answer[found.end() :] if found else answer).strip() or None


def paragraphs_end_with(text: str, reference: str) -> bool:
    """Whether the paragraphs end in the sentences that ``reference`` says one after the other."""
    rest = _plain(reference)
    for paragraph in map(_plain, _PARAGRAPHS.split(text.strip())):
        # the longest beginning of what is left that this paragraph ends with
        size = next(
            (
                n
                for n in range(min(len(rest), _MAX_SENTENCE), 0, -1)
                if paragraph.endswith(rest[:n])
            ),
            0,
        )
        if not size:
            return False
        rest = rest[size:].lstrip()
    return not rest


def _plain(text: str) -> str:
    straight = text.translate({0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'})
    return " ".join(straight.casefold().split()).strip('"')
