"""Looking for a passage wherever it may stand: raw, on one line, escaped for JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from ahocorasick_rs import BytesAhoCorasick

LEAST_VERBATIM: Final = 12
"""Characters from which on a passage is looked for everywhere. Shorter ones, such as a number, say
nothing of where they are from, and go only where the insight is known to have stood."""

_BEGINNING: Final = 48
"""Bytes of a needle that are looked for before the whole is."""


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


class Needles:
    """Finds which values hold one of many byte strings, in one pass over each value.

    An automaton (Aho and Corasick, 1975) finds where one may begin, however many there are; it
    knows their beginnings only, which keeps it small.
    """

    def __init__(self, needles: Iterable[bytes]) -> None:
        by_beginning: dict[bytes, list[bytes]] = {}
        for needle in needles:
            if needle:
                by_beginning.setdefault(needle[:_BEGINNING], []).append(needle)
        self._needles = list(by_beginning.values())
        self._automaton = BytesAhoCorasick(list(by_beginning)) if by_beginning else None

    def are_in(self, value: bytes) -> bool:
        """Whether the value holds one of them."""
        if self._automaton is None:
            return False
        found = self._automaton.find_matches_as_indexes(value, overlapping=True)
        return any(
            needle in value
            for number in {each[0] for each in found}
            for needle in self._needles[number]
        )
