"""Does a claim contradict another that is trusted?

It does where it says something else of the same thing (:mod:`crossmodel.text.facts`), or is the
same but for what turns it around: a negation, a number, an operator, a direction, an exchanged name
or value. Claims about different things name other subjects or share too few words to count, and one
that says more (a condition, a place) refines the other.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from crossmodel.text.claims import fact_of
from crossmodel.text.facts import are_apart, conflict, same
from crossmodel.text.similarity import exchanges, guard, similarity, substitutes

_ALIKE: Final = 0.85
"""How alike two claims must be in words to be about the same; 0..1."""

_MOST_EXCHANGED: Final = 2
_KEY_VALUE: Final = re.compile(
    r"^\W*(?P<key>[^:=→]{2,80}?)\s*(?::|=>?|->|→)\s*(?P<value>\S.*)$", re.DOTALL
)
_WORD: Final = re.compile(r"\w+")


def contradicts(claim: str, trusted: str) -> bool:
    """Whether ``claim`` and ``trusted`` cannot both hold, as far as their words tell."""
    fact, other = fact_of(claim), fact_of(trusted)
    if fact and other:
        if conflict(fact, other):
            return True
        if are_apart(fact, other) or same(fact, other):
            return False
    mine, theirs = _KEY_VALUE.match(claim), _KEY_VALUE.match(trusted)
    if mine and theirs:
        return _words(mine["key"]) == _words(theirs["key"]) and _are_other_values(
            mine["value"], theirs["value"]
        )
    if similarity(claim, trusted) < _ALIKE:
        return False
    ours, others = Counter(guard(claim)), Counter(guard(trusted))
    added, missing = (ours - others).total(), (others - ours).total()
    if added or missing:
        is_negated = (ours - others)["not"] != (others - ours)["not"]
        # one figure instead of another; a figure more is a refinement
        return is_negated or 0 < added == missing <= _MOST_EXCHANGED
    return exchanges(claim, trusted) or substitutes(claim, trusted)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _are_other_values(first: str, second: str) -> bool:
    ours, theirs = set(_words(first)), set(_words(second))
    return not ours <= theirs and not theirs <= ours
