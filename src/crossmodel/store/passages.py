"""Looking for a passage wherever it may stand: raw, on one line, escaped for JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa

LEAST_VERBATIM: Final = 12
"""Characters from which on a passage is looked for everywhere. Shorter ones, such as a number, say
nothing of where they are from, and go only where the insight is known to have stood."""


def telling(passages: Iterable[str]) -> set[str]:
    """Those that are long enough to be looked for everywhere, without the space around them.

    Lines, and what was blotted out before, tell nothing at any length.
    """
    stripped = (passage.strip() for passage in passages)
    return {
        passage
        for passage in stripped
        if len(passage) >= LEAST_VERBATIM and any(map(str.isalnum, passage))
    }


def forms(passage: str) -> set[bytes]:
    """How a passage may stand in a hidden value: as it is, on one line, escaped for JSON."""
    plain = {passage, " ".join(passage.split())}
    escaped = {form(each) for each in plain for form in (as_json, _as_wide_json)}
    return {raw(each) for each in plain | escaped}


def as_json(text: str) -> str:
    """The text as it stands within a JSON document of ASCII characters."""
    return json.dumps(text)[1:-1]


def _as_wide_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def raw(text: str) -> bytes:
    """The text as the store keeps it."""
    return text.encode("utf-8", "surrogatepass")


def holds_any(
    column: sa.ColumnElement[Any], needles: Iterable[str | bytes]
) -> sa.ColumnElement[bool]:
    """Whether the column holds one of the needles, byte by byte."""
    kinds = (
        (needle, sa.LargeBinary if isinstance(needle, bytes) else sa.Text) for needle in needles
    )
    return sa.or_(
        sa.false(), *(sa.func.instr(column, sa.literal(needle, kind)) > 0 for needle, kind in kinds)
    )
