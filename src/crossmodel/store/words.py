"""The words of a text as the full-text index holds them, each tenant's apart from the others'.

A word is kept with its tenant's code before it, so that looking it up costs what this tenant has of
it and nothing of what the others have.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from typing import Final

MAX_WORDS: Final = 64
"""Distinct words of a query that are looked up; more would cost time and find nothing better."""

MAX_QUERY: Final = 20_000
"""Characters of a query that are read."""

MAX_LENGTH: Final = 64
"""Characters of a word that are kept: what is longer is no word."""

_ASCII = re.compile(r"[0-9a-z]+")
_WORD = re.compile(r"[^\W_]+")
_CODE_LENGTH: Final = 6


def words_in(text: str) -> list[str]:
    """All words of a text, in order: lower case, accents off, ASCII letters and digits alone.

    What has other letters is written in hexadecimal, so that no database splits it its own way.
    """
    if text.isascii():
        return [word[:MAX_LENGTH] for word in _ASCII.findall(text.lower())]
    parted = unicodedata.normalize("NFKD", text.encode("utf-8", "replace").decode().casefold())
    parted = parted.casefold()  # taking apart may bring capitals to light
    plain = "".join(letter for letter in parted if not unicodedata.combining(letter))
    return [_spelled(word[:MAX_LENGTH]) for word in _WORD.findall(plain)]


def words_of(query: str) -> list[str]:
    """The distinct words of a query, in order."""
    return list(dict.fromkeys(words_in(query[:MAX_QUERY])))[:MAX_WORDS]


@functools.lru_cache(maxsize=1024)
def tenant_code(tenant: str) -> str:
    """What stands before a tenant's words; should two share it, both are only slower."""
    digest = hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).digest()
    return "".join(chr(ord("a") + byte % 26) for byte in digest[:_CODE_LENGTH])


def indexed(code: str, text: str) -> str:
    """A text as the index of the tenant with that code takes it."""
    return " ".join(code + word for word in words_in(text))


def _spelled(word: str) -> str:
    return word if word.isascii() else "0x" + word.encode().hex()
