"""The connection of a client: HTTP/1.1, parsed by llhttp, one exchange at a time.

Requests are read whole before anything is sent on; responses are passed on as they come. What is
not clearly HTTP/1.1 ends the connection: request smuggling lives on leniency.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections import deque
from typing import Final, Protocol, cast

import httptools

from crossmodel.gateway.headers import RequestHead
from crossmodel.gateway.heads import KnownHeads, RefusedError, check, path_of, too_large
from crossmodel.gateway.http1 import (
    CHUNKED,
    CLOSE,
    CONTINUE,
    LAST_CHUNK,
    Header,
    chunk,
    header_lines,
    status_line,
)
from crossmodel.gateway.ports import Core, Exchange
from crossmodel.gateway.translation.errors import error_body
from crossmodel.settings import GatewayLimits
from crossmodel.wire.dialect import Dialect

NEVER: Final = math.inf

LINGER_SECONDS = 2.0
"""How long a refused client may go on sending before it is cut off: it reads its answer first."""

MOST_DISCARDED: Final = 64 * 1024
"""Bytes of an unwanted body that are read to keep the connection; for more it is ended."""

SEPARATORS: Final = 4
"""Bytes of a header beside its name and value: a colon, a space and the end of the line."""

SEND_BYTES: Final = 256 * 1024
"""What the system may hold of an answer that its client does not read."""


class Listener(Protocol):
    """What a connection needs of whoever has accepted it.

    Attributes:
        loop: the event loop of both.
        core: what answers.
        limits: what a client may do.
        heads: heads that were read before.
        connections: all that are open.
        is_draining: whether each connection ends after the request that is under way.
    """

    loop: asyncio.AbstractEventLoop
    core: Core
    limits: GatewayLimits
    heads: KnownHeads
    connections: set[ClientConnection]
    is_draining: bool

    def forget(self, connection: ClientConnection) -> None:
        """A connection has ended."""
        ...

    def count_refusal(self, status: int) -> None:
        """A request was refused before anything looked at it."""
        ...


class ClientConnection(asyncio.Protocol):
    """One client's connection."""

    __slots__ = (
        "_answered",
        "_answering",
        "_body",
        "_exchange",
        "_head_bytes",
        "_headers",
        "_in_head",
        "_is_chunked",
        "_is_closing",
        "_is_deaf",
        "_is_paused",
        "_keeps_alive",
        "_last",
        "_length",
        "_loop",
        "_parser",
        "_reading",
        "_server",
        "_size",
        "_stretch",
        "_target",
        "_transport",
        "_upgrading",
        "_waiting",
        "_whole",
        "deadline",
    )

    _transport: asyncio.Transport

    def __init__(self, server: Listener) -> None:
        self._server = server
        self._loop = server.loop
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[Header] = []
        self._head_bytes = 0  # of the headers that are whole, and the target
        self._stretch = 0  # since a request began, or a part of its body came
        self._length: int | None = None
        self._last: RequestHead | None = None  # whose headers may come again
        self._whole = 0  # requests that the last bytes have made whole
        self._in_head = False
        self._reading: RequestHead | None = None  # between its head and its end
        self._body: list[bytes] = []
        self._size = 0
        self._upgrading = False
        self._waiting: deque[tuple[RequestHead, bytes]] = deque()
        self._answering: RequestHead | None = None
        self._answered: RequestHead | None = None  # whose body still comes
        self._exchange: Exchange | None = None
        self._is_paused = False  # the client takes no more for now
        self._keeps_alive = True
        self._is_chunked = False
        self._is_closing = False
        self._is_deaf = False  # what else comes in is not looked at
        self.deadline = self._loop.time() + server.limits.head_seconds

    @property
    def is_idle(self) -> bool:
        """Whether it is between requests."""
        return (
            self._answering is None
            and self._reading is None
            and not self._in_head
            and not self._waiting
        )

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; uvloop has set TCP_NODELAY."""
        self._transport = cast("asyncio.Transport", transport)
        accepted = transport.get_extra_info("socket")
        if accepted is not None:  # else the system buffers megabytes for each that reads nothing
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        self._server.connections.add(self)
        if len(self._server.connections) > self._server.limits.connections:
            self._refuse(503, "there are too many connections: try again later")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The client has gone; whatever was under way for it is let go of."""
        self._is_closing = True
        self._server.forget(self)
        exchange, self._exchange, self._answering, self._reading = self._exchange, None, None, None
        self._waiting.clear()
        self._parser = None  # it knows us, and would keep us until the garbage is collected
        if exchange is not None:
            exchange.client_gone()

    def eof_received(self) -> bool:
        """The client sends no more. Who half-closes and waits is not told from who has left."""
        return False

    def pause_writing(self) -> None:
        """The client reads more slowly than the model writes: the model waits."""
        self._is_paused = True
        self.deadline = self._loop.time() + self._server.limits.write_seconds
        if self._exchange is not None:
            self._exchange.pause()
        elif not self._is_closing:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._is_paused = False
        if self._exchange is not None:
            self.deadline = NEVER
            self._exchange.resume()
        elif self._is_closing:
            return
        elif self._waiting:
            self._next()
        else:
            self._transport.resume_reading()
            self._wait_for_next()

    def data_received(self, data: bytes) -> None:
        """Bytes have come in."""
        if self._is_closing or self._is_deaf:
            return
        is_between = self._reading is None and not self._in_head and not self._is_busy
        if is_between and self._recognises(data):
            return
        self._stretch += len(data)
        self._whole = 0
        try:
            self._feed(data)
        except RefusedError as refused:
            self._refuse(refused.status, refused.reason)
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, RefusedError):
                self._refuse(cause.status, cause.reason)
            elif isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
                raise cause from None
            else:
                self._refuse(400, f"this is not HTTP/1.1: {error}")
        else:
            if self._stretch > self._server.limits.head_bytes and not self._is_closing:
                self._refuse(431, "the headers or trailers of the request are too large")
            elif is_between and self._whole == 1:
                self._remember(data)

    # what llhttp tells

    def on_message_begin(self) -> None:
        """A request begins."""
        self._stretch = 0
        self._target, self._headers, self._head_bytes, self._length = b"", [], 0, None
        self._in_head = True
        if self._answering is None:
            self.deadline = self._loop.time() + self._server.limits.head_seconds

    def on_url(self, url: bytes) -> None:
        """Another part of the request's target."""
        self._target += url
        self._head_bytes += len(url)
        if self._head_bytes > self._server.limits.head_bytes:
            raise RefusedError(414, "the target of the request is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; after the head it is a trailer, which means nothing to us."""
        if not self._in_head:
            return
        limits = self._server.limits
        self._head_bytes += len(name) + len(value) + SEPARATORS
        if self._head_bytes > limits.head_bytes:
            raise RefusedError(431, "the headers of the request are too large")
        name = name.lower()
        if name == b"content-length":  # llhttp has seen to it that there is one, and digits alone
            self._length = int(value)
            return
        if len(self._headers) >= limits.headers:
            raise RefusedError(431, "the request has too many headers")
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: it is looked at before the body is read."""
        parser = self._parser
        assert parser is not None
        path, _, query = self._target.partition(b"?")
        headers, length, last = self._headers, self._length, self._last
        version = parser.get_http_version()
        is_newest = version == "1.1"
        is_same = is_newest and last is not None and last.headers == headers
        is_chunked = not is_same and check(headers, version)
        if length is not None and length > self._server.limits.body_bytes:
            raise too_large(self._server.limits.body_bytes)
        head = RequestHead(
            parser.get_method(),
            path_of(path),
            query,
            headers,
            None if is_chunked else length or 0,
            is_newest and parser.should_keep_alive(),
            is_newest,
            last.known if is_same and last is not None else None,
        )
        self._last = None if is_chunked else head
        self._in_head = False  # who is refused before this may go on sending for a while
        self._target, self._headers = b"", []
        self._reading, self._body, self._size = head, [], 0
        self._upgrading = parser.should_upgrade()
        if self._upgrading or self._is_closing or self._is_busy:
            return  # it is taken up when it is whole, if at all
        self._begin(head)
        if self._exchange is not None and head.speaks_chunked and head.get(b"expect") is not None:
            self._transport.write(CONTINUE)

    def on_body(self, data: bytes) -> None:
        """Another part of the body."""
        self._stretch = 0
        self._size += len(data)
        if self._size > self._server.limits.body_bytes:
            raise too_large(self._server.limits.body_bytes)
        self._body.append(data)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._upgrading:
            return  # llhttp takes what follows for another protocol: it is read again
        head, self._reading = self._reading, None
        self._whole += 1
        if head is None or self._is_closing:
            return
        body, self._body = self._body, []
        if head is self._answered:  # before its body came
            self._answered = None
            if not self._is_paused:
                self._wait_for_next()
        elif head is self._answering and self._exchange is not None:
            self._receive(body[0] if len(body) == 1 else b"".join(body))
        else:
            # until what came before is answered (RFC 9112, 9.3.2); the client waits as well
            self._waiting.append((head, b"".join(body)))
            self._transport.pause_reading()

    # what the exchange wants

    def reply(self, status: int, lines: bytes, body: bytes) -> None:
        """A whole response. ``lines`` are its headers, but for those about the connection."""
        self._is_chunked = False
        answering = self._answering
        shown = body if answering is None or answering.method != b"HEAD" else b""
        self._transport.write(
            b"%b%bcontent-length: %d\r\n%b\r\n%b"
            % (status_line(status), lines, len(body), self._persistence(), shown)
        )
        self.finish()

    def respond(self, status: int, lines: bytes, length: int | None) -> None:
        """Begin a response. Without a ``length`` the body is what is sent until :meth:`finish`."""
        answering = self._answering
        self._is_chunked = length is None and answering is not None and answering.speaks_chunked
        if length is not None:
            framing = b"content-length: %d\r\n" % length
        elif self._is_chunked:
            framing = CHUNKED
        else:  # HTTP/1.0: it ends with the connection
            framing, self._keeps_alive = b"", False
        self._transport.write(
            b"%b%b%b%b\r\n" % (status_line(status), lines, framing, self._persistence())
        )

    def send(self, data: bytes) -> None:
        """A part of the body; not empty."""
        self._transport.write(chunk(data) if self._is_chunked else data)

    def finish(self) -> None:
        """The response is whole."""
        if self._is_chunked:
            self._transport.write(LAST_CHUNK)
            self._is_chunked = False
        self._answered = None if self._reading is not self._answering else self._reading
        self._exchange = self._answering = None
        if self._is_closing:
            return
        if self._is_last:
            self._end()
        elif self._is_paused:  # who does not read its answers gets no more of them
            self.deadline = self._loop.time() + self._server.limits.write_seconds
            self._transport.pause_reading()
        elif self._waiting:
            self._loop.call_soon(self._next)
        else:
            self._wait_for_next()

    def abort(self) -> None:
        """The response cannot be completed, and the client must not take it for whole.

        What was sent still arrives; the end of the connection before the end of the response tells
        the client (RFC 9112, 8).
        """
        self._exchange = self._answering = None
        self._close()

    # what the server wants

    def expire(self) -> None:
        """Its time is up."""
        if self._is_closing or self._is_paused or self._answering is not self._reading:
            self._transport.abort()
        elif self.is_idle:
            self._is_closing = True  # whoever then does not go is cut off at the next sweep
            self._transport.close()
        else:
            self._refuse(408, "the request took too long")

    def drain(self) -> None:
        """End after the request that is under way, if there is one."""
        if self.is_idle and not self._is_closing:
            self._close()

    def cut(self) -> None:
        """End now, whatever is under way."""
        self._transport.abort()

    def _persistence(self) -> bytes:
        """What a response says of the connection; from here on it is so."""
        unread = self._answering if self._answering is self._reading else None
        if unread is not None and (unread.length is None or unread.length > MOST_DISCARDED):
            self._keeps_alive = False
        if not self._is_last:
            return b""
        self._keeps_alive = False
        return CLOSE

    @property
    def _is_busy(self) -> bool:
        """Whether a request that comes now has to wait for others."""
        return self._answering is not None or self._is_paused or bool(self._waiting)

    @property
    def _is_last(self) -> bool:
        """Whether the connection ends with the response that is under way."""
        if self._keeps_alive and not self._server.is_draining:
            return self._is_deaf and not self._waiting
        return True

    def _take_up(self, head: RequestHead, body: bytes) -> None:
        """A request that is whole, and nothing is under way."""
        self._begin(head)
        if self._exchange is not None:
            self._receive(body)

    def _recognises(self, data: bytes) -> bool:
        """Whether this is a whole request with a head that was read before: then it is taken up."""
        known = self._server.heads.find(data)
        if known is None or len(known[1]) > self._server.limits.body_bytes:
            return False
        self._take_up(*known)
        return True

    def _remember(self, data: bytes) -> None:
        """Recognise the head next time, of the one request that was read from this."""
        if self._last is not None and not self._is_deaf:
            self._server.heads.remember(data, self._last)

    def _begin(self, head: RequestHead) -> None:
        self._keeps_alive = head.keeps_alive
        self._answering = head
        self.deadline = self._loop.time() + self._server.limits.body_seconds
        exchange = self._server.core.begin(head, self)
        if self._still_answers(head):
            self._exchange = exchange

    def _still_answers(self, head: RequestHead) -> bool:
        """Whether that request has no whole answer yet."""
        return self._answering is head

    def _receive(self, body: bytes) -> None:
        assert self._exchange is not None
        if not self._is_paused:
            self.deadline = NEVER  # from here on the exchange keeps its own time
        self._exchange.receive(body)

    def _next(self) -> None:
        """Take up the next of the requests that wait."""
        if self._is_closing or self._is_paused or self._answering or not self._waiting:
            return
        head, body = self._waiting.popleft()
        if not self._waiting:
            self._transport.resume_reading()
        self._take_up(head, body)

    def _wait_for_next(self) -> None:
        limits = self._server.limits
        if self._reading is not None:
            seconds = limits.body_seconds
        else:
            seconds = limits.head_seconds if self._in_head else limits.idle_seconds
        self.deadline = self._loop.time() + seconds

    def _feed(self, data: bytes) -> None:
        """Parse; wishes to speak another protocol are not heard (RFC 9110, 7.8).

        Java's client wishes for HTTP/2 with each first request, and llhttp then skips the body: so
        the request is read again without its wish.
        """
        while self._parser is not None:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade() + data[upgrade.args[0] :]
            else:
                return

    def _without_upgrade(self) -> bytes:
        head, self._reading, self._upgrading = self._reading, None, False
        if head is None or head.method == b"CONNECT":
            raise RefusedError(405, "this is no proxy")
        kept = [header for header in head.headers if header[0] != b"upgrade"]
        target = b"%b?%b" % (head.path, head.query) if head.query else head.path
        version = b"1.1" if head.speaks_chunked else b"1.0"
        if head.length:
            kept.append((b"content-length", b"%d" % head.length))
        self._parser = httptools.HttpRequestParser(self)
        return b"%b %b HTTP/%b\r\n%b\r\n" % (head.method, target, version, header_lines(kept))

    def _refuse(self, status: int, reason: str) -> None:
        """Answer with an error and end; what is being answered already is answered first."""
        self._is_deaf = True
        is_later = self._answering is not None and self._answering is not self._reading
        if self._is_closing or is_later or self._waiting:
            return
        exchange, self._exchange, self._answering = self._exchange, None, None
        if exchange is not None:
            exchange.client_gone()
        body = error_body(status, reason, Dialect.CHAT)
        self._server.count_refusal(status)
        self._transport.write(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n%b"
            % (status_line(status), len(body), CLOSE, body)
        )
        self._end()

    def _end(self) -> None:
        """Say good-bye; who is still sending may read the answer first (RFC 9112, 9.6)."""
        if self._reading is None and not self._in_head:
            self._close()
            return
        self._is_closing = True
        self._reading = None
        unsent = self._transport.get_write_buffer_size()
        patience = self._server.limits.write_seconds if unsent else LINGER_SECONDS
        self.deadline = self._loop.time() + patience
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _close(self) -> None:
        """End once what was written is sent; who does not take it is cut off in the end."""
        self._is_closing = True
        self.deadline = self._loop.time() + self._server.limits.write_seconds
        self._transport.close()
