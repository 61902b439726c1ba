"""Claims said again in other words, and claims that differ in one thing that matters.

``edited`` keeps what a text says, ``flipped`` changes it: the first should be found again as the
same, the second never. Both are pure: the same ``rng`` state gives the same text.
"""

# ruff: noqa: RUF001, SIM905 - look-alike characters are replaced; a list of words reads as text

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Final

from crossmodel.errors import InvalidInputError

STRENGTHS: Final = ("light", "medium", "heavy")
"""Typography; a word here or there; several words and the order of clauses."""

_OPENERS: Final = (
    "Note that", "In short,", "In general,", "It is worth knowing that", "Remember that",
    "As a rule,", "In this case,", "Put simply,", "To be clear,", "Here,",
)  # fmt: skip
_FILLERS: Final = "also really indeed simply just generally usually clearly actually then".split()
_ARTICLES: Final = frozenset("a an the".split())
_SYNONYMS: Final = {
    first: second
    for pair in (
        "use/employ uses/employs used/employed show/demonstrate shows/demonstrates big/large"
        " quickly/rapidly fast/quick important/crucial because/since so/thus however/yet"
        " therefore/hence begin/start begins/starts ensure/guarantee ensures/guarantees"
        " need/require needs/requires get/obtain gets/obtains make/produce makes/produces"
        " choose/pick help/assist helps/assists often/frequently main/primary method/approach"
        " methods/approaches error/mistake errors/mistakes whole/entire result/outcome"
        " results/outcomes find/determine finds/determines gives/yields give/yield"
        " about/regarding many/numerous idea/notion ideas/notions task/job problem/issue"
        " problems/issues various/several people/persons answer/response simple/easy"
        " hard/difficult clear/evident also/likewise while/whereas such/similar"
    ).split()
    for first, second in (pair.split("/"), reversed(pair.split("/")))
}
_CONTRACTED: Final = (
    ("do not", "don't"), ("does not", "doesn't"), ("is not", "isn't"), ("are not", "aren't"),
    ("cannot", "can't"), ("will not", "won't"), ("should not", "shouldn't"), ("it is", "it's"),
    ("that is", "that's"), ("you are", "you're"), ("we have", "we've"), ("there is", "there's"),
)  # fmt: skip
_TRAILING: Final = re.compile(r"^(?P<main>[^,;:.!?]+?),? (?P<rest>(?:if|when|because) [^,;:.!?]+)")
_LEADING: Final = re.compile(r"^(?P<rest>(?:If|When|Because) [^,;:.!?]+), (?P<main>[^,;:.!?]+)")
_PLAIN: Final = re.compile(r"[a-z]{3,}[,.;:!?]?")
"""A word that is no name, number, symbol or code: these are left alone."""
_CODE: Final = re.compile(r"`[^`\n]*`|\$[^$\n]*\$|\\[\[(].*?\\[\])]", re.DOTALL)

_NUMBER: Final = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w]|[.,]\d)")
_NUMBER_WORDS: Final = "two three four five six seven eight nine ten twelve twenty hundred".split()
_UNITS: Final = (
    "km miles meters metres feet inches cm mm m", "kg grams pounds g mg tons ounces",
    "seconds minutes hours days weeks months years ms s h", "litres liters gallons ml",
    "bytes KB MB GB TB kB", "dollars euros pounds cents yen", "Hz kHz MHz GHz",
    "watts kW MW joules", "second minute hour day week month year", "meter metre mile foot inch",
)  # fmt: skip
_KIN: Final = {unit: units.split() for units in _UNITS for unit in units.split()}
_UNIT: Final = re.compile(
    r"(?<=\d)( ?|-)(" + "|".join(sorted(_KIN, key=len, reverse=True)) + r")(?![\w/])"
)
_AFFIRMED: Final = re.compile(
    r"\b(is|are|was|were|can|could|will|would|must|should|may|does|do|did|has|have)\b"
    r"(?! (?:not|never|no)\b|n't|not\b)"
)
_NEGATED: Final = re.compile(r"(?<=\w)(?:n't| not| never)\b")
_OPERATOR: Final = re.compile(
    r"(?<=[\w)\]] )(?:[<>=!]=|->|=>|&&|\|\||[-+*/<>=≤≥≠×÷])(?= [\w(\[$-])"
)
_OPERATORS: Final = ("<", ">", "<=", ">=", "==", "!=", "+", "-", "*", "/", "=")
_NAME: Final = re.compile(r"(?<=[a-z,] )(?:[A-Z][a-z]{2,}|[A-Z]{3,})\b(?!')")
_NAMES: Final = (
    "Marlow", "Quentin", "Zorblat", "Ines", "Tobias", "Lisbon", "Verona", "Kestrel", "Adeyemi",
    "Okafor", "Django", "Redis", "Saturn", "Ottawa",
)  # fmt: skip
_OPPOSITES: Final = {
    first: second
    for pair in (
        "more/less increases/decreases increase/decrease higher/lower maximum/minimum max/min"
        " before/after always/sometimes all/some larger/smaller greater/fewer above/below"
        " start/end first/last true/false enable/disable allow/forbid include/exclude"
        " positive/negative odd/even faster/slower better/worse inside/outside most/least"
        " ascending/descending left/right upper/lower open/closed cheap/expensive"
    ).split()
    for first, second in (pair.split("/"), reversed(pair.split("/")))
}
_DIRECTED: Final = re.compile(
    r"\b(\w+) (before|after|causes|precedes|exceeds|implies|into|beats|replaces|follows) (\w+)\b"
)

Rng = random.Random


def edited(text: str, strength: str, rng: Rng) -> str:
    """``text`` in other words that say the same.

    Numbers, units, negations, operators, names and code stay as they are. ``light`` changes
    typography alone; ``medium`` about one word in ten as well; ``heavy`` one in five, adds an
    opening and moves a clause. Where nothing can be changed the text comes back as it is.

    Raises:
        InvalidInputError: if ``strength`` is none of :data:`STRENGTHS`.
    """
    if strength not in STRENGTHS:
        raise InvalidInputError(f"strength must be one of {', '.join(STRENGTHS)}, not {strength!r}")
    if not text.strip():
        return text
    if strength == "light":
        return _typeset(text, rng)
    share = 0.1 if strength == "medium" else 0.2
    text = _reworded(text, share, rng)
    if strength == "heavy":
        text = _moved(text)
        text = f"{rng.choice(_OPENERS)} {_decapitalised(text)}"
    return _typeset(text, rng)


def _typeset(text: str, rng: Rng) -> str:
    """One or two of what keyboards and typesetters do differently."""
    changes: Sequence[Callable[[str], str]] = (
        lambda t: t.rstrip(".") if t.endswith(".") else f"{t}.",
        _decapitalised,
        lambda t: t.replace(" ", "  ", 1),
        lambda t: t.replace("'", "’") if "'" in t else t.replace("’", "'"),
        lambda t: re.sub(r"(?<=[a-z]), (?=[a-z])", " ", t, count=1),
        lambda t: f"- {t}",
        lambda t: re.sub(r"(?<= )([a-z]{4,})(?= )", r"**\1**", t, count=1),
        lambda t: t.replace(" - ", " – "),
    )
    for change in rng.sample(changes, rng.randint(1, 2)):
        text = change(text)
    return text


def _reworded(text: str, share: float, rng: Rng) -> str:
    """About that share of the words exchanged for a synonym, added, dropped or contracted."""
    for plain, short in _CONTRACTED:
        if rng.random() < share:
            text = text.replace(plain, short) if plain in text else text.replace(short, plain)
    kept = [match.span() for match in _CODE.finditer(text)]
    words = [
        (match.group(), any(start <= match.start() < end for start, end in kept))
        for match in re.finditer(r"\S+", text)
    ]
    # several passes: not every word that is drawn can be changed
    wanted, changed = max(1, round(share * len(words))), 0
    for at in rng.sample(range(len(words)), len(words)):
        word, is_code = words[at]
        stripped = word.rstrip(",.;:!?")
        if changed == wanted:
            break
        if is_code or not (_PLAIN.fullmatch(word) or stripped in _ARTICLES):
            continue
        if stripped in _SYNONYMS:
            words[at] = (_SYNONYMS[stripped] + word[len(stripped) :], False)
        elif stripped in _ARTICLES and at:
            words[at] = ("", False)
        elif rng.random() < share and stripped == word:
            words[at] = (f"{rng.choice(_FILLERS)} {word}", False)
        else:
            continue
        changed += 1
    return " ".join(word for word, _ in words if word)


def _moved(text: str) -> str:
    """``B if A`` for ``If A, B``, and the other way round."""
    if match := _LEADING.match(text):
        main, rest = match["main"], match["rest"]
        return f"{main[:1].upper()}{main[1:]} {rest[:1].lower()}{rest[1:]}{text[match.end() :]}"
    if match := _TRAILING.match(text):
        main, rest = match["main"], match["rest"]
        return f"{rest[:1].upper()}{rest[1:]}, {_decapitalised(main)}{text[match.end() :]}"
    return text


def _decapitalised(text: str) -> str:
    """An ordinary first word in lower case."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    return text[:1].lower() + text[1:] if len(first) > 1 and first.istitle() else text


def flipped(text: str, what: str, rng: Rng) -> str | None:
    """``text`` with one thing changed so that it says something else.

    ``what`` is one of :data:`FLIPS`. ``None`` where there is nothing of the sort to change.

    Raises:
        InvalidInputError: if ``what`` is no flip.
    """
    if what not in _FLIPPERS:
        raise InvalidInputError(f"flip must be one of {', '.join(FLIPS)}, not {what!r}")
    return _FLIPPERS[what](text, rng)


def _exchange(
    pattern: re.Pattern[str], text: str, rng: Rng, other: Callable[[re.Match[str]], str]
) -> str | None:
    found = list(pattern.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    return text[: match.start()] + other(match) + text[match.end() :]


def _number(text: str, rng: Rng) -> str | None:
    def other(match: re.Match[str]) -> str:
        digits = match.group()
        at = rng.choice([i for i, digit in enumerate(digits) if digit.isdecimal()])
        choices = [digit for digit in "123456789" if digit != digits[at]]
        return digits[:at] + rng.choice(choices) + digits[at + 1 :]

    return _exchange(_NUMBER, text, rng, other) or _word_of(_NUMBER_WORDS, text, rng)


def _word_of(words: Sequence[str], text: str, rng: Rng) -> str | None:
    pattern = re.compile(r"\b(?:" + "|".join(words) + r")\b")
    return _exchange(
        pattern, text, rng, lambda m: rng.choice([each for each in words if each != m.group()])
    )


def _unit(text: str, rng: Rng) -> str | None:
    def other(match: re.Match[str]) -> str:
        unit = match.group(2)
        return match.group(1) + rng.choice([each for each in _KIN[unit] if each != unit])

    return _exchange(_UNIT, text, rng, other)


def _negation(text: str, rng: Rng) -> str | None:
    return _exchange(_NEGATED, text, rng, lambda _: "") or _exchange(
        _AFFIRMED, text, rng, lambda m: f"{m.group()} {rng.choice(['not', 'never'])}"
    )


def _operator(text: str, rng: Rng) -> str | None:
    return _exchange(
        _OPERATOR, text, rng, lambda m: rng.choice([o for o in _OPERATORS if o != m.group()])
    )


def _name(text: str, rng: Rng) -> str | None:
    return _exchange(
        _NAME,
        text,
        rng,
        lambda m: rng.choice([n for n in _NAMES if n.lower() != m.group().lower()]),
    )


def _opposite(text: str, rng: Rng) -> str | None:
    pattern = re.compile(r"\b(?:" + "|".join(_OPPOSITES) + r")\b")
    return _exchange(pattern, text, rng, lambda m: _OPPOSITES[m.group()])


def _order(text: str, rng: Rng) -> str | None:
    fits = re.compile(_DIRECTED.pattern)
    swapped = _exchange(fits, text, rng, lambda m: f"{m[3]} {m[2]} {m[1]}")
    return swapped if swapped != text else None


_FLIPPERS: Final = {
    "number": _number,
    "unit": _unit,
    "negation": _negation,
    "operator": _operator,
    "name": _name,
    "opposite": _opposite,
    "order": _order,
}
FLIPS: Final = tuple(_FLIPPERS)
"""What :func:`flipped` can change."""
