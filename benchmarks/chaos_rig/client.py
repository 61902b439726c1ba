"""A raw HTTP/1.1 client that can behave badly, and says how each answer ended."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, cast

import httptools

SLOW_BYTES: Final = 32 * 1024
"""What a slow reader's kernel holds for it, so that the sender feels it soon."""

_RESET: Final = struct.pack("ii", 1, 0)
_FIRST_ERROR: Final = 400


class Ending(StrEnum):
    """How it ended, as the client saw it."""

    WHOLE = "whole"
    """A proper end of the message, with a status below 400."""
    ERROR = "error"
    """A proper end, with an error's status."""
    CUT = "cut"
    """The connection ended after the answer had begun, before its end."""
    UNREACHED = "unreached"
    """No connection, or one that ended before the answer began."""
    LEFT = "left"
    """The client left, as it had meant to."""
    HUNG = "hung"
    """Nothing of the above within the deadline."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client behaves. All zero: well.

    Attributes:
        sends: share of the request's bytes that it sends before it leaves; 1.0 is all.
        leaves_after: seconds after which it leaves; 0 stays to the end.
        leaves_after_bytes: bytes of the answer's body after which it leaves; 0 stays.
        pause: seconds that it waits after each piece that it reads.
        resets: leaves by a reset, not by an orderly end.
    """

    sends: float = 1.0
    leaves_after: float = 0.0
    leaves_after_bytes: int = 0
    pause: float = 0.0
    resets: bool = False


POLITE: Final = Manner()


@dataclass(slots=True)
class Answer:
    """What came back. ``began`` and ``ended`` are moments of ``time.monotonic``."""

    began: float
    ending: Ending = Ending.UNREACHED
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    ended: float = 0.0

    @property
    def request_id(self) -> str:
        """The gateway's name for the request; empty if it did not say."""
        return self.headers.get(b"x-crossmodel-request-id", b"").decode("latin-1")


class _Call(asyncio.Protocol):
    """One request on a connection of its own."""

    _transport: asyncio.Transport

    def __init__(self, request: bytes, manner: Manner, answer: Answer) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._request = request
        self._manner = manner
        self._answer = answer
        self.over: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's derive from nothing
        manner = self._manner
        if manner.pause:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)
        self._transport.write(self._request[: int(len(self._request) * manner.sends)])
        if manner.leaves_after:
            self._loop.call_later(manner.leaves_after, self._leave)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.end(Ending.CUT)
            return
        if self._manner.pause and not self.over.done():
            self._transport.pause_reading()
            self._loop.call_later(self._manner.pause, self._resume)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self._answer.body += data
        most = self._manner.leaves_after_bytes
        if most and len(self._answer.body) >= most:
            self._leave()

    def on_message_complete(self) -> None:
        failed = self._answer.status >= _FIRST_ERROR
        self.end(Ending.ERROR if failed else Ending.WHOLE)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.end(Ending.CUT if self._answer.status else Ending.UNREACHED)

    def end(self, ending: Ending) -> None:
        """Notes how it ended, once, and lets go of the connection."""
        if self.over.done():
            return
        self._answer.ending = ending
        self._answer.ended = time.monotonic()
        self.over.set_result(None)
        if ending is Ending.LEFT and self._manner.resets:
            connection = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort() if ending is not Ending.WHOLE else self._transport.close()

    def _leave(self) -> None:
        self.end(Ending.LEFT)

    def _resume(self) -> None:
        if not self.over.done():
            self._transport.resume_reading()


async def ask(port: int, request: bytes, deadline: float, manner: Manner = POLITE) -> Answer:
    """One request to a port of loopback.

    Args:
        port: where.
        request: its bytes, right or wrong.
        deadline: seconds after which it counts as hung.
        manner: how the client behaves.
    """
    answer = Answer(time.monotonic())
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(deadline):
            _, call = await loop.create_connection(
                lambda: _Call(request, manner, answer), "127.0.0.1", port
            )
    except OSError as error:
        hung = isinstance(error, TimeoutError)
        answer.ending = Ending.HUNG if hung else Ending.UNREACHED
        answer.ended = time.monotonic()
        return answer
    rest = max(0.0, deadline - (time.monotonic() - answer.began))
    await asyncio.wait([call.over], timeout=rest)
    call.end(Ending.HUNG)  # does nothing if it has ended
    return answer


def post(path: str, body: bytes, key: str) -> bytes:
    """The bytes of one request, on a connection of its own."""
    return (
        b"POST %b HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n"
    ) % (path.encode(), key.encode(), len(body)) + body
