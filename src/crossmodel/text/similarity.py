"""Do two texts say the same?

Alike in words is not enough: ``x < 5`` and ``x > 5``, ``may`` and ``may not``, ``v2`` and ``v3``
differ in one token each. So numbers, negations, operators and identifiers must agree exactly.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from typing import Final

from rapidfuzz import fuzz

from crossmodel.text.normalise import NEGATIONS, unify

_GUARDED: Final = re.compile(
    r"`[^`\n]+`"  # what its author set as code
    r"|\w+(?:[.,:/\\'-]\w+)*+\(?"
    r"|!(?=[\w=(])|[<>=≤≥≠≈±¬∧∨⇒→←↔∈∉∪∩⊂⊆×÷*/+^%$€£¥°]+"
    r"|(?<!\w)-(?=\d|\s|$)"
)
_WORD: Final = re.compile(r"\w+")
_MOST_EXCHANGED: Final = 2
_SAME_WORD: Final = 80
"""RapidFuzz ratio, 0..100, from which two words count as forms of one."""
_LEAST_LENGTH_RATIO: Final = 0.6
"""A text that says much more is no duplicate, though it holds all the words of the other."""


def guard(text: str) -> tuple[str, ...]:
    """What must agree exactly: numbers, negations, operators and identifiers, sorted."""
    return tuple(sorted(filter(None, map(_guarded, _GUARDED.findall(unify(text))))))


def similarity(first: str, second: str) -> float:
    """How alike two texts are in words, whatever their order: 0..1.

    RapidFuzz's token set ratio, and 0 where one is much longer than the other.
    """
    shorter, longer = sorted((len(first), len(second)))
    if shorter < _LEAST_LENGTH_RATIO * longer:
        return 0.0
    return fuzz.token_set_ratio(first.lower(), second.lower()) / 100


def near_duplicates(first: str, second: str, threshold: float) -> bool:
    """Whether two texts say the same in at least nearly the same words."""
    return guard(first) == guard(second) and similarity(first, second) >= threshold


def substitutes(first: str, second: str) -> bool:
    """Whether one text is the other with a word or two exchanged for others.

    "goes to queue blue" and "goes to queue green" are alike and not the same. Forms of one word
    do not count, nor words that are added on one side only.
    """
    ours, theirs = (set(_WORD.findall(unify(text).lower())) for text in (first, second))
    only_ours, only_theirs = ours - theirs, theirs - ours
    if not 0 < max(len(only_ours), len(only_theirs)) <= _MOST_EXCHANGED:
        return False
    return any(
        all(fuzz.ratio(word, other) < _SAME_WORD for other in only_theirs) for word in only_ours
    ) and bool(only_theirs)


def _guarded(token: str) -> str:
    """``token`` in the form that must agree, or nothing for an ordinary word."""
    if token.isalpha():
        folded = token.lower()
        if folded in NEGATIONS:
            return "not"
        is_name = len(token) > 1 and not (token.islower() or token.istitle())
        return token if is_name else ""
    plain = token.strip("`").removesuffix("(")
    if plain.lower().endswith("n't"):
        return "not"
    words = re.split(r"[,:'-]", plain)
    if all(word.isalpha() and (word.islower() or word.istitle()) for word in words):
        return plain if token[-1] in "`(" else ""
    return plain
