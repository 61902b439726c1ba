"""Reads values out of a request, and says by their path which of them is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from crossmodel.errors import InvalidInputError

Json = dict[str, Any]
"""An object as decoded from JSON."""

_ID_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
)


def refuse(path: str, why: str) -> InvalidInputError:
    """The error for a field that cannot be translated, to be raised by the caller."""
    return InvalidInputError(f"{path}: {why}")


def object_of(value: object, path: str) -> Json:
    """The value, which must be an object."""
    if not isinstance(value, dict):
        raise refuse(path, f"must be an object, not {_kind(value)}")
    return value


def list_of(value: object, path: str) -> list[Any]:
    """The value, which must be an array."""
    if not isinstance(value, list):
        raise refuse(path, f"must be an array, not {_kind(value)}")
    return value


def text_of(value: object, path: str) -> str:
    """The value, which must be a string."""
    if not isinstance(value, str):
        raise refuse(path, f"must be a string, not {_kind(value)}")
    return value


def number_of(value: object, path: str) -> float:
    """The value, which must be a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(path, f"must be a number, not {_kind(value)}")
    return value


def flag_of(value: object, path: str) -> bool:
    """The value, which must be true or false."""
    if not isinstance(value, bool):
        raise refuse(path, f"must be true or false, not {_kind(value)}")
    return value


def only(value: Json, path: str, known: Collection[str], hints: Collection[str] = ()) -> None:
    """Refuse a field that is neither translated nor a harmless hint; ``null`` says nothing."""
    for name, given in value.items():
        if name not in known and name not in hints and given is not None:
            where = f"{path}.{name}" if path else name
            raise refuse(where, "the chosen model's API has nothing like it; leave it out")


def only_neutral(value: Json, neutral: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse a field of ``neutral`` whose value asks for something."""
    for name, harmless in neutral.items():
        given = value.get(name)
        if given is not None and given not in harmless:
            raise refuse(name, "the chosen model's API has nothing like it; leave it out")


def arguments_of(text: object, path: str) -> Json:
    """A tool call's arguments, which chat has as text; an empty one is an empty object."""
    written = text_of(text, path)
    if not written.strip():
        return {}
    try:
        read = msgspec.json.decode(written)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise refuse(path, f"must be JSON, but {error}") from None
    return object_of(read, path)


def json_text(value: object, path: str) -> str:
    """A value as JSON text."""
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError) as error:
        raise refuse(path, f"cannot be written as JSON: {error}") from None


def tool_id(given: str) -> str:
    """An id of a tool call in the characters that both dialects allow; the same for the same id.

    Messages allows letters, digits, ``_`` and ``-``; some chat servers write dots and colons.
    """
    if given and _ID_CHARACTERS.issuperset(given):
        return given
    digest = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()
    return f"call_{digest[:32]}"


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names: dict[type, str] = {
        bool: "true or false", str: "a string", list: "an array", dict: "an object"
    }  # fmt: skip
    return names.get(type(value), "a number")
