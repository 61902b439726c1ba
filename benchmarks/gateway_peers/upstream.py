"""A provider that answers at once: ``python upstream.py PORT``.

A request with ``"stream":true`` gets 20 events and ``[DONE]``, each written by itself; any other
gets one small chat completion. Any program that does the same can stand in for it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final, cast

import httptools
import uvloop

EVENTS: Final = 20
_WORDS: Final = "Hello! How can I help you today? This is always the same answer."
_WHO: Final = {"id": "chatcmpl-1", "created": 1735689600, "model": "mock-fast-2025-01-01"}
_USAGE: Final = {"prompt_tokens": 19, "completion_tokens": 22, "total_tokens": 41}
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%b\r\n\r\n"


def whole() -> bytes:
    """The answer in one piece."""
    message = {"role": "assistant", "content": _WORDS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    said = {**_WHO, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    body = json.dumps(said).encode()
    return _HEAD % (b"application/json", b"content-length: %d" % len(body)) + body


def stream() -> list[bytes]:
    """The answer event by event, the head with the first."""
    pieces: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    pieces += [({"content": f" token{number}"}, None) for number in range(1, EVENTS - 1)]
    pieces.append(({}, "stop"))
    events = [
        json.dumps(
            {
                **_WHO,
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            }
        )
        for delta, finish in pieces
    ]
    data = [f"data: {event}\n\n".encode() for event in [*events, "[DONE]"]]
    chunks = [b"%x\r\n%b\r\n" % (len(each), each) for each in data]
    head = _HEAD % (b"text/event-stream; charset=utf-8", b"transfer-encoding: chunked")
    return [head + chunks[0], *chunks[1:-1], chunks[-1] + b"0\r\n\r\n"]


WHOLE: Final = whole()
STREAM: Final = stream()


class Connection(asyncio.Protocol):
    """One connection, which is asked one thing after the other."""

    __slots__ = ("_body", "_loop", "_parser", "_transport")

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected; uvloop sets TCP_NODELAY."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's derive from nothing

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        """Some of its body."""
        self._body += data

    def on_message_complete(self) -> None:
        """It is whole."""
        body, self._body = self._body, b""
        if b'"stream":true' in body or b'"stream": true' in body:
            self._send(0)
        else:
            self._transport.write(WHOLE)

    def _send(self, number: int) -> None:
        """One event in each round of the loop, which writes each by itself."""
        self._transport.write(STREAM[number])
        if number + 1 < len(STREAM) and not self._transport.is_closing():
            self._loop.call_soon(self._send, number + 1)


async def serve(port: int) -> None:
    """Listens until it is ended."""
    server = await asyncio.get_running_loop().create_server(
        Connection, "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
