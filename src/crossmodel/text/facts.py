"""Claims taken apart, and which of them cannot both hold.

Claims about one thing have the same topic (:mod:`crossmodel.text.claims` says what that is). They
conflict when their values differ, when one negates the other, or when two parts changed places.
What cannot be told apart with this little counts as no conflict: a claim that says more than the
other refines it, and one in other words may be about something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NAME: Final = "name:"
"""Begins a value that is a name."""

_MOST_VALUES: Final = 2
"""Values that may differ between two claims about one thing; with more, they are about several."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A claim, taken apart.

    Attributes:
        topic: what it is about: its context and its ordinary words, in their stems.
        subjects: what tells something in its context.
        values: what it says, in order.
        negated: whether it says that it is not so.
        order: all of its tokens that tell anything, in order.
    """

    topic: frozenset[str]
    subjects: frozenset[str]
    values: tuple[str, ...]
    negated: bool
    order: tuple[str, ...]

    @property
    def is_telling(self) -> bool:
        """Whether there is enough to it to be compared with others."""
        return bool(self.topic) and len(self.order) > 1


def conflict(first: Fact, second: Fact) -> bool:
    """Whether two facts cannot both hold."""
    if first.topic != second.topic:
        return False
    if first.values == second.values:
        if first.negated != second.negated:
            return True
        return _changed_places(first.order, second.order)
    if first.negated or second.negated:
        return False  # not the one and not the other
    ours = [value for value in first.values if value not in second.values]
    theirs = [value for value in second.values if value not in first.values]
    if not ours and not theirs:
        return len(first.values) == len(second.values)  # the same values in another order
    if not (0 < len(ours) <= _MOST_VALUES and len(ours) == len(theirs)):
        return False
    # a name and something else besides: two things that were only listed
    return len(ours) == 1 or not (is_name(ours[0]) and is_name(theirs[0]))


def are_apart(first: Fact, second: Fact) -> bool:
    """Whether two facts name different things that they are about."""
    return bool(first.subjects - second.topic) and bool(second.subjects - first.topic)


def same(first: Fact, second: Fact) -> bool:
    """Whether two facts say the same, in whatever words."""
    return (
        first.topic == second.topic
        and first.values == second.values
        and first.negated == second.negated
        and not _changed_places(first.order, second.order)
    )


def is_name(value: str) -> bool:
    """Whether a value is a name."""
    return value.startswith(NAME)


def _changed_places(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the one is the other with two parts exchanged that are not merely listed."""
    if first == second or len(first) != len(second):
        return False
    places = [
        place for place, pair in enumerate(zip(first, second, strict=True)) if len(set(pair)) > 1
    ]
    if len(places) != 2:  # noqa: PLR2004 - a pair
        return False
    one, other = places
    crosses = first[one] == second[other] and first[other] == second[one]
    return crosses and other - one > 1
