"""Text that CrossModel put into a prompt: marked so that it is known again and never extracted.

A block is ``[notes ID]``, a line break, the body, a line break, ``[/notes ID]``. The ID is the
start of the body's SHA-256, so equal bodies give equal text and prompt caches hit; a body that
grows at its end may have a name instead, so that its beginning stays. A body cannot close its own
block, whatever the ID: what in it could pass for a delimiter, to a parser or to a reader, gets a
dot after its bracket, where everyone can see it.
"""

from __future__ import annotations

import re
from typing import Final

from crossmodel.domain.insight import Span, text_sha256

WORD: Final = "notes"
ID_DIGITS: Final = 6
DEFUSED: Final = "·"

_DELIMITER: Final = re.compile(rf"\[(/?){WORD} ([0-9a-f]{{{ID_DIGITS}}})\]")

_BRACKETS: Final = "[\\[\uff3b\u3010\u3014\u27e6\u2045\u301a]"
_FILLER: Final = r"[\W_]{0,8}"
_INVISIBLE: Final = "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]{0,3}"
_LETTERS: Final = _INVISIBLE.join(f"[{letter}{chr(ord(letter) + 0xFEE0)}]" for letter in WORD)
_LOOKALIKE: Final = re.compile(f"({_BRACKETS})(?={_FILLER}{_LETTERS})", re.IGNORECASE)
"""An opening bracket, of any script, before the word: in any case, width, or invisible padding."""


def mark(body: str, named: str = "") -> str:
    """``body`` between delimiters that nothing inside it can forge.

    The ID is made from ``named``, or from the body if that is empty.
    """
    defused = _LOOKALIKE.sub(rf"\1{DEFUSED}", body)
    name = f"{WORD} {text_sha256(named or defused)[:ID_DIGITS]}"
    return f"[{name}]\n{defused}\n[/{name}]"


def injected_spans(text: str) -> list[Span]:
    """Where ``text`` holds marked blocks, delimiters included, in order and without overlap.

    A block that is opened inside another belongs to the outer one; a block that is never closed
    (a cut-off quotation) reaches to the end of the text. Takes time linear in the text.
    """
    spans: list[Span] = []
    opened: tuple[int, str] | None = None
    if f"{WORD} " not in text:  # most hold none
        return spans
    for match in _DELIMITER.finditer(text):
        closing, name = match.group(1), match.group(2)
        if opened is None and not closing:
            opened = match.start(), name
        elif opened is not None and closing and name == opened[1]:
            spans.append(Span(opened[0], match.end()))
            opened = None
    if opened is not None:
        spans.append(Span(opened[0], len(text)))
    return spans
