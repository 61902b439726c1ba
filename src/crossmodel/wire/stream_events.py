"""What is read of a stream's events; msgspec passes over all else without building it."""

from __future__ import annotations

import msgspec

from crossmodel.wire.usage import RawUsage


class Delta(msgspec.Struct):
    """A piece of the answer, of which only why it is the last is read."""

    stop_reason: str | None = None


class Choice(msgspec.Struct):
    """One of the answers that a chat chunk goes on with."""

    index: int = 0
    finish_reason: str | None = None


class Answer(msgspec.Struct):
    """A message (Messages) or a response (Responses) within an event."""

    model: str | None = None
    status: str | None = None
    usage: RawUsage | None = None


class StreamEvent(msgspec.Struct):
    """The events of all dialects in one; what an event does not have stays ``None``."""

    type: str | None = None
    model: str | None = None
    usage: RawUsage | None = None
    choices: list[Choice] | None = None
    delta: Delta | str | None = None
    message: Answer | str | None = None
    response: Answer | None = None
    error: object = None


decode_event = msgspec.json.Decoder(StreamEvent, strict=False).decode
"""Reads an event's data; numbers written as text or with a fraction of 0 pass."""
