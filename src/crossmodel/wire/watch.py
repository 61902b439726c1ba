r"""Watches a stream that is relayed byte by byte, and tells afterwards what went by.

The relay never waits for it and never sends what it made: it only reads. Most chunks are one event
with a few letters of text and nothing that is looked for, and searching or decoding them would cost
more than all the rest. Two short comparisons tell them: the event's name where the dialect names
events, else that it begins and ends as an event did in which nothing was found. Other chunks are
searched, and what the search finds is decoded.

The search relies on what JSON guarantees: inside of a string a quotation mark is escaped, so
``"usage"`` with both marks is a key or a whole value, never part of a text. Two kinds of servers
could hide something, and none is known: one that spells keys with ``\u`` escapes, and one that ends
lines with LF and with lone CR in one chunk.
"""

from __future__ import annotations

from typing import Final

import msgspec

from crossmodel.wire.dialect import Dialect
from crossmodel.wire.sse import MAX_EVENT_BYTES, Event, EventParser
from crossmodel.wire.stream_events import Answer, Delta, StreamEvent, decode_event
from crossmodel.wire.usage import RawUsage, TokenUsage

_ENDS: Final = frozenset({"response.completed", "response.failed", "response.incomplete"})


_TEXT_EVENTS: Final = {
    Dialect.MESSAGES: (b"event: content_block_",),
    Dialect.RESPONSES: (
        b"event: response.output_",
        b"event: response.function_call_",
        b"event: response.reasoning_",
        b"event: response.content_part",
    ),
}
"""How events begin that hold parts of the answer, and never its usage or its end."""

_OBFUSCATION: Final = b',"obfuscation":"'
"""OpenAI pads its chunks to one length with this last field, which differs from chunk to chunk."""


class UsageWatch:
    """Reads usage, model, the reason of the end and the end itself from the chunks of a stream.

    Args:
        dialect: what the stream is written in.
        event_limit: the most bytes of one event.

    Attributes:
        model: the model that the provider says has answered; empty until it says so.
        reason: why the answer ended, in the dialect's own word; ``None`` until it is said.
        ended: whether the proper end has come (``[DONE]``, ``message_stop``, or the event that ends
            a response). A stream that stops without it was cut.
        error: the first error event as it came, as JSON; ``None`` without one.
    """

    __slots__ = (
        "_dialect", "_head", "_parser", "_tail", "_usage", "ended", "error", "model", "reason",
    )  # fmt: skip

    def __init__(self, dialect: Dialect, *, event_limit: int = MAX_EVENT_BYTES) -> None:
        self._dialect = dialect
        self._parser = EventParser(event_limit)
        self._usage: RawUsage | None = None
        self._head: bytes | tuple[bytes, ...] = _TEXT_EVENTS.get(dialect, b"\n")
        self._tail: bytes | None = b"" if dialect is Dialect.CHAT else None
        self.model = ""
        self.reason: str | None = None
        self.ended = False
        self.error: bytes | None = None

    @property
    def usage(self) -> TokenUsage | None:
        """The tokens stated so far; ``None`` if the stream has not said any."""
        return None if self._usage is None else self._usage.read(self._dialect)

    @property
    def is_between_events(self) -> bool:
        """Whether what has gone by so far ends with an event."""
        return self._parser.idle

    def feed(self, chunk: bytes) -> None:
        """Look at a chunk, whatever its cut.

        Raises:
            ProviderResponseError: if an event is larger than the limit. Nothing more can be learnt
                from this stream then.
        """
        if self._parser.idle and self.model:
            if self._is_dull(chunk):
                return
            if chunk.endswith(b"\n\n") and not self._matters(chunk):
                self._learn(chunk)
                return
        for event in self._parser.feed(chunk):
            self.see(event)

    def see(self, event: Event) -> None:
        """Look at an event that somebody else has parsed, such as a translator's parser."""
        if not self.model or self._matters(event.data):
            self._read(event)

    def _is_dull(self, chunk: bytes) -> bool:
        """Whether a chunk is one event, whole, of a kind that cannot hold what is looked for."""
        if not chunk.startswith(self._head):
            return False
        end = len(chunk) - 2
        first = chunk.find(b"\n")
        tail = self._tail
        if tail is None:  # the event's name, its data, and a blank line
            return chunk.find(b"\n", first + 1) == end and chunk.endswith(b"\n")
        if first != end:
            return False
        padding = chunk.rfind(_OBFUSCATION)
        if padding < 0:
            return chunk.endswith(tail)
        closed = chunk.find(b'"', padding + len(_OBFUSCATION))
        return closed == end - 2 and chunk.endswith(b"\n") and chunk.endswith(tail, 0, padding)

    def _learn(self, chunk: bytes) -> None:
        """Remember how an event of chat looks around its delta, after nothing was found in it."""
        if self._tail is None or chunk.find(b"\n") != len(chunk) - 2:
            return
        delta = chunk.find(b'"delta":')
        after = chunk.rfind(b'"finish_reason":')
        if 0 < delta < after:
            self._head = chunk[:delta]
            padding = chunk.rfind(_OBFUSCATION)
            self._tail = chunk[after:] if padding < 0 else chunk[after:padding]

    def _matters(self, data: bytes) -> bool:
        if b'"error"' in data:
            return True
        if self._dialect is Dialect.MESSAGES:
            return b'"message_' in data
        if self._dialect is Dialect.RESPONSES:
            return b'"response"' in data
        return _says(data, b'"finish_reason"') or _says(data, b'"usage"') or b"[DONE]" in data

    def _read(self, event: Event) -> None:
        data = event.data
        if data == b"[DONE]":
            self.ended = self.ended or self._dialect is Dialect.CHAT
            return
        try:
            read = decode_event(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # not ours to judge: the client gets it as it is, and the end will be missing
        if self._is_error(event, read):
            if self.error is None:
                self.error = data
            return
        if self._dialect is Dialect.CHAT:
            self._chat(read)
        elif self._dialect is Dialect.MESSAGES:
            self._messages(read)
        else:
            self._responses(read)

    @staticmethod
    def _is_error(event: Event, read: StreamEvent) -> bool:
        return event.event == b"error" or read.type == "error" or read.error is not None

    def _chat(self, read: StreamEvent) -> None:
        self._note(read.model, read.usage)
        for choice in read.choices or ():
            if choice.index == 0:
                self.reason = choice.finish_reason or self.reason

    def _messages(self, read: StreamEvent) -> None:
        if isinstance(read.message, Answer):
            self._note(read.message.model, read.message.usage)
        self._note(None, read.usage)
        if isinstance(read.delta, Delta):
            self.reason = read.delta.stop_reason or self.reason
        if read.type == "message_stop":
            self.ended = True

    def _responses(self, read: StreamEvent) -> None:
        answer = read.response
        if answer is not None:
            self._note(answer.model, answer.usage)
        if read.type in _ENDS:
            self.ended = True
            self.reason = (answer.status if answer is not None else None) or read.type[9:]

    def _note(self, model: str | None, usage: RawUsage | None) -> None:
        if model:
            self.model = model
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.updated(usage)


def _says(data: bytes, key: bytes) -> bool:
    """Whether ``key`` is there with anything but ``null``, as many servers write all along."""
    found = data.count(key)
    if not found or found == data.count(key + b":null"):
        return False
    return found != data.count(key + b": null")
