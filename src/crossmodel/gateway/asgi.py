"""The gateway inside of any ASGI server, and of Ray Serve: the same core, another front end.

``uvicorn crossmodel.gateway.asgi:app`` serves the settings that ``CROSSMODEL_CONFIG`` names. What
the server does by itself, such as limits on heads and times, is the server's to set.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from crossmodel.errors import ConfigurationError
from crossmodel.gateway.core import Core
from crossmodel.gateway.headers import RequestHead
from crossmodel.gateway.http1 import HOP_BY_HOP, Header
from crossmodel.gateway.opening import open_core
from crossmodel.gateway.ports import Exchange
from crossmodel.gateway.routes import dialect_of
from crossmodel.gateway.translation.errors import error_body
from crossmodel.settings import Settings, load_settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_QUEUED: Final = 64 * 1024
"""Bytes that may wait for a client before the model is asked to wait as well."""

CONFIG: Final = "CROSSMODEL_CONFIG"


class ResponseCutError(RuntimeError):
    """An answer broke off: raised so that the server ends the connection before its proper end."""


class GatewayApp:
    """An ASGI application. The server's lifespan opens and closes what it stands on.

    Args:
        source: a settings file; what ``CROSSMODEL_CONFIG`` names if ``None``.
        settings: use these instead of reading a file.
    """

    def __init__(self, source: Path | None = None, *, settings: Settings | None = None) -> None:
        self._source = source
        self._settings = settings
        self._core: Core | None = None
        self._most_bytes = 0
        self._opening = asyncio.Lock()
        self._exit = AsyncExitStack()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise ConfigurationError(f"the gateway does not speak {scope['type']!r}")

    async def open(self) -> Core:
        """Open what it stands on; once, however many ask. What fails is closed again."""
        async with self._opening:
            if self._core is None:
                settings = self._settings or load_settings(self._source or os.environ.get(CONFIG))
                self._most_bytes = settings.gateway.limits.body_bytes
                async with AsyncExitStack() as opening:
                    opened = await open_core(settings, opening)
                    await opened.warm_up()
                    self._exit = opening.pop_all()
                self._core = opened.core
            return self._core

    async def close(self) -> None:
        """Let go of it; what was recorded is durable then."""
        self._core = None
        await self._exit.aclose()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = (await receive())["type"]
            if event == "lifespan.startup":
                try:
                    await self.open()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
                await send({"type": "lifespan.startup.complete"})
            elif event == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        core = self._core or await self.open()
        client = AsgiClient()
        head = _head(scope)
        exchange = core.begin(head, client)
        client.exchange = exchange
        if exchange is not None:
            body = await _body(receive, self._most_bytes)
            if body is None:
                exchange.client_gone()
                return
            if len(body) > self._most_bytes:
                exchange.client_gone()
                said = f"the body of a request may have {self._most_bytes} bytes"
                client.reply(413, JSON, error_body(413, said, dialect_of(head.path)))
            else:
                exchange.receive(body)
        watching = asyncio.ensure_future(_gone(receive))
        try:
            await client.run(send, watching)
        finally:  # a server may also say so by an error, or by cancelling us
            watching.cancel()
            if exchange is not None:
                exchange.client_gone()


JSON: Final = b"content-type: application/json\r\n"


class AsgiClient:
    """Whoever waits behind an ASGI server: what is to be sent waits in a queue.

    Attributes:
        exchange: what answers; ``None`` if it has answered already.
    """

    def __init__(self) -> None:
        self.exchange: Exchange | None = None
        self._queue: deque[Message | None] = deque()
        self._size = 0
        self._more = asyncio.Event()
        self._is_paused = False
        self._is_cut = False

    def reply(self, status: int, lines: bytes, body: bytes) -> None:
        """A whole response."""
        self.respond(status, lines, len(body))
        self._put({"type": "http.response.body", "body": body, "more_body": False})
        self._put(None)

    def respond(self, status: int, lines: bytes, length: int | None) -> None:
        """Begin a response."""
        headers = _parsed(lines)
        if length is not None:
            headers.append((b"content-length", b"%d" % length))
        self._put({"type": "http.response.start", "status": status, "headers": headers})

    def send(self, data: bytes) -> None:
        """A part of the body."""
        self._size += len(data)
        self._put({"type": "http.response.body", "body": data, "more_body": True})
        if self._size > MOST_QUEUED and not self._is_paused and self.exchange is not None:
            self._is_paused = True
            self.exchange.pause()

    def finish(self) -> None:
        """The response is whole."""
        self._put({"type": "http.response.body", "body": b"", "more_body": False})
        self._put(None)

    def abort(self) -> None:
        """The response cannot be completed."""
        self._is_cut = True
        self._put(None)

    async def run(self, send: Send, gone: asyncio.Future[Any]) -> None:
        """Send what comes, until the response is whole or the client has left.

        Raises:
            ResponseCutError: if the response cannot be completed.
        """
        while True:
            if not await self._has_more(gone):
                return
            message = self._queue.popleft()
            if message is None:
                break
            self._size -= len(message.get("body", b""))
            await send(message)
            if self._is_paused and self._size < MOST_QUEUED // 2:
                self._is_paused = False
                if self.exchange is not None:
                    self.exchange.resume()
        if self._is_cut:
            raise ResponseCutError("the model's answer broke off: the connection is ended")

    async def _has_more(self, gone: asyncio.Future[Any]) -> bool:
        """Wait until there is something to send; false if the client has left."""
        while not self._queue and not gone.done():
            self._more.clear()
            waiting: asyncio.Future[Any] = asyncio.ensure_future(self._more.wait())
            await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if not gone.done():
            return True
        if self.exchange is not None:  # what waits would let more of the model's answer come in
            self.exchange.client_gone()
        return False

    def _put(self, message: Message | None) -> None:
        self._queue.append(message)
        self._more.set()


def _head(scope: Message) -> RequestHead:
    headers: list[Header] = [(name.lower(), value) for name, value in scope["headers"]]
    path = scope.get("raw_path") or scope["path"].encode()
    return RequestHead(scope["method"].encode(), path, scope.get("query_string", b""), headers)


async def _body(receive: Receive, most: int) -> bytes | None:
    """The body, or as much of it as shows that it is too long; ``None`` if it broke off."""
    parts: list[bytes] = []
    size = 0
    while size <= most:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if not event.get("more_body", False):
            break
    return b"".join(parts)


async def _gone(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _parsed(lines: bytes) -> list[Header]:
    """Header lines of ours as ASGI has them."""
    pairs = [line.partition(b": ") for line in lines.split(b"\r\n") if line]
    return [(name, value) for name, _, value in pairs if name not in HOP_BY_HOP]


app: Final = GatewayApp()
"""For servers that are told where to find an application; opened by their lifespan."""
