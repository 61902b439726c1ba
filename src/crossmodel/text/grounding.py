"""Does a text say this? Where?

A claim is grounded where the source holds the same tokens in the same order, whatever the white
space, typography and (in plain words) case. Nothing else may differ: neither a digit, a sign, a
negation, an operator, a unit nor a name. What stands around the place counts as well: ``12`` is
not said by ``312`` or ``1.12``, and ``all birds fly`` is not said by ``not all birds fly``.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Final

from crossmodel.domain.insight import Span
from crossmodel.text.normalise import NEGATIONS, tokens, unify

_SEPARATOR: Final = "\x1f"  # white space to Python, so never part of a token
_MAX_EXACT_TRIES: Final = 64
"""Occurrences looked at before tokens are compared: ``1`` may occur in every long number."""
_LAST_WORD: Final = re.compile(
    r"([^\W\d_]+(?:'[^\W\d_]+)?)[^\S\r\n]*(?:\r?\n)?[^\S\r\n]*[*_\"'(\[]*$"
)
_COMPARATORS: Final = frozenset("<>≤≥≠≮≯~≈±")
_ARROWS: Final = ("->", "=>", "~>", "<-")
_TAG: Final = re.compile(r"</?[A-Za-z][^<>\n]{0,80}>$")
_NUMBER_JOINTS: Final = frozenset(".,:/'-^*×·_")
"""Between two digits these make one number, date, time, ratio or expression."""
_WORD_JOINTS: Final = frozenset(".'-@/\\^")
"""Between two letters or digits these make one name, path, address or compound."""
_BEFORE_NUMBER: Final = frozenset("+-.±$€£¥₹")
_AFTER_NUMBER: Final = frozenset("%‰°$€£¥₹")
_CONTEXT: Final = 96


class Grounder:
    """Grounds claims in one source; what its text must be prepared for is done once."""

    def __init__(self, source: str) -> None:
        self.source = source

    def ground(self, claim: str) -> Span | None:
        """The first place where the source says ``claim``, or ``None``.

        Takes time linear in the source; where the claim stands word for word, about that of
        ``str.find``.
        """
        wanted = claim.strip()
        if not wanted:
            return None
        for start in islice(_occurrences(self.source, wanted), _MAX_EXACT_TRIES):
            if _stands_alone(self.source, start, start + len(wanted)):
                return Span(start, start + len(wanted))
        return self._ground_tokens(wanted)

    def _ground_tokens(self, claim: str) -> Span | None:
        forms = [form for form, _, _ in tokens(claim)]
        if not forms:
            return None
        canonical, starts, ends = self._tokens
        needle = _SEPARATOR + "".join(form + _SEPARATOR for form in forms)
        first = counted_to = 0
        for position in _occurrences(canonical, needle):
            first += canonical.count(_SEPARATOR, counted_to, position)
            counted_to = position
            start, end = starts[first], ends[first + len(forms) - 1]
            if _stands_alone(self.source, start, end):
                return Span(start, end)
        return None

    @cached_property
    def _tokens(self) -> tuple[str, array[int], array[int]]:
        """The canonical tokens between separators, and where each starts and ends."""
        starts, ends, forms = array("Q"), array("Q"), [""]
        for form, start, end in tokens(self.source):
            forms.append(form)
            starts.append(start)
            ends.append(end)
        return _SEPARATOR.join([*forms, ""]), starts, ends


def ground(claim: str, source: str) -> Span | None:
    """The first place where ``source`` says ``claim``, in offsets of ``source``, or ``None``.

    An empty or blank claim is never grounded. To ground many claims in one source, keep a
    :class:`Grounder`.
    """
    return Grounder(source).ground(claim)


def _occurrences(text: str, wanted: str) -> Iterator[int]:
    position = text.find(wanted)
    while position >= 0:
        yield position
        position = text.find(wanted, position + 1)


def _stands_alone(source: str, start: int, end: int) -> bool:
    """Whether ``source[start:end]`` is whole, and nothing around it changes what it says."""
    if _is_inside_token(source, start) or _is_inside_token(source, end):
        return False
    if end < len(source) and source[end - 1].isdigit() and source[end] in _AFTER_NUMBER:
        return False
    return start == 0 or not _is_taken_back(source, start)


def _is_inside_token(source: str, at: int) -> bool:
    """Whether a word, number or name goes on across ``at``."""
    if at == 0 or at == len(source):
        return False
    before, after = unify(source[at - 1]), unify(source[at])
    if unicodedata.category(after)[0] == "M":
        return True  # an accent belongs to the character before it
    if _is_word(before) and _is_word(after):
        return True
    if _is_word(after) and at > 1:
        return _joins(unify(source[at - 2]), before, after)
    if _is_word(before) and at + 1 < len(source):
        return _joins(before, after, unify(source[at + 1]))
    return False


def _joins(left: str, joint: str, right: str) -> bool:
    if left.isdigit() and right.isdigit():
        return joint in _NUMBER_JOINTS
    return joint in _WORD_JOINTS and _is_word(left) and _is_word(right)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def _is_taken_back(source: str, start: int) -> bool:
    """Whether a sign, a comparison or a negation stands right before ``start``."""
    context = unify(source[max(0, start - _CONTEXT) : start])
    if source[start].isdigit() and context[-1] in _BEFORE_NUMBER:
        return True
    if source[start].isalnum() and context[-1] in "!¬" and not context[-2:-1].isalnum():
        return True
    line = context[context.rfind("\n") + 1 :].rstrip(" \t")
    if line and line[-1] in _COMPARATORS and not line.endswith(_ARROWS):
        is_markup = not line.strip("> \t") or _TAG.search(line) is not None
        return not is_markup
    word = _LAST_WORD.search(context)
    if word is None:
        return False
    folded = word.group(1).casefold()
    return folded in NEGATIONS or folded.endswith("n't")
