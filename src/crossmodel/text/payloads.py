"""What the payloads of a turn say: texts, and what stands inside of a recorded request.

A request is kept as its client wrote it: as the library does, or in the dialect of an API, whose
JSON may spell any letter as an escape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

_SAID: Final = frozenset(
    {"content", "text", "input", "system", "instructions", "prompt", "arguments", "output"}
)
"""Fields of requests that hold what people and models say; others hold names and settings."""


def texts_in(values: Iterable[bytes]) -> set[str]:
    """The payloads themselves as texts, and what is said inside of those that are requests."""
    texts: set[str] = set()
    for value in values:
        texts.add(as_text(value))
        document = _document(value)
        if isinstance(document, list):  # messages alone
            document = {"input": document}
        texts |= {text for text, is_said in _strings(document) if is_said}
    return texts


def strings_in(value: bytes) -> Iterator[str]:
    """All strings of a payload that is JSON, without their escapes; none of another one."""
    return (text for text, _ in _strings(_document(value)))


def as_text(value: bytes) -> str:
    """A payload as text; bytes that are none, which a client may have sent, are replaced."""
    try:
        return value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return value.decode("utf-8", "replace")


def _document(value: bytes) -> Any:
    """An object or array; ``None`` if the payload is something else."""
    if value.lstrip()[:1] not in {b"{", b"["}:
        return None
    try:
        return json.loads(as_text(value))
    except (ValueError, RecursionError):
        return None


def _strings(document: Any) -> Iterator[tuple[str, bool]]:
    """Every string, and whether it is in a field that people or models speak in."""
    rest = [(document, False)]
    while rest:
        value, is_said = rest.pop()
        if isinstance(value, str):
            yield value, is_said
        elif isinstance(value, list):
            rest += [(each, is_said) for each in value]
        elif isinstance(value, dict):
            yield from ((name, False) for name in value)
            rest += [(each, name in _SAID) for name, each in value.items()]
