"""What may stand in a statement: each kind's predicate, field by field."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final

from crossmodel.errors import WitnessError

PREDICATE_BASE: Final = "https://crossmodel.dev/predicate/"
KEY_ROTATION: Final = "key-rotation"
"""The kind of record that says which keys sign from there on; also what it is about."""

_RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_INTEGER_LIMIT = 2**63

Check = Callable[[Any], bool]
"""Whether a value may stand in a field."""


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _time(value: Any) -> bool:
    return isinstance(value, str) and _RFC3339_UTC.fullmatch(value) is not None


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _integer(value: Any) -> bool:
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and -_INTEGER_LIMIT <= value < _INTEGER_LIMIT
    )


def _number(value: Any) -> bool:
    return math.isfinite(value) if type(value) is float else _integer(value)


def _optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


_text_or_none = _optional(_text)
_number_or_none = _optional(_number)
_EXACT: Final[Mapping[Check, frozenset[type]]] = {
    _text: frozenset({str}),
    _text_or_none: frozenset({str, type(None)}),
    _truth: frozenset({bool}),
    _number_or_none: frozenset({type(None)}),
}
"""Types of which a check passes every value: to look at the type alone is quicker."""


def _each(check: Check) -> Callable[[Iterable[Any]], bool]:
    exact = _EXACT.get(check, frozenset())
    return lambda values: exact.issuperset(map(type, values)) or all(map(check, values))


def _list_of(check: Check) -> Check:
    each = _each(check)
    return lambda value: isinstance(value, list) and each(value)


def _table_of(check: Check) -> Check:
    names, each = _each(_text), _each(check)
    return lambda value: isinstance(value, dict) and names(value) and each(value.values())


_texts = _list_of(_text)


def _term(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    return _text(value) or _texts(value) or _truth(value) or _integer(value)


SCHEMAS: Final[dict[str, dict[str, Check]]] = {
    "selection": {
        "time": _time,
        "request_id": _text,
        "model": _text,
        "score": _number,
        "alternatives": _texts,
        "rejected": _table_of(_text),
        "requirement": _table_of(_term),
        "inputs": _text_or_none,
        "trace_id": _text_or_none,
    },
    "transfer": {
        "time": _time,
        "request_id": _text,
        "target_model": _text,
        "protocol": _text,
        "insights": _texts,
        "quality_score": _number,
        "tokens": _integer,
        "success": _truth,
        "arm": _text,
        "trace_id": _text_or_none,
    },
    "outcome": {
        "time": _time,
        "request_id": _text,
        "model": _text,
        "success": _truth,
        "score": _number_or_none,
        "latency_ms": _number_or_none,
        "cost_usd": _number_or_none,
        "source": _text,
        "served_model": _text_or_none,
        "trace_id": _text_or_none,
    },
    "insight": {
        "time": _time,
        "insight_id": _text,
        "type": _text,
        "kind": _text,
        "source_model": _text,
        "source_request": _text_or_none,
        "confidence": _number,
        "reliability": _optional(_table_of(_number)),
        "validation_status": _text,
        "evidence": _list_of(_table_of(_integer)),
        "links": _texts,
    },
    "erasure": {
        "time": _time,
        "insights": _texts,
        "records": _list_of(_list_of(_integer)),
        "counts": _table_of(_integer),
    },
    KEY_ROTATION: {
        "time": _time,
        "from_size": _integer,
        "old": _list_of(_table_of(_text)),
        "new": _list_of(_table_of(_text)),
    },
}
"""Each kind's predicate: exactly these fields, of these types, and ``logged_at``. Numbers are
finite, integers fit 64 bits, and nothing nests deeper than it says here.

``time`` is when it happened, ``logged_at`` when the log took it: that never falls along a log.
``inputs`` is the SHA-256 of the recorded inputs that a selection can be made again from."""

VERSION: Final = "v1"


LOGGED_AT: Final = "logged_at"

_KINDS: Final = {f"{PREDICATE_BASE}{kind}/{VERSION}": kind for kind in SCHEMAS}
"""Each kind by its URI."""


@cache
def predicate_type(kind: str) -> str:
    """The URI of a kind of statement, with its version."""
    return f"{PREDICATE_BASE}{kind}/{VERSION}"


def kind_of(document: Mapping[str, Any]) -> str | None:
    """The kind of a decoded statement, or ``None`` for another kind or version than we know."""
    return _KINDS.get(document["predicateType"])


def understands(document: Mapping[str, Any]) -> bool:
    """Whether a decoded statement is of a kind and version that we know, and of its schema."""
    kind, predicate = kind_of(document), document["predicate"]
    if kind is None:
        return False
    schema = {LOGGED_AT: _time, **SCHEMAS[kind]}
    return set(predicate) == set(schema) and all(
        may_stand(predicate[name]) for name, may_stand in schema.items()
    )


def check(kind: str, predicate: Mapping[str, Any]) -> None:
    """Hold a predicate, but for ``logged_at``, to its kind's schema.

    Raises:
        WitnessError: if it is not exactly what that says, or there is no such kind.
    """
    schema = SCHEMAS.get(kind)
    if schema is None:
        raise WitnessError(f"there is no statement {kind!r}; known are {', '.join(SCHEMAS)}")
    if predicate.keys() != schema.keys():
        wrong = sorted(set(predicate) ^ set(schema))
        raise WitnessError(f"{kind} statement: missing or unknown fields: {', '.join(wrong)}")
    for name, may_stand in schema.items():
        value = predicate[name]
        if type(value) not in _EXACT.get(may_stand, ()) and not may_stand(value):
            found = type(predicate[name]).__name__  # the value itself may be anybody's secret
            raise WitnessError(f"{kind} statement: {name} cannot be this {found}")
