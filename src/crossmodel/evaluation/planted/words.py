"""Invented words: no model has ever read them, and a seed gives the same ones again."""

from __future__ import annotations

import random
from typing import Final

_ONSETS: Final = ("b", "br", "d", "dr", "f", "fl", "g", "gr", "h", "k", "kl", "l", "m", "n", "p",
                  "pr", "r", "s", "sk", "st", "t", "tr", "v", "w", "z")  # fmt: skip
_VOWELS: Final = ("a", "e", "i", "o", "u", "ae", "io")
_CODAS: Final = ("", "l", "n", "r", "s", "m", "k", "th", "nd", "x")


class Words:
    """Draws names that it has not drawn before."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._drawn: set[str] = set()

    def name(self, syllables: int = 2) -> str:
        """A capitalised name, such as ``Vothar``."""
        return self.word(syllables).capitalize()

    def word(self, syllables: int = 2) -> str:
        """A word in lower case."""
        for _ in range(1000):
            parts = (
                self._rng.choice(_ONSETS) + self._rng.choice(_VOWELS) for _ in range(syllables)
            )
            word = "".join(parts) + self._rng.choice(_CODAS)
            if word not in self._drawn and len(word) > 4:  # noqa: PLR2004 - short ones are real words
                self._drawn.add(word)
                return word
        return self.word(syllables + 1)

    def letters(self, count: int) -> str:
        """Capitals, as in a code."""
        return "".join(self._rng.choices("BCDFGHJKLMNPQRSTVWXZ", k=count))
