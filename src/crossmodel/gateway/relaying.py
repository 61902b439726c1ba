"""How a provider's stream reaches the client: byte by byte, or translated event by event."""

from __future__ import annotations

import time
from typing import Protocol

from crossmodel.errors import ProviderResponseError
from crossmodel.gateway.translation.chat_stream import ChatStream
from crossmodel.gateway.translation.errors import error_body
from crossmodel.gateway.translation.message_stream import CUT, MessageStream
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.sse import EventParser, write_event
from crossmodel.wire.watch import UsageWatch

BAD_GATEWAY = 502


class Relay(Protocol):
    """What happens to a stream on its way.

    Attributes:
        watch: what was read of it.
    """

    watch: UsageWatch

    def feed(self, data: bytes) -> bytes:
        """What to send to the client for these bytes; may be nothing."""
        ...

    def close(self, *, is_delimited: bool) -> bool:
        """The stream is over; whether it came to its proper end."""
        ...

    def apology(self, message: str = CUT) -> bytes:
        """What to send to a client whose stream broke off."""
        ...


class PlainRelay:
    """Passes a stream on as it is."""

    __slots__ = ("_dialect", "_is_blind", "watch")

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._is_blind = False
        self.watch = UsageWatch(dialect)

    def feed(self, data: bytes) -> bytes:
        """The same bytes."""
        if not self._is_blind:
            try:
                self.watch.feed(data)
            except ProviderResponseError:
                self._is_blind = True  # an event too large to be kept: passed on all the same
        return data

    def close(self, *, is_delimited: bool) -> bool:
        """Whole with its dialect's own end; or with a reason to end and an end of the body.

        Some servers leave out the last event. Who only closes the connection may have crashed.
        """
        watch = self.watch
        if watch.ended:
            return True
        if not is_delimited:
            return False
        return self._is_blind or watch.reason is not None

    def apology(self, message: str = CUT) -> bytes:
        """An error event; nothing in the midst of another, which would be read as both together.

        Nothing either while the stream has said nothing: clients would take it for a stream.
        """
        if self._is_blind or not self.watch.is_between_events:
            return b""
        body = error_body(BAD_GATEWAY, message, self._dialect)
        name = b"error" if self._dialect is not Dialect.CHAT else b""
        return write_event(body, name)


class TranslatedRelay:
    """Passes a stream on in the other dialect."""

    __slots__ = ("_parser", "_translator", "watch")

    def __init__(self, spoken: Dialect, *, include_usage: bool) -> None:
        self.watch = UsageWatch(spoken)
        self._parser = EventParser()
        self._translator: ChatStream | MessageStream = (
            ChatStream()
            if spoken is Dialect.CHAT
            else MessageStream(created=int(time.time()), include_usage=include_usage)
        )

    def feed(self, data: bytes) -> bytes:
        """The events that these bytes complete, translated.

        Raises:
            ProviderResponseError: if an event is too large.
        """
        made = []
        for event in self._parser.feed(data):
            self.watch.see(event)
            made.append(self._translator.feed(event))
        return b"".join(made)

    def close(self, *, is_delimited: bool) -> bool:  # noqa: ARG002 - its end is an event
        """Whole if the translator has seen the end."""
        return self._translator.ended

    def apology(self, message: str = CUT) -> bytes:  # noqa: ARG002 - the translator has its own
        """The translator's own words, unless it has said already what went wrong."""
        return self._translator.close()
