"""Loaders that take one meaning or none: JSON (RFC 8259), base64 (RFC 4648, 4), names of keys.

The standard library keeps the last of two equal keys, reads NaN, skips characters that are not
base64, and recurses as deep as the input asks. Evidence must not depend on such leniency.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from typing import Any, Final

from crossmodel.errors import VerificationError

MAX_BYTES: Final = 4 * 1024 * 1024
"""Largest document that is parsed."""

MAX_DEPTH: Final = 64
"""Deepest nesting that is parsed."""

MAX_DIGITS: Final = 400
"""Longest number that is parsed; longer ones cost quadratic time to no purpose."""

_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]|"', re.DOTALL)


def load_json(data: bytes) -> Any:
    """One JSON document.

    Raises:
        VerificationError: for duplicate keys, NaN, infinities and numbers that overflow, lone
            surrogates, a byte order mark, trailing bytes, invalid UTF-8, too much, or too deep.
    """
    if len(data) > MAX_BYTES:
        raise VerificationError(f"larger than {MAX_BYTES:,} bytes")
    if data.startswith(b"\xef\xbb\xbf"):
        raise VerificationError("starts with a byte order mark")
    _check_depth(data)
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise VerificationError(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise VerificationError(f"not JSON: {error.msg} at character {error.pos}") from None
    _check_surrogates(value)
    return value


def load_base64(text: str) -> bytes:
    """Exactly one encoding has each value: standard alphabet, padded, unused bits zero.

    Raises:
        VerificationError: for anything else.
    """
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise VerificationError("not base64") from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise VerificationError("base64 is not canonical")
    return raw


def is_key_name(name: str) -> bool:
    """Whether ``name`` may name a key in a note."""
    return bool(name) and not any(
        c == "+" or c < " " or c.isspace() or _is_surrogate(c) for c in name
    )


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def _check_depth(data: bytes) -> None:
    depth = 0
    for token in _STRUCTURE.finditer(data):
        if token[0] in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise VerificationError(f"nested deeper than {MAX_DEPTH}")
        elif token[0] in b"]}":
            depth -= 1
        elif token[0] == b'"':  # going on would look for the end again from each later quote
            raise VerificationError("not JSON: a string has no end")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise VerificationError("the same key stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise VerificationError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    value = float(digits) if len(digits) <= MAX_DIGITS else math.inf
    if math.isinf(value):
        raise VerificationError("a number is too large or too long")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise VerificationError("a number is too long")
    return int(digits)


def _check_surrogates(value: Any) -> None:
    """Depth is bounded by now, so walking it recursively is safe."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise VerificationError("a string holds a lone surrogate") from None
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_surrogates(key)
            _check_surrogates(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_surrogates(inner)
