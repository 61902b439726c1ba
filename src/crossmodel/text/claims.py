"""Reading a short claim: what it is about, and what it says of that.

A claim is read without a grammar. What tells something (numbers, names, code, symbols, words such
as colours and weekdays, whatever follows a noun like "gate") stands either in its context, which
is before the verb or behind "of", "for", "when" and the like, or it is a value. The context and
the ordinary words are its topic.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from crossmodel.text import lexicon
from crossmodel.text.facts import NAME, Fact, is_name
from crossmodel.text.normalise import NEGATIONS, unify

MAX_CHARACTERS: Final = 400
"""Longer texts say more than one thing, and are not read."""

_TOKEN: Final = re.compile(
    r"`[^`\n]+`|\"[^\"\n]+\""  # code, and what is quoted
    r"|<=|>=|!=|==|->|=>|[→:=|<>,;]"
    r"|[^\s,;:|`\"()]*\w\([^()\s]*\)"  # a call
    r"|[^\s,;:|`\"()]+"
)
_OPENER: Final = re.compile(
    r"^(?:[-*#>•\s]|\d+[.)]\s)*"
    r"(?:(?:please\s+)?(?:note|remember|keep in mind)(?:\s+that)?\b[:,]?\s*"
    r"|(?:\w+\s){0,2}(?:rule|convention|reminder|in short|short version)\s*:\s*)?",
    re.IGNORECASE,
)
_EMPHASIS: Final = re.compile(r"(?<![\w*])\*{1,3}(?=[^\s*])|(?<=[^\s*])\*{1,3}(?![\w*])")
_POSSESSIVE: Final = re.compile(r"'s?$")
_PLAIN: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_MARKS: Final = frozenset({"→", ":", "=", "->", "=>", "|", "=="})


@lru_cache(maxsize=4096)  # one claim is compared with many
def fact_of(claim: str) -> Fact | None:
    """The claim taken apart; ``None`` for what is too long, too short or no single claim."""
    if len(claim) > MAX_CHARACTERS:
        return None
    plain = unify(_EMPHASIS.sub("", claim)).strip()
    plain = plain[_OPENER.match(plain).end() :]  # type: ignore[union-attr] # it matches anything
    fact = _Reader(plain).read()
    return fact if fact.is_telling else None


class _Reader:
    """Reads one claim from left to right."""

    def __init__(self, claim: str) -> None:
        self._tokens = [_trimmed(token) for token in _TOKEN.findall(claim)]
        self._tokens = [token for token in self._tokens if token]
        self._topic: list[str] = []
        self._subjects: list[str] = []
        self._values: list[str] = []
        self._order: list[str] = []
        self._negations = 0

    def read(self) -> Fact:
        tokens = self._tokens
        pivot = self._pivot()
        in_context, last = pivot != 0, ""
        for place, token in enumerate(tokens):
            lower = token.lower()
            if place == pivot:
                in_context = False
            elif place > pivot or pivot == 0:
                in_context = self._in_context(place, in_context)
            if lower in NEGATIONS or lower.endswith("n't"):
                self._negations += 1
                continue
            telling = self._telling(place)
            if telling:
                self._add(telling, place, in_context=in_context)
            elif _PLAIN.fullmatch(token) and (stem := lexicon.stem(lower)):
                self._topic.append(stem)
                self._order.append(stem)
                if not in_context and place > pivot + 1 and not self._is_said_of(place):
                    last = stem
        if not self._values and last and self._topic[-1] == last:
            self._values.append(self._topic.pop())  # nothing tells more: it is what is said
        self._flip(pivot)
        return Fact(
            frozenset(self._topic),
            frozenset(self._subjects),
            tuple(self._values),
            self._negations % 2 == 1,
            tuple(self._order),
        )

    def _pivot(self) -> int:
        """Where the claim begins to say something: its first verb or sign, or its end."""
        for place, token in enumerate(self._tokens):
            lower = token.lower()
            if token in _MARKS or lower in lexicon.VERBS:
                return place
            if lower in lexicon.ASIDES and place == 0:
                return self._after_aside()
        return self._unknown_verb()

    def _unknown_verb(self) -> int:
        """Where a verb that is not known may stand: a word with its ending, or what goes before."""
        tokens = self._tokens
        for place in range(1, len(tokens)):
            lower, before = tokens[place].lower(), tokens[place - 1].lower()
            has_ending = (
                lower.endswith("s") and not lower.endswith("ss") and tokens[place].islower()
            )
            is_verb = has_ending and _PLAIN.fullmatch(lower) and before not in lexicon.EMPTY
            if lower in lexicon.MEANS or (is_verb and not self._telling(place)):
                return place
        return len(tokens)

    def _is_said_of(self, place: int) -> bool:
        """Whether the word stands right behind "is", as in "is quick" and "is never deleted"."""
        before = self._tokens[place - 1].lower()
        return before in lexicon.BEING or before in NEGATIONS or before == "very"

    def _add(self, telling: str, place: int, *, in_context: bool) -> None:
        """Note what tells something; names in a row are one."""
        self._order.append(telling)
        if in_context:
            self._subjects.append(_plain_name(telling))
            self._topic.append(self._subjects[-1])
            return
        if (
            self._values
            and is_name(telling)
            and place
            and self._telling(place - 1) == self._values[-1]
        ):
            self._values[-1] += f" {telling.removeprefix(NAME)}"
        else:
            self._values.append(telling)

    def _after_aside(self) -> int:
        """The first verb behind the comma of "To open a vault, …" or "For Nelvik, …"."""
        tokens = self._tokens
        start = tokens.index(",") if "," in tokens else 1
        for place in range(start, len(tokens)):
            if tokens[place].lower() in lexicon.VERBS and (place > start + 1 or "," in tokens):
                return place
        return len(tokens)

    def _in_context(self, place: int, before: bool) -> bool:
        """Whether the token stands in a phrase that says what the claim is about."""
        lower = self._tokens[place].lower()
        if lower in lexicon.SCOPES:
            following = self._tokens[place + 1 : place + 2]
            # "for 40 minutes" is a value, "for ticket 40" is none
            return not (following and following[0][:1].isdigit())
        if lower == "to":
            following = self._tokens[place + 1 : place + 2]
            return bool(following) and following[0].lower() in lexicon.PURPOSES
        if lower in lexicon.ENDS or self._tokens[place] == ",":
            return False
        return before

    def _telling(self, place: int) -> str:
        """The token in the form that is compared, if it tells something by itself."""
        token, lower = self._tokens[place], self._tokens[place].lower()
        if token in _MARKS or token in {",", ";"}:
            return ""
        if token[0] in '`"':
            return token.strip('`"').strip()
        words = lexicon.VALUE_WORDS
        if kind := words.get(lower) or words.get(lower.removesuffix("s")):
            return f"{kind}:{lexicon.stem(lower) or lower}"
        if not _PLAIN.fullmatch(token):
            return token
        if lower in lexicon.NUMBERS:
            return lexicon.NUMBERS[lower]
        if self._follows_slot(place):
            return f"slot:{lower}"
        is_capital = token[0].isupper() and (place > 0 or (token.isupper() and len(token) > 1))
        return f"{NAME}{lower}" if is_capital and lower not in lexicon.EMPTY else ""

    def _follows_slot(self, place: int) -> bool:
        before = self._tokens[place - 1].lower() if place else ""
        lower = self._tokens[place].lower()
        return (
            before in lexicon.SLOTS
            and lower not in lexicon.EMPTY
            and lower not in lexicon.VERBS
            and lower not in lexicon.GENERIC
        )

    def _flip(self, pivot: int) -> None:
        """Read "Meropis is the capital of Atlantis" as "the capital of Atlantis is Meropis"."""
        tokens = [token.lower() for token in self._tokens]
        is_one = tokens[pivot : pivot + 2] == ["is", "the"] and not self._values
        if pivot == 1 and is_one and not {"of", "for"}.isdisjoint(tokens[pivot:]):
            head = lexicon.stem(tokens[0])
            if head in self._topic:
                self._topic.remove(head)
                self._values.append(f"{NAME}{tokens[0]}")


def _plain_name(telling: str) -> str:
    """A name that is part of a topic, in the form of other words."""
    return (
        (lexicon.stem(name) or name) if (name := telling.removeprefix(NAME)) != telling else telling
    )


def _trimmed(token: str) -> str:
    """Without the punctuation that ends a sentence, and the ending of a genitive."""
    if token in _MARKS or token[0] in '`"':
        return token
    bare = token.rstrip(".!?")
    return _POSSESSIVE.sub("", bare)
