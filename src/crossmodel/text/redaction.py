"""Blotting passages out of a text so that everything else stays where it was."""

from __future__ import annotations

from collections.abc import Iterable

FILLER = "*"
"""Stands for each character that was blotted out; one byte, so that no text grows."""


def blot(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """``text`` with these spans, ``start <= offset < end``, filled; its length stays the same."""
    characters = list(text)
    for start, end in spans:
        inside = range(*slice(start, end).indices(len(text)))
        characters[start:end] = FILLER * len(inside)
    return "".join(characters)


def occurrences(text: str, passage: str) -> list[tuple[int, int]]:
    """Where ``passage`` stands in ``text``, letter by letter; an empty passage stands nowhere."""
    found = []
    at = text.find(passage) if passage else -1
    while at >= 0:
        found.append((at, at + len(passage)))
        at = text.find(passage, at + len(passage))
    return found


def overlaps(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two spans have a character in common."""
    return first[0] < second[1] and second[0] < first[1]
