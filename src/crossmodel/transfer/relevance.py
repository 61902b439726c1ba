"""How far an insight is about a question: by the words in common, rare ones weighing more."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from crossmodel.domain.insight import Insight
from crossmodel.transfer.wording import worked_example

LEAST_SHARED_WORDS: Final = 2
"""One word in common is chance."""

AROUND: Final = 0.6
"""What a word in common counts that stands in a heading, and not in the text itself."""

MAX_QUERY: Final = 20_000
"""Characters of a question that are read."""

_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_NAME: Final = re.compile(
    r"""(?<!\w)(?:(?P<numbered>[^\W\d_]{2,}\ \d+)(?!\w)
      |[A-Z][^\W\d_]*|[^\W\d_]+(?=\d)[^\W_]*|\d+(?=[^\W\d_])[^\W_]*)  # mixed, as in K9""",
    re.VERBOSE,
)
_BEGINS: Final = re.compile(r"(?:\A|[.!?\n]\s*)[\W_]*(?P<first>[^\W\d_]+)")
_PLURAL_LEAST: Final = 4
_EMPTY_WORDS: Final = frozenset(
    """a an and are as at be been by can could did do does done for from give has have how i if in
    into is it its me my of on or our out please shall should so tell than that the their them
    then there these this those to under us was we what when where which who whose why will with
    would write you your""".split()  # noqa: SIM905 - a text reads better than seventy literals
)


class Weights:
    """How much a word tells: less the more texts use it (inverse document frequency)."""

    def __init__(self, texts: Iterable[frozenset[str]]) -> None:
        listed = list(texts)
        self._texts = len(listed)
        self._used = Counter(word for text in listed for word in text)
        self._rare = math.log1p(self._texts) or 1.0

    def of(self, words: Iterable[str]) -> float:
        """The words' weight together; one that no text uses counts as rare, which is 1."""
        return sum(self.one(word) for word in sorted(words))

    def one(self, word: str) -> float:
        """The word's weight, 0..1."""
        return math.log1p(self._texts / max(self._used[word], 1)) / self._rare


def overlap(
    asked: frozenset[str],
    words: frozenset[str],
    weights: Weights,
    names: frozenset[str] = frozenset(),
) -> float:
    """Share of the words in common by weight, of whichever side has less (Szymkiewicz-Simpson).

    ``names`` are words of which one alone in common is no chance.
    """
    shared = asked & words
    if len(shared) < min(LEAST_SHARED_WORDS, len(asked)) and not shared & names:
        return 0.0
    return weights.of(shared) / min(weights.of(asked), weights.of(words))


def coverage(
    asked: frozenset[str],
    words: frozenset[str],
    weights: Weights,
    around: frozenset[str] = frozenset(),
) -> float:
    """Share of what is asked, by weight, that the words cover, 0..1.

    ``around`` are words that only stand over the text, in its heading: they count for less.
    """
    total = weights.of(asked)
    covered = weights.of(asked & words) + AROUND * weights.of(asked & around - words)
    return covered / total if total else 0.0


def words_said(insight: Insight) -> frozenset[str]:
    """What an insight speaks of: its words, those of its scope, and of its table's header."""
    return words_in("\n".join([insight.scope, insight.content, *columns_of(insight)]))


def words_matched(insight: Insight) -> frozenset[str]:
    """What must meet a question: of a worked example its input, with scope and header."""
    example = worked_example(insight)
    if example is None:
        return words_said(insight)
    columns = columns_of(insight)
    return words_in("\n".join([example[0], *((insight.scope, *columns) if columns else ())]))


def columns_of(insight: Insight) -> Sequence[str]:
    """The header of the table that the insight is a row of; empty for others."""
    columns = insight.metadata.get("columns")
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        return ()
    return columns


def names_in(text: str, *, within: bool = False) -> frozenset[str]:
    """Words that are written like names: with a capital, mixed with digits, or numbered.

    ``ward 7`` is one name. With ``within``, words that begin a sentence do not count, since these
    have a capital anyway.
    """
    text = text[:MAX_QUERY]
    begins = {match.start("first") for match in _BEGINS.finditer(text)} if within else set()
    found: set[str] = set()
    for match in _NAME.finditer(text):
        if match["numbered"]:
            found.add(match["numbered"].casefold())
        elif match.start() not in begins:
            found |= words_in(match.group())
    return frozenset(found - {"0"})


@lru_cache(maxsize=4096)
def words_in(text: str) -> frozenset[str]:
    """The words that tell something, in one spelling; any number counts as the same word."""
    words = set()
    for match in _WORD.finditer(text[:MAX_QUERY]):
        word = match.group().casefold()
        if word in _EMPTY_WORDS:
            continue
        if word.isdigit():
            word = "0"
        elif len(word) >= _PLURAL_LEAST and word.endswith("s") and not word.endswith("ss"):
            word = word[:-1]
        words.add(word)
    return frozenset(words)
