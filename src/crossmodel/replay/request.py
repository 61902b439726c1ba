"""What was asked, read from the hidden value of its signed record."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from crossmodel.domain.answer import Ask
from crossmodel.domain.completion import Message
from crossmodel.domain.selection import TaskRequirement
from crossmodel.replay.outcome import NotReplayableError
from crossmodel.replay.records import Record

RELAYED: Final = (
    "it came through the gateway, where the choice hangs on how its body was read and on which "
    "endpoints were up, which is not recorded"
)


def request_of(record: Record, tenant: str) -> Ask:
    """The request as it was made.

    Raises:
        NotReplayableError: if it has been erased, or its form is not known here.
    """
    value = record.value("request")
    if value is None:
        raise NotReplayableError("what was asked has been erased")
    if is_relayed(record):
        raise NotReplayableError(RELAYED)
    try:
        return _ask(json.loads(value), tenant)
    except (KeyError, TypeError, ValueError) as error:  # another version's form
        raise NotReplayableError(f"what was asked cannot be read here: {error!r}") from error


def is_relayed(record: Record) -> bool:
    """Whether a request, as far as it is kept, is a client's own body rather than our form."""
    value = record.value("request")
    try:
        asked = json.loads(value or b"0")
    except (ValueError, RecursionError):
        return True
    return isinstance(asked, dict) and "needs" not in asked


def _ask(asked: dict[str, Any], tenant: str) -> Ask:
    return Ask(
        messages=tuple(Message(each["role"], each["content"]) for each in asked["messages"]),
        task=_requirement(asked.get("task")),
        model=asked["model"],
        tenant=tenant,
        max_tokens=asked["max_tokens"],
        temperature=asked["temperature"],
        seed=asked["seed"],
        needs=frozenset(asked["needs"]),
        conversation=asked["conversation"],
    )


def _requirement(said: dict[str, Any] | None) -> TaskRequirement | None:
    if said is None:
        return None
    infinite = {"cost_constraint": math.inf, "latency_constraint": math.inf}
    return TaskRequirement(**(infinite | said))
