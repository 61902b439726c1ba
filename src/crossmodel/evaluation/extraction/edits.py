"""Planted edits: the same said slightly otherwise, and one thing flipped that changes what is said.

Both are seeded and need no model, so anybody can plant the same pairs again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Final

from crossmodel.errors import InvalidInputError

STEPS: Final[Mapping[str, int]] = {"light": 1, "medium": 2, "heavy": 4}
"""Words that are exchanged, added or left out, by strength; at most one in four of the text."""

_SYNONYMS: Final[Sequence[tuple[str, str]]] = (
    ("therefore", "thus"), ("so", "hence"), ("because", "since"), ("begin", "start"),
    ("big", "large"), ("show", "demonstrate"), ("shows", "demonstrates"), ("use", "employ"),
    ("find", "determine"), ("total", "overall"), ("needs", "requires"), ("need", "require"),
    ("get", "obtain"), ("gets", "obtains"), ("give", "provide"), ("gives", "provides"),
    ("correct", "right"), ("answer", "result"), ("small", "little"), ("also", "too"),
    ("important", "crucial"), ("helps", "aids"), ("often", "frequently"), ("means", "implies"),
    ("buy", "purchase"), ("method", "approach"), ("quick", "fast"), ("near", "close to"),
)  # fmt: skip
_SAME: Final = {a: b for pair in _SYNONYMS for a, b in (pair, pair[::-1])}
_FILLERS: Final = ("indeed", "in fact", "of course", "clearly", "as noted", "basically")
_ARTICLES: Final = frozenset({"the", "a", "an"})
_MOST_OF: Final = 4

_UNITS: Final[Sequence[tuple[str, ...]]] = (
    ("km", "miles", "m"), ("kg", "lbs", "grams"), ("cm", "inches", "mm"), ("meters", "feet"),
    ("hours", "minutes", "days"), ("hour", "minute", "day"), ("weeks", "months", "years"),
    ("dollars", "euros", "cents"), ("degrees", "radians"), ("watts", "volts", "amps"),
    ("kW", "MW"), ("MB", "GB"), ("ms", "s"), ("N", "J"), ("mph", "km/h"), ("%", "‰"),
)  # fmt: skip
_OTHER_UNIT: Final = {unit: [u for u in units if u != unit] for units in _UNITS for unit in units}
_UNIT: Final = re.compile(
    r"(?<=\d)( ?)("
    + "|".join(sorted(map(re.escape, _OTHER_UNIT), key=len, reverse=True))
    + r")(?!\w)"
)
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_NEGATION: Final = re.compile(r"\b(not|never) |\b(\w+)n['\u2019]t\b")
_VERB: Final = re.compile(
    r"\b(?:is|are|was|were|can|will|would|should|must|does|may|has)\b(?! not)"
)
_OPERATORS: Final = (
    "+",
    "-",
    "*",
    "/",
    "<",
    ">",
    "=",
    "\u2264",
    "\u2265",
    "\u2260",
    "\u00d7",
    "\u00f7",
)
_OPERATOR: Final = re.compile(
    r"(?<=[\w)\]}] )[-+*/<>=\u2264\u2265\u2260\u00d7\u00f7](?= [\w(\[{$-])"
)
_NAME: Final = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b")
_NAMES: Final = ("Ottilie", "Bramwell", "Tromso", "Kestrelby", "Ysolde", "Quintero")


def edited(text: str, strength: str, rng: random.Random) -> str:
    """``text`` in slightly other words: synonyms, fillers and articles; nothing that it says.

    Raises:
        InvalidInputError: unless ``strength`` is one of `STEPS`.
    """
    if strength not in STEPS:
        raise InvalidInputError(f"strength must be one of {', '.join(STEPS)}, not {strength!r}")
    words = text.split()
    for _ in range(max(1, min(STEPS[strength], len(words) // _MOST_OF))):
        known = [at for at, word in enumerate(words) if word.lower() in _SAME]
        articles = [at for at, word in enumerate(words) if at and word in _ARTICLES]
        way = rng.choice(["exchange"] * bool(known) + ["drop"] * bool(articles) + ["add"])
        if way == "exchange":
            at = rng.choice(known)
            other = _SAME[words[at].lower()]
            words[at] = other.capitalize() if words[at][0].isupper() else other
        elif way == "drop":
            del words[rng.choice(articles)]
        elif rng.random() < 0.5:  # noqa: PLR2004 - at either end
            words[0:0] = [f"{rng.choice(_FILLERS).capitalize()},"]
        else:
            words.append(f"({rng.choice(_FILLERS)})")
    return " ".join(words)


def flipped(text: str, what: str, rng: random.Random) -> str | None:
    """``text`` with one number, unit, negation, operator or name changed; ``None`` without one.

    Raises:
        InvalidInputError: if ``what`` is none of these.
    """
    if what == "negation":
        return _negated(text, rng)
    patterns = {"number": _NUMBER, "unit": _UNIT, "operator": _OPERATOR, "name": _NAME}
    if what not in patterns:
        known = ", ".join([*patterns, "negation"])
        raise InvalidInputError(f"what is flipped must be one of {known}, not {what!r}")
    places = list(patterns[what].finditer(text))
    if not places:
        return None
    place = rng.choice(places)
    said = place.group()
    if what == "number":
        at = rng.randrange(len(said))
        while said[at] == ".":
            at = rng.randrange(len(said))
        new = said[:at] + rng.choice([d for d in "123456789" if d != said[at]]) + said[at + 1 :]
    elif what == "unit":
        new = place.group(1) + rng.choice(_OTHER_UNIT[place.group(2)])
    elif what == "operator":
        new = rng.choice([each for each in _OPERATORS if each != said])
    else:
        new = rng.choice([each for each in _NAMES if each != said])
    return text[: place.start()] + new + text[place.end() :]


def _negated(text: str, rng: random.Random) -> str | None:
    """Without one of its negations, or where it has none, with one."""
    places = list(_NEGATION.finditer(text))
    if places:
        place = rng.choice(places)
        return text[: place.start()] + (place.group(2) or "") + text[place.end() :]
    verbs = list(_VERB.finditer(text))
    if not verbs:
        return None
    end = rng.choice(verbs).end()
    return f"{text[:end]} not{text[end:]}"
