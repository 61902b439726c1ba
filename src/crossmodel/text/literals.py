r"""Where a text could match expressions, told for all of them in one pass.

Whatever an expression matches holds one of its required literals: ``\b(?:may|might) fail`` needs
``" may fail"`` or ``" might fail"``. So where none stands, nothing need be tried. Regular
expressions are indexed in this way since Cox, "Regular Expression Matching with a Trigram Index"
(2012); an automaton of Aho and Corasick (CACM 18, 1975) finds all literals at once.

Texts and literals are compared as :func:`_plain` leaves them: letters in lower case, ``0`` for
digits and ``_``, a space for all else. A space also stands for the edge of a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from string import ascii_lowercase, digits
from typing import Any, Final

from ahocorasick_rs import BytesAhoCorasick, Implementation

Endings = frozenset[str]
"""What a piece of text ends with: one of these."""

_ANYTHING: Final[Endings] = frozenset({""})
_EDGE: Final = "\b"
_MOST_VARIANTS: Final = 64
"""More strings than these that a piece may end with are not followed further."""
_MOST_MEMBERS: Final = 4
"""A set of more characters is taken for any character."""
_COMMON: Final = frozenset(
    word[:length]
    for word in "and are as be for in is it of on one that the this to we with".split()  # noqa: SIM905
    for length in range(1, len(word) + 1)
)
"""Words that stand everywhere, and their beginnings: a literal of these alone says little."""
_TABLE: Final = bytes(
    ord(c) if (c := chr(code)) in ascii_lowercase else ord("0" if c in digits + "_" else " ")
    for code in range(256)
)
_WORD_SET: Final = frozenset(
    {
        (sre.RANGE, (ord("a"), ord("z"))),
        (sre.RANGE, (ord("0"), ord("9"))),
        (sre.LITERAL, ord("_")),
    }
)
_REPEATS: Final = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)


class Signs:
    """Tells in one pass whether a text holds any of some strings."""

    def __init__(self, signs: Iterable[str]) -> None:
        self._automaton = BytesAhoCorasick(map(_bytes, signs), implementation=Implementation.DFA)

    def any_in(self, text: str) -> bool:
        """Whether it does; linear in the text."""
        return bool(self._automaton.find_matches_as_indexes(_bytes(text)))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class Literals:
    """Finds in a text the required literals of expressions.

    ``expressions`` has the expressions for each bit; a bit may have several.
    """

    def __init__(self, expressions: Mapping[int, Iterable[re.Pattern[str]]]) -> None:
        masks: dict[str, int] = {}
        for bit, patterns in expressions.items():
            for pattern in patterns:
                for literal in required_literals(pattern):
                    masks[literal] = masks.get(literal, 0) | bit
        self._masks = list(masks.values())
        self._automaton = BytesAhoCorasick(
            [literal.encode() for literal in masks], implementation=Implementation.DFA
        )

    def find(self, lower: str) -> list[tuple[int, int]]:
        """A position within each literal, and the bits of the expressions that require it.

        ``lower`` is a text in lower case; positions are in order. Linear in text and finds.
        """
        masks = self._masks
        text = b" %b " % _plain(lower)
        found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        # a literal may begin and end with a space that stands for the edge of the text
        return [(end - 3, masks[number]) for number, _, end in found]


def required_literals(pattern: re.Pattern[str]) -> frozenset[str]:
    """Strings of which every match of the pattern holds one.

    Raises:
        ValueError: if there are none that say anything: such a pattern fits everywhere.
    """
    parsed = sre_parser.parse(pattern.pattern, pattern.flags)
    _, best = _follow(parsed, frozenset({""}))
    literals = frozenset(map(_with_edges, best))
    if not all(len(literal) > 1 and literal.strip() for literal in literals):
        raise ValueError(f"no literal is required by {pattern.pattern!r}")
    kept: list[str] = []
    for literal in sorted(literals):  # one that begins with another needs not be looked for
        if not kept or not literal.startswith(kept[-1]):
            kept.append(literal)
    return frozenset(kept)


def _follow(items: Iterable[tuple[Any, Any]], endings: Endings) -> tuple[Endings, Endings]:
    """What a text ends with after these items, and the most telling of what it held on the way.

    ``endings`` is what it ends with before them.
    """
    best = endings
    for operator, group in groupby(items, key=itemgetter(0)):
        arguments = [argument for _, argument in group]
        if operator is sre.LITERAL:  # a word at once
            arguments = ["".join(map(_plain_one, arguments))]
        for argument in arguments:
            endings, told = _step(operator, argument, endings)
            best = max(best, told, key=_worth)
    return endings, best


def _step(operator: Any, argument: Any, endings: Endings) -> tuple[Endings, Endings]:
    if operator is sre.SUBPATTERN:
        return _follow(argument[-1], endings)
    if operator is sre.ATOMIC_GROUP:
        return _follow(argument, endings)
    if operator is sre.BRANCH:
        ways = [_follow(way, endings) for way in argument[1]]
        told = frozenset[str]().union(*(best for _, best in ways))
        return _bounded(frozenset[str]().union(*(after for after, _ in ways))), told
    if operator in _REPEATS:
        least, most, items = argument
        return _repeated(least, most, items, endings)
    endings = _after(operator, argument, endings)
    return endings, endings


def _repeated(least: int, most: int, items: Any, endings: Endings) -> tuple[Endings, Endings]:
    after, told = _follow(items, endings)
    if most > 1:
        after |= _follow(items, _ANYTHING)[0]
    return (_bounded(after), told) if least else (_bounded(after | endings), endings)


def _after(operator: Any, argument: Any, endings: Endings) -> Endings:
    """What a text ends with after an item that holds no others."""
    is_edge = argument is sre.AT_BOUNDARY or (
        operator is sre.ASSERT_NOT and _excludes_words(argument[1])
    )
    if operator is sre.LITERAL:
        values = {argument}
    elif operator is sre.IN:
        values = _members(argument)
    elif is_edge:
        values = {_EDGE}
    elif operator in {sre.AT, sre.ASSERT, sre.ASSERT_NOT}:
        return endings
    else:  # any character, a group again, ...
        values = set()
    return _joined(endings, values) if values else _ANYTHING


def _joined(endings: Endings, values: Iterable[str]) -> Endings:
    joined = frozenset(before + after for before in endings for after in values)
    return joined if len(joined) <= _MOST_VARIANTS else _bounded(frozenset(values))


def _bounded(endings: Endings) -> Endings:
    return endings if len(endings) <= _MOST_VARIANTS else _ANYTHING


def _members(items: list[tuple[Any, Any]]) -> set[str]:
    """The characters of a set, as they are compared; none if they are too many."""
    members = set()
    for operator, argument in items:
        if operator is sre.LITERAL:
            members.add(_plain_one(argument))
        elif operator is sre.CATEGORY and argument in {sre.CATEGORY_SPACE, sre.CATEGORY_NOT_WORD}:
            members.add(" ")
        else:
            return set()
    return members if len(members) <= _MOST_MEMBERS else set()


def _excludes_words(items: list[tuple[Any, Any]]) -> bool:
    """Whether a negative look-around wants no part of a word there: ``(?<![a-z0-9_])``."""
    return len(items) == 1 and items[0][0] is sre.IN and _WORD_SET.issubset(items[0][1])


@lru_cache(maxsize=64)
def _worth(literals: Endings) -> tuple[int, int]:
    """How much the least telling of them tells: letters outside common words, then length."""
    return min(
        (
            sum(len(word) for word in each.replace(_EDGE, " ").split() if word not in _COMMON),
            len(each),
        )
        for each in literals
    )


def _with_edges(literal: str) -> str:
    """The literal, with a space for the edge of a word where it begins or ends with one."""
    bare = literal.replace(_EDGE, "")
    begins = literal.startswith(_EDGE) and not bare.startswith(" ")
    ends = literal.endswith(_EDGE) and not bare.endswith(" ")
    return " " * begins + bare + " " * ends


def _plain_one(code: int) -> str:
    return _plain(chr(code).lower()[:1]).decode()


def _plain(lower: str) -> bytes:
    """One byte for each character: a letter, ``0`` for a digit or ``_``, or a space."""
    return lower.encode("ascii", "replace").translate(_TABLE)
