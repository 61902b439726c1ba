"""Checks that domain types share: each returns its value, or raises naming the field."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import TypeVar

from crossmodel.errors import InvalidInputError

Number = TypeVar("Number", int, float)


def number(name: str, value: object) -> float:
    """A real number: not NaN, not a bool, not a string; infinities pass."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInputError(f"{name} must be a number, not {type(value).__name__}")
    try:
        is_nan = math.isnan(value)
    except OverflowError:
        raise InvalidInputError(f"{name} is too large a number") from None
    if is_nan:
        raise InvalidInputError(f"{name} is NaN")
    return value


def unit_interval(name: str, value: object) -> float:
    """A number within 0..1, both included."""
    checked = number(name, value)
    if not 0.0 <= checked <= 1.0:
        raise InvalidInputError(f"{name} must lie within 0..1, not {value}")
    return checked


def not_negative(name: str, value: object) -> float:
    """A finite number of at least 0."""
    checked = number(name, value)
    if checked < 0 or math.isinf(checked):
        raise InvalidInputError(f"{name} must be finite and not negative, not {value}")
    return checked


def limit(name: str, value: object) -> float:
    """A limit: more than 0; infinity means that there is none."""
    checked = number(name, value)
    if checked <= 0:
        raise InvalidInputError(f"{name} must be more than 0 (infinity for no limit), not {value}")
    return checked


def at_least(name: str, value: Number, least: Number) -> Number:
    """An integer or finite number that is no less than ``least``."""
    checked = number(name, value)
    if checked < least or math.isinf(checked):
        raise InvalidInputError(f"{name} must be finite and at least {least}, not {value}")
    return value


def text(name: str, value: object) -> str:
    """A string with something in it besides white space."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{name} must be a string that is not empty")
    return value


def one_of(name: str, value: str, known: Iterable[str]) -> str:
    """One of the known words."""
    options = tuple(known)
    if value not in options:
        raise InvalidInputError(f"{name} must be one of {', '.join(options)}, not {value!r}")
    return value


def nearest(key: str, known: Iterable[str]) -> str:
    """The known word that is most like ``key``; empty if none is known."""
    return next(iter(difflib.get_close_matches(key.lower(), list(known), n=1, cutoff=0.0)), "")


def known_key(path: str, key: str, known: Iterable[str]) -> str:
    """A key of a table whose keys are fixed; the error names the nearest of them."""
    names = sorted(str(name) for name in known)
    if key not in names:
        raise InvalidInputError(
            f"{path}.{key} is unknown; did you mean {nearest(key, names)!r}? "
            f"(known: {', '.join(names)})"
        )
    return key
