"""Do two texts say the same?

Alike in words is not enough: ``x < 5`` and ``x > 5``, ``may`` and ``may not``, ``v2`` and ``v3``,
``5 km`` and ``5 miles`` differ in one token each. So numbers with their units, negations,
operators, identifiers and words that tell a direction must agree exactly, and no name may stand for
another.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match
# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Final

from rapidfuzz import fuzz
from rapidfuzz.utils import default_process

from crossmodel.text.normalise import NEGATIONS, unify

_GUARDED: Final = re.compile(
    r"`[^`\n]+`"  # what its author set as code
    r"|\([A-Za-z]\)|\\[A-Za-z]+"  # an option, a command of LaTeX
    r"|\w+(?:[.,:/\\'-]\w+)*+\(?"
    r"|!(?=[\w=(])|[<>=≤≥≠≈±¬∧∨⇒→←↔∈∉∪∩⊂⊆×÷*/+^%$€£¥°]+"
    r"|(?<!\w)-(?=\d|\s|$)"
)
_WORD: Final = re.compile(r"\w+")
_NUMBER_WORDS: Final = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
} | {"twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "hundred": "100"}
del _NUMBER_WORDS["one"]  # mostly a pronoun
_DIRECTIONS: Final = {
    word: name
    for name, words in {
        "more": "more greater larger bigger higher",
        "less": "less fewer smaller lower",
        "up": "increase increases increased increasing rise rises rising grow grows growing",
        "down": "decrease decreases decreased decreasing fall falls falling shrink shrinks",
        "max": "max maximum maximal most",
        "min": "min minimum minimal least",
        "before": "before prior",
        "after": "after",
        "above": "above",
        "below": "below beneath",
        "first": "first",
        "last": "last",
        "true": "true",
        "false": "false",
        "positive": "positive",
        "negative": "negative",
        "ascending": "ascending",
        "descending": "descending",
        "even": "even",
        "odd": "odd",
        "inside": "inside",
        "outside": "outside",
    }.items()
    for word in words.split()
}
"""Words whose exchange turns a claim around, each with what it stands for."""
_OPENERS: Final = frozenset(
    """a after all also an and as at because before but by each every finally first for from hence
    however if in it its let next no now of on one our since so some such that the their then there
    therefore these they this those thus to we when where which while with you your""".split()
)
"""Words that begin sentences with a capital and are no names."""
_OPPOSITE: Final = {
    word: other
    for pair in """all/some allow/forbid always/sometimes better/worse cheap/expensive cold/hot
        early/late earlier/later easy/hard easier/harder enable/disable enabled/disabled fast/slow
        faster/slower include/exclude includes/excludes left/right long/short longer/shorter
        many/few new/old open/closed start/end starts/ends strong/weak top/bottom upper/lower
        win/lose wins/loses""".split()
    for word, other in (pair.split("/"), reversed(pair.split("/")))
}
_DIRECTED: Final = re.compile(
    r"\b(\w+) (before|after|causes|precedes|exceeds|implies|into|beats|replaces|follows|than|over) "
    r"(?=(\w+)(?: (\w+))?)"
)
_ARTICLES: Final = frozenset({"a", "an", "the"})
_NEGATING: Final = ("in", "un", "im", "il", "ir", "non", "dis")
_NO_SYMBOLS: Final = frozenset("AI")
_CAPITAL: Final = re.compile(r"(?<!\w)[^\W\d_a-z]\w*[a-z]\w*")
_UNIT: Final = re.compile(r"(\d+)[ -]?([^\W\d_]+)(?: ([^\W\d_]+))?")
_LOOK_BACK: Final = 6
_BEGINNINGS: Final = ".!?:;\n-–—•#>|"
_AROUND: Final = " \t*_\"'`(["
_MARKUP: Final = re.compile(
    r"^\s*(?:[-*•]\s+|#{1,6}\s+|\d{1,3}[.)]\s+)|(?<![\w*])\*{1,3}(?=[^\s*])|(?<=[^\s*])\*{1,3}(?![\w*])"
)
"""Bullets and emphasis, which say nothing."""
_MOST_EXCHANGED: Final = 2
_SAME_WORD: Final = 80
"""RapidFuzz ratio, 0..100, from which two words count as forms of one."""
_LEAST_LENGTH_RATIO: Final = 0.6
"""A text that says much more is no duplicate, though it holds all the words of the other."""


@lru_cache(maxsize=1024)  # one text is compared with many
def guard(text: str) -> tuple[str, ...]:
    """What must agree exactly, sorted: numbers, negations, operators, identifiers, directions."""
    plain = _MARKUP.sub("", unify(text))
    return tuple(sorted(filter(None, map(_guarded, _GUARDED.findall(plain)))))


def similarity(first: str, second: str) -> float:
    """How alike two texts are in words, whatever their order: 0..1.

    RapidFuzz's token set ratio, and 0 where one is much longer than the other.
    """
    shorter, longer = sorted((len(first), len(second)))
    if shorter < _LEAST_LENGTH_RATIO * longer:
        return 0.0
    return fuzz.token_set_ratio(first, second, processor=default_process) / 100


def near_duplicates(first: str, second: str, threshold: float) -> bool:
    """Whether two texts say the same in at least nearly the same words; 0..1."""
    return (
        similarity(first, second) >= threshold
        and guard(first) == guard(second)
        and not exchanges(first, second)
    )


def exchanges(first: str, second: str) -> bool:
    """Whether one names what the other does not, has another unit, or the opposite of a word."""
    if (
        _is_turned_around(first, second)
        or _has_opposites(first, second)
        or _has_other_units(first, second)
    ):
        return True
    ours, theirs = _only(first, second)
    if not ours and not theirs:
        return False
    if any(
        f"{prefix}{word}" in others
        for words, others in ((ours, theirs), (theirs, ours))
        for word in words
        for prefix in _NEGATING
    ):
        return True
    names, other_names = _names(first), _names(second)
    if not names[0].isdisjoint(ours) or not other_names[0].isdisjoint(theirs):
        return True
    # at the beginning of a sentence a capital tells nothing, unless another stands in its place
    return not names[1].isdisjoint(ours) and not other_names[1].isdisjoint(theirs)


def _has_opposites(first: str, second: str) -> bool:
    """Whether one has a word more often, and the other its opposite."""
    words = Counter(_WORD.findall(first.lower()))
    words.subtract(_WORD.findall(second.lower()))
    return any(
        count > 0 > words[_OPPOSITE[word]] for word, count in words.items() if word in _OPPOSITE
    )


def _is_turned_around(first: str, second: str) -> bool:
    """Whether "one before the other" has become "the other before the one"."""
    ours = _DIRECTED.findall(first.lower())
    if not ours:
        return False
    theirs = {(a, relation, b) for a, relation, b, _ in _DIRECTED.findall(second.lower())}
    return any(
        other != before and (other, relation, before) in theirs
        for before, relation, *others in ours
        for other in others
        if other
    )


def substitutes(first: str, second: str) -> bool:
    """Whether one text is the other with a word or two exchanged for others.

    "goes to queue blue" and "goes to queue green" are alike and not the same. Forms of one word
    do not count, nor words that are added on one side only.
    """
    only_ours, only_theirs = (words - _ARTICLES for words in _only(first, second))
    if not 0 < max(len(only_ours), len(only_theirs)) <= _MOST_EXCHANGED:
        return False
    return any(
        all(fuzz.ratio(word, other) < _SAME_WORD for other in only_theirs) for word in only_ours
    ) and bool(only_theirs)


def _only(first: str, second: str) -> tuple[set[str], set[str]]:
    """The words that only the first has, and those that only the second has."""
    ours, theirs = (set(_WORD.findall(unify(text).lower())) for text in (first, second))
    return ours - theirs, theirs - ours


def _names(text: str) -> tuple[set[str], set[str]]:
    """Words with a capital, in lower case: within a sentence, and where one begins."""
    within: set[str] = set()
    beginning: set[str] = set()
    for match in _CAPITAL.finditer(text):
        word, start = match.group(), match.start()
        before = text[max(0, start - _LOOK_BACK) : start].rstrip(_AROUND)[-1:]
        begins = not before or before in _BEGINNINGS
        (beginning if begins else within).add(word.lower())
    return within - _OPENERS, beginning - _OPENERS


def _has_other_units(first: str, second: str) -> bool:
    """Whether a number has another unit there; a word may have come between the two."""
    ours, theirs = _units(first), _units(second)
    return any(
        one[0] not in other and other[0] not in one
        for number in ours.keys() & theirs.keys()
        for one, other in zip(ours[number], theirs[number], strict=False)
    )


@lru_cache(maxsize=1024)
def _units(text: str) -> dict[str, list[tuple[str, str]]]:
    """For each number the words that follow it, two at each place where it stands."""
    found: dict[str, list[tuple[str, str]]] = {}
    for number, unit, after in _UNIT.findall(unify(text).lower()):
        found.setdefault(number, []).append((unit, after))
    return found


def _guarded(token: str) -> str:
    """``token`` in the form that must agree, or nothing for an ordinary word."""
    if token[0] == "(" or (len(token) == 1 and token.isupper() and token not in _NO_SYMBOLS):
        return token.strip("()").upper()  # an option, or a symbol
    if token.isalpha():
        folded = token.lower()
        if folded in NEGATIONS:
            return "not"
        if folded in _DIRECTIONS:
            return _DIRECTIONS[folded]
        if folded in _NUMBER_WORDS:
            return _NUMBER_WORDS[folded]
        is_name = len(token) > 1 and not (token.islower() or token.istitle())
        return token if is_name else ""
    return _guarded_compound(token)


def _guarded_compound(token: str) -> str:
    """The same for what has more in it than letters."""
    plain = token.strip("`").removesuffix("(")
    if token[0] == "\\":
        return plain
    words = re.split(r"[,:'-]", plain)
    folded = [word.lower() for word in words]
    if plain.lower().endswith("n't") or not NEGATIONS.isdisjoint(folded):
        return "not"
    if len(words) > 1 and (directions := [_DIRECTIONS[w] for w in folded if w in _DIRECTIONS]):
        return "-".join(directions)
    if all(word.isalpha() and (word.islower() or word.istitle()) for word in words):
        return plain if token[-1] in "`(" else ""
    return plain
