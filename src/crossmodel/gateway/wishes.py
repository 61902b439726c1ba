"""What a client may ask of the gateway itself: in the ``crossmodel`` field, or in headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from crossmodel.domain import checks
from crossmodel.domain.models import Feature
from crossmodel.domain.selection import TaskRequirement
from crossmodel.errors import InvalidInputError
from crossmodel.gateway.http1 import Header

PREFIX: Final = b"x-crossmodel-"

MOST_CONVERSATION: Final = 200
"""Characters of a conversation's name."""

TASK_FIELDS: Final = ("complexity", "quality_threshold", "cost_constraint", "latency_constraint")
TRUE: Final = frozenset({"true", "on", "yes", "1"})
FALSE: Final = frozenset({"false", "off", "no", "0"})


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request wants besides an answer.

    All of it may also stand in ``x-crossmodel-…`` headers, lists with commas; the field wins.

    Attributes:
        task: capabilities that the model must have, such as ``coding``.
        complexity: of the task, 0..1.
        quality_threshold: least quality, 0..1.
        cost_constraint: most USD per token.
        latency_constraint: most milliseconds.
        needs: features that the model must have besides those that the request shows.
        conversation: a name for the conversation, which then stays with its model.
        insights: whether insights may be put into the request.
        cache: whether an answer from the cache will do, where the gateway keeps any.
        timeout: most seconds that an answer may take.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """

    task: tuple[str, ...] = ()
    complexity: float | None = None
    quality_threshold: float | None = None
    cost_constraint: float | None = None
    latency_constraint: float | None = None
    needs: tuple[str, ...] = ()
    conversation: str | None = None
    insights: bool = True
    cache: bool = True
    timeout: float | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None:
            checks.limit("timeout", self.timeout)
        if self.conversation is not None:
            checks.text("conversation", self.conversation)
            if len(self.conversation) > MOST_CONVERSATION:
                raise InvalidInputError(f"conversation is longer than {MOST_CONVERSATION}")

    def requirement(self, otherwise: TaskRequirement) -> TaskRequirement:
        """The task as selection takes it; ``otherwise`` says what any task needs."""
        given = {name: getattr(self, name) for name in TASK_FIELDS}
        stated = {name: value for name, value in given.items() if value is not None}
        if not self.task and not stated:
            return otherwise
        return TaskRequirement(list(self.task) or otherwise.required_capabilities, **stated)

    @property
    def features(self) -> frozenset[Feature]:
        """The features that are asked for by name."""
        return frozenset(Feature.parse(name) for name in self.needs)


NONE: Final = Wishes()
NAMES: Final = tuple(field.name for field in fields(Wishes))


def wishes_of(ours: Mapping[str, Any] | None, headers: Iterable[Header]) -> Wishes:
    """What the field and the headers say together.

    Raises:
        InvalidInputError: for a name that is unknown or a value of the wrong kind.
    """
    given: dict[str, Any] = {}
    for name, value in headers:
        plain = name.removeprefix(PREFIX).decode("latin-1").replace("-", "_")
        said = value.decode("latin-1").strip()
        given[_known(plain)] = _split(said) if plain in {"task", "needs"} else said
    for plain, value in (ours or {}).items():
        given[_known(plain)] = value
    if not given:
        return NONE
    return Wishes(**{name: _READ[name](name, value) for name, value in given.items()})


def _known(name: str) -> str:
    name = "task" if name == "required_capabilities" else name
    if name not in NAMES:
        nearest = checks.nearest(name, NAMES)
        raise InvalidInputError(f"crossmodel.{name:.100}: unknown; did you mean {nearest!r}?")
    return name


def _split(said: str) -> list[str]:
    return [part.strip() for part in said.split(",") if part.strip()]


def _names(name: str, value: object) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise InvalidInputError(f"crossmodel.{name} must be a name or a list of names")
    return tuple(listed)


def _number(name: str, value: object) -> float:
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise InvalidInputError(f"crossmodel.{name} must be a number")


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    said = value.lower() if isinstance(value, str) else ""
    if said in TRUE or said in FALSE:
        return said in TRUE
    raise InvalidInputError(f"crossmodel.{name} must be true or false")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInputError(f"crossmodel.{name} must be a string")
    return value


_READ: Final[dict[str, Any]] = {
    "task": _names,
    "needs": _names,
    "conversation": _text,
    "insights": _flag,
    "cache": _flag,
    "timeout": _number,
    **dict.fromkeys(TASK_FIELDS, _number),
}
