"""Connections to one address of a provider: kept open, and one call at a time on each."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

import httptools

from crossmodel.errors import ConfigurationError
from crossmodel.gateway.http1 import Header

CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
"""How long a connection is kept that nobody uses."""

MOST_HEADERS: Final = 200
MOST_HEAD_BYTES: Final = 128 * 1024
MOST_IDLE: Final = 1024

FINAL: Final = 200
"""Statuses below this announce another response (RFC 9110, 15.2)."""

BODILESS: Final = frozenset({204, 304})


@dataclass(slots=True, eq=False)
class ResponseHead:
    """A response without its body.

    Attributes:
        status: the HTTP status, 200 or more.
        headers: names in lower case.
        length: bytes of the body; ``None`` if it is not said beforehand.
        kind: the media type, as it was sent; empty if it is not said.
    """

    status: int
    headers: list[Header]
    length: int | None = None
    kind: bytes = b""


class Receiver(Protocol):
    """Who waits for a response."""

    def on_head(self, head: ResponseHead) -> None:
        """The response begins."""
        ...

    def on_data(self, data: bytes) -> None:
        """A part of its body; not empty."""
        ...

    def on_end(self, *, is_delimited: bool) -> None:
        """It is whole; unless it ended with its connection, which a cut does as well."""
        ...

    def on_failure(self, reason: str, *, was_sent: bool) -> None:
        """There will be no more of it. ``was_sent``: whether the request may have arrived."""
        ...


class Call(Protocol):
    """A request that is under way."""

    def pause(self) -> None:
        """Read no more of the response for now."""
        ...

    def resume(self) -> None:
        """Go on reading."""
        ...

    def cancel(self) -> None:
        """Nobody waits any more: the other side is told by the end of the connection."""
        ...


class Upstream:
    """One address of a provider.

    Args:
        url: http or https, with the path that all requests begin with.
        connect_seconds: how long making a connection may take.

    Raises:
        ConfigurationError: if the address cannot be used.
    """

    def __init__(self, url: str, *, connect_seconds: float = CONNECT_SECONDS) -> None:
        if not url.isprintable() or " " in url:  # it goes into a request line
            raise ConfigurationError(f"{url!r} holds what no address can: encode it")
        try:
            parts = urlsplit(url)
            port = parts.port
            self.path = parts.path.rstrip("/").encode("ascii")
            self.host = parts.netloc.encode("ascii" if parts.netloc.isascii() else "idna")
        except ValueError as error:
            raise ConfigurationError(f"{url!r} is no address: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
            raise ConfigurationError(f"{url!r} is no http or https address")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigurationError("an address has no credentials, query or fragment")
        self.url = url
        self._hostname = parts.hostname
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = port or (443 if self._tls else 80)
        self._connect_seconds = connect_seconds
        self._idle: list[UpstreamConnection] = []
        self._is_retired = False
        self._connecting: set[asyncio.Task[None]] = set()
        self._connections: set[UpstreamConnection] = set()

    def compose(self, path: bytes, lines: bytes, body: bytes) -> bytes:
        """A request as it is sent; ``lines`` are its headers, but for host and length."""
        return b"POST %b%b HTTP/1.1\r\nhost: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
            self.path,
            path,
            self.host,
            lines,
            len(body),
            body,
        )

    def question(self, path: bytes) -> bytes:
        """A request for what lies at ``path`` of this host."""
        return b"GET %b HTTP/1.1\r\nhost: %b\r\naccept: */*\r\n\r\n" % (path, self.host)

    def send(self, request: bytes, receiver: Receiver) -> Call:
        """Send a whole request; ``receiver`` is told of the response."""
        call = UpstreamCall(self, request, receiver)
        idle = self._idle
        if idle and not idle[-1].is_closing:
            idle.pop().begin(call)
        else:
            self.attach(call)
        return call

    def attach(self, call: UpstreamCall) -> None:
        """Give a call a connection: one that is open, the one used last, or a new one."""
        idle = self._idle
        while idle and not call.needs_fresh:
            connection = idle.pop()
            if not connection.is_closing:
                connection.begin(call)
                return
        task = asyncio.get_running_loop().create_task(self._connect(call))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def keep(self, connection: UpstreamConnection) -> None:
        """A connection is free again."""
        if len(self._idle) < MOST_IDLE and not self._is_retired:
            self._idle.append(connection)
        else:
            connection.close()

    def remember(self, connection: UpstreamConnection) -> None:
        """A connection is open."""
        self._connections.add(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection has ended."""
        self._connections.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def sweep(self, now: float) -> None:
        """Close what nobody has used for long; ``now`` is the loop's time."""
        for connection in [c for c in self._idle if c.idle_since < now - IDLE_SECONDS]:
            connection.close()

    def retire(self) -> None:
        """Nobody asks here any more: each connection ends once it is free."""
        self._is_retired = True
        for connection in list(self._idle):
            connection.close()

    def close(self) -> None:
        """End all connections, whatever is under way."""
        for task in self._connecting:
            task.cancel()
        for connection in list(self._connections):
            connection.abort()

    @property
    def open_connections(self) -> int:
        """How many there are."""
        return len(self._connections)

    async def _connect(self, call: UpstreamCall) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await loop.create_connection(
                    lambda: UpstreamConnection(self),
                    self._hostname,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._hostname if self._tls else None,
                )
        except TimeoutError:
            call.fail("no connection in time", was_sent=False)
        except (OSError, ssl.SSLError) as error:
            call.fail(f"no connection: {error.strerror or error}", was_sent=False)
        else:
            if connection.is_closing:
                call.fail("the provider ended the connection at once", was_sent=False)
            elif call.is_over:
                connection.rest()
            else:
                connection.begin(call)


class UpstreamCall:
    """One request on its way to an answer."""

    __slots__ = (
        "_upstream", "connection", "is_over", "is_paused", "needs_fresh", "receiver", "request",
    )  # fmt: skip

    def __init__(self, upstream: Upstream, request: bytes, receiver: Receiver) -> None:
        self._upstream = upstream
        self.request = request
        self.receiver = receiver
        self.connection: UpstreamConnection | None = None
        self.is_over = False
        self.needs_fresh = False
        self.is_paused = False

    def pause(self) -> None:
        """Read no more of the response for now."""
        self.is_paused = True
        if self.connection is not None:
            self.connection.pause()

    def resume(self) -> None:
        """Go on reading."""
        self.is_paused = False
        if self.connection is not None:
            self.connection.resume()

    def cancel(self) -> None:
        """Nobody waits any more: the other side is told by the end of the connection."""
        self.is_over = True
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()

    def fail(self, reason: str, *, was_sent: bool) -> None:
        """There will be no answer."""
        self.connection = None
        if not self.is_over:
            self.is_over = True
            self.receiver.on_failure(reason, was_sent=was_sent)

    def send_again(self) -> None:
        """Try a new connection: the old one was closed before it was used, as servers do.

        Not a byte of an answer has come, and one more try is all.
        """
        self.connection = None
        self.needs_fresh = True
        self._upstream.attach(self)


class UpstreamConnection(asyncio.Protocol):
    """One connection to a provider."""

    __slots__ = (
        "_call",
        "_has_head",
        "_head",
        "_is_excess",
        "_is_framed",
        "_is_whole",
        "_keeps_alive",
        "_parser",
        "_parts",
        "_served",
        "_stretch",
        "_transport",
        "_upstream",
        "_was_answered",
        "idle_since",
        "is_closing",
    )

    _transport: asyncio.Transport

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._parser = httptools.HttpResponseParser(self)
        self._call: UpstreamCall | None = None
        self._head = ResponseHead(0, [])
        self._stretch = 0  # since a response began, or a part of its body came
        self._parts: list[bytes] = []
        self._has_head = False
        self._is_framed = False  # whether the response says where it ends
        self._is_whole = False
        self._keeps_alive = False
        self._is_excess = False  # something came after the response that nobody asked for
        self._was_answered = False  # whether any byte of an answer has come
        self._served = 0
        self.idle_since = 0.0
        self.is_closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open; uvloop has set TCP_NODELAY."""
        self._transport = cast("asyncio.Transport", transport)
        self._upstream.remember(self)

    def begin(self, call: UpstreamCall) -> None:
        """Send a request."""
        self._call = call
        self._has_head = self._is_framed = self._is_whole = self._was_answered = False
        call.connection = self
        if call.is_paused:
            self._transport.pause_reading()
        self._transport.write(call.request)

    def rest(self) -> None:
        """Wait for the next call."""
        self.idle_since = asyncio.get_running_loop().time()
        self._upstream.keep(self)

    def pause(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Go on reading."""
        self._transport.resume_reading()

    def close(self) -> None:
        """End it, between calls."""
        self.is_closing = True
        self._transport.close()

    def abort(self) -> None:
        """End it, whatever is under way."""
        self.is_closing = True
        self._call = None
        self._transport.abort()

    # what asyncio tells

    def data_received(self, data: bytes) -> None:
        """Bytes have come in: what they complete is passed on at once, in one piece."""
        call = self._call
        if call is None:  # nobody has asked
            self.abort()
            return
        self._was_answered = True
        self._stretch += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("the provider speaks another protocol")
            return
        except httptools.HttpParserError as error:
            cause: BaseException | None = None
            if isinstance(error, httptools.HttpParserCallbackError):
                cause = error.__context__
            if cause is not None and not isinstance(cause, _MisreadError):
                self._fail("the provider's answer could not be read")
                raise cause from None
            if not self._is_whole:
                self._pass_on(call)
                self._fail(str(cause or f"the provider's answer is not HTTP/1.1: {error}"))
                return
            self._is_excess = True  # what follows a whole answer is not its fault
        if self._stretch > MOST_HEAD_BYTES and not self._is_whole:
            self._fail("the head of the provider's answer is too large")
            return
        if self._parts:
            self._pass_on(call)
        if self._is_whole and self._call is call:
            self._finish(call)

    def eof_received(self) -> bool:
        """The provider ends the connection."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over: with luck between calls."""
        self.is_closing = True
        self._upstream.forget(self)
        call, self._call = self._call, None
        if call is None or call.is_over:
            return
        if self._has_head and not self._is_framed and exc is None:
            call.is_over, call.connection = True, None
            call.receiver.on_end(is_delimited=False)
        elif not self._was_answered and self._served and not call.needs_fresh:
            call.send_again()
        else:
            call.fail(
                "the provider ended the connection before its answer was whole", was_sent=True
            )

    # what llhttp tells

    def on_message_begin(self) -> None:
        """A response begins."""
        if self._is_whole:
            self._is_excess = True
        self._head, self._is_framed = ResponseHead(0, []), False
        self._stretch = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; after the head it is a trailer, which nobody is told of."""
        if self._has_head:
            return
        head = self._head
        name = name.lower()
        if name == b"content-length":
            head.length = int(value)
            self._is_framed = True
        elif name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise _MisreadError("the provider's answer has an unknown transfer coding")
            self._is_framed = True
        elif name == b"content-type":
            head.kind = value
        head.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        head = self._head
        head.status = status = self._parser.get_status_code()
        call = self._call
        if status < FINAL or call is None or self._is_excess:
            return
        if len(head.headers) > MOST_HEADERS:
            raise _MisreadError("the provider's answer has too many headers")
        self._is_framed = self._is_framed or status in BODILESS
        self._has_head = True
        call.receiver.on_head(head)

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self._stretch = 0
        if not self._is_excess:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        """The response is whole, unless it only announced another."""
        if self._has_head:
            self._is_whole = True
            self._keeps_alive = self._parser.should_keep_alive()

    def _pass_on(self, call: UpstreamCall) -> None:
        parts, self._parts = self._parts, []
        if parts and self._call is call and not call.is_over:
            call.receiver.on_data(parts[0] if len(parts) == 1 else b"".join(parts))

    def _finish(self, call: UpstreamCall) -> None:
        self._call = None
        self._served += 1
        call.is_over, call.connection = True, None
        transport = self._transport
        if transport.get_write_buffer_size():  # it answered without having read
            self.abort()
        elif self._is_excess or self.is_closing or not self._keeps_alive:
            self.close()
        else:
            if not transport.is_reading():
                transport.resume_reading()
            self.rest()
        call.receiver.on_end(is_delimited=True)

    def _fail(self, reason: str) -> None:
        call = self._call
        self.abort()
        if call is not None:
            call.fail(reason, was_sent=True)


class _MisreadError(Exception):
    """The provider's answer cannot be read; says why."""
