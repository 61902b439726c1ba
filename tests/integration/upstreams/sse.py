"""Server-sent events as bytes (WHATWG HTML, 9.2.6), in every way that the standard lets be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from upstreams.answers import to_json
from upstreams.behaviours import Behaviour


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``data`` is an object, or a string that is sent as it is; ``last`` ends the answer."""

    data: dict[str, Any] | str
    name: str | None = None
    last: bool = False


def encode(events: Iterable[Event], behaviour: Behaviour) -> Iterator[bytes]:
    """The bytes of each event, comments in front of the event that follows them.

    One after the other, as they are asked for: of long answers, hundreds may be under way.
    """
    newline = "\r" if "cr" in behaviour else "\r\n" if "crlf" in behaviour else "\n"
    every = behaviour.number("keepalive")
    for number, event in enumerate(events):
        lines = [f"event: {event.name}"] if event.name else []
        text = event.data if isinstance(event.data, str) else to_json(event.data, behaviour)
        lines.append(f"data: {text}")
        if "unknown" in behaviour:
            lines = _unheard_of(lines, text, number)
        if every and number and number % every == 0:
            lines = [": keep-alive", "", *lines]
        yield (newline.join(lines) + newline * 2).encode()


def _unheard_of(lines: list[str], text: str, number: int) -> list[str]:
    """The same event with what a reader has to pass over, or to put together again."""
    lines = [f": comment {number}", f"id: {number}", "retry: 10000", "x-field: odd", *lines]
    if number % 2 and text.startswith("{"):  # the newline that joins two data lines is white space
        lines[-1:] = ["data: {", f"data:{text[1:]}"]
    return lines
