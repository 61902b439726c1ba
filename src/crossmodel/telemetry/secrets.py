"""Keys and passwords are blotted out of what is logged, whoever put them into a message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

BLOT: Final = "[secret]"

LEAST_HIDDEN: Final = 8
"""Shorter values are words, such as ``none`` for a local server; blotting them out hides nothing
and makes lines unreadable."""

MOST_CHARACTERS: Final = 16_384
"""Of a longer text the beginning is shown. Twice as much is looked through, so that no secret is
cut in two before it is found."""

MOST_DEPTH: Final = 6
"""How deep the fields of a line are looked into; what is deeper is left out."""

_LIKELY: Final = re.compile(
    r"""
      (?P<scheme>\b(?:bearer|basic)[ \t]+) [A-Za-z0-9._~+/=-]{8,}       # RFC 6750, 2.1; RFC 7617
    | (?P<name>(?:x-api-key|api[_-]?key|authorization|password|passwd|secret|access[_-]?token)
        ["']?\s*[:=]\s*["']?)  (?!bearer\b|basic\b|\[secret\])  [^\s"',;&}\]]{4,}
    | (?P<url>[a-z][a-z0-9+.-]{0,20}://[^\s/@:]{0,256}:) [^\s/@]{1,512} (?=@) # RFC 3986, 3.2.1
    | \b(?:sk|pk|rk|cm|cmk)-[A-Za-z0-9_-]{12,}                          # model providers, and ours
    | \b(?:ghp|gho|ghs|glpat|xox[abp]|AKIA|AIza|hf)[_-]?[A-Za-z0-9_-]{16,}
    | \beyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]*  # a JSON Web Token
    | -----BEGIN[ ][A-Z ]{0,20}PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]{0,20}PRIVATE[ ]KEY-----|\Z)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
"""What a secret looks like that nobody has told us of."""


class Secrets:
    """Blots out the secrets that it is told of, and what looks like one.

    Args:
        known: keys and passwords, as they are.
    """

    __slots__ = ("_known",)

    def __init__(self, known: Iterable[str] = ()) -> None:
        values = {value for value in known if len(value) >= LEAST_HIDDEN}
        longest_first = sorted(values, key=len, reverse=True)  # one may be a part of another
        self._known = re.compile("|".join(map(re.escape, longest_first))) if values else None

    def blot(self, text: str) -> str:
        """The text without them, and without the rest of what is very long."""
        size = len(text)
        text = text[: 2 * MOST_CHARACTERS]
        if self._known is not None:
            text = self._known.sub(BLOT, text)
        text = _LIKELY.sub(_kept, text)
        if size <= MOST_CHARACTERS:
            return text
        return f"{text[:MOST_CHARACTERS]}… ({size} characters)"

    def blot_line(
        self, _logger: object, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """A structlog processor: every text of a line without them."""
        return {self.blot(str(key)): self._blotted(value, 0) for key, value in line.items()}

    def _blotted(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.blot(value)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            if depth >= MOST_DEPTH:
                return "…"
            if isinstance(value, Mapping):
                return {
                    self.blot(str(key)): self._blotted(inner, depth + 1)
                    for key, inner in value.items()
                }
            return [self._blotted(inner, depth + 1) for inner in value]
        return self.blot(str(value))


def _kept(found: re.Match[str]) -> str:
    """What says that there was a secret, but for the secret."""
    said = found["scheme"] or found["name"] or found["url"] or ""
    return said + BLOT
