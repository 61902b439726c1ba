"""One spelling for what is written in several ways, and never one for what means two things.

Compatibility forms (NFKC, Unicode Standard Annex #15) are unified except where that changes a
number or a unit: ``10²`` is not ``102``, ``5½`` is not ``51/2``. Case is ignored in plain words
only: ``mW`` is not ``MW``, ``getUser`` is not ``getuser``.
"""

# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_KEPT_FORMS: Final = frozenset({"<super>", "<sub>", "<fraction>", "<circle>", "<square>"})
"""Compatibility forms that mean something else than the characters they resemble."""
_SAME: Final = {
    "\u2018": "'", "\u2019": "'", "\u201b": "'", "\u02bc": "'", "\u2032": "'",
    "\u201c": '"', "\u201d": '"', "\u201f": '"', "\u00ab": '"', "\u00bb": '"',
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2212": "-",
}  # fmt: skip
"""Quotation marks, hyphens and the minus sign: typesetters and keyboards spell them differently."""
_FOLDABLE_LENGTH: Final = 4
"""Shorter words may be units, symbols or acronyms: their case counts."""
_SHORT_WORDS: Final = frozenset(
    "a all an and any are as at be but by can do for has he how if in is it its let may no nor not"
    " of on one or our out see she so the to two use via was we who why yes yet you".split()
)
NEGATIONS: Final = frozenset("cannot hardly neither never no non none nor not without".split())
"""Words that turn what is said into its opposite; so does the ending ``n't``."""
COLONS: Final = ":\uff1a"
"""Chinese and Japanese set theirs in full width."""
_TOKEN: Final = re.compile(r"[\w\u0300-\u036f\u3099\u309a]+|\.+|…|[^\w\s]")


class _Singles(dict[int, str]):
    """One character to one character, worked out when it is first met; ASCII stands for itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        plain = _SAME.get(character) or _compatible(character)
        single = plain if len(plain) == 1 else character
        self[code] = single
        return single


def _compatible(character: str) -> str:
    """The NFKC form of ``character`` where it means the same, else its canonical form."""
    decomposition = unicodedata.decomposition(character)
    if not decomposition.startswith("<"):
        return unicodedata.normalize("NFC", character)
    plain = unicodedata.normalize("NFKC", character)
    changes_meaning = decomposition.split(" ", 1)[0] in _KEPT_FORMS or plain[:1].isspace()
    adds_digit = len(plain) > 1 and any(each.isdigit() for each in plain)
    return character if changes_meaning or adds_digit else plain


_SINGLES: Final = _Singles({code: chr(code) for code in range(128)})


def unify(text: str) -> str:
    """``text`` with each character in its plain form; offsets stay as they are."""
    return text if text.isascii() else text.translate(_SINGLES)


def canonical(token: str) -> str:
    """The form that stands for ``token``, a word or symbol of a unified text."""
    if not token.isascii():
        token = unicodedata.normalize("NFC", "".join(map(_compatible, token)))
    if token.isalpha() and (token.islower() or token.isupper() or token.istitle()):
        folded = token.casefold()
        if len(token) >= _FOLDABLE_LENGTH or (folded in _SHORT_WORDS and not token.isupper()):
            return folded
    return token


def tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """The tokens of ``text``, each as its canonical form, start and end.

    A token is a word, a run of full stops, or one symbol.
    """
    forms: dict[str, str] = {}
    for match in _TOKEN.finditer(unify(text)):
        token = match.group()
        form = forms.get(token)
        if form is None:
            form = forms[token] = canonical(token)
        yield form, match.start(), match.end()


def has_colon(text: str) -> bool:
    """Whether a label may stand in it."""
    return ":" in text or "\uff1a" in text
