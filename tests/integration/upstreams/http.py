"""A plain HTTP/1.1 server on asyncio that reads strictly (RFC 9112) and can end badly on purpose.

Requests of one connection are answered one after the other. A peer that closes, even one half of
the connection, has left: what was being answered is cancelled at once and noted.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from upstreams.account import BODY_KEPT, Account, Record, digest

MAX_HEAD = 256 * 1024
MAX_BODY = 512 * 1024 * 1024
UNREAD_SECONDS = 1.0
TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict",
    413: "Content Too Large", 422: "Unprocessable Content", 429: "Too Many Requests",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 529: "Overloaded",
}  # fmt: skip
Headers = list[tuple[str, str]]


class MalformedRequestError(ValueError):
    """The bytes are no request that RFC 9112 allows."""


@dataclass(slots=True)
class Request:
    """One request, whole; header names as they were sent."""

    method: str
    target: str
    version: str
    headers: Headers
    arrived_at: float
    body: bytes = b""
    trailers: Headers = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of its name."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def stays_open(self) -> bool:
        options = {
            option.strip().lower()
            for key, value in self.headers
            if key.lower() == "connection"
            for option in value.split(",")
        }
        return "close" not in options if self.version == "HTTP/1.1" else "keep-alive" in options


class RequestParser:
    """Bytes in, whole requests out; nothing is guessed where the standard leaves no room."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | None = None
        self._length: int | None = None  # None: chunked
        self._body = bytearray()
        self._in_trailers = False
        self._searched = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def pending(self) -> bool:
        """Whether a request has begun and is not whole."""
        return self._head is not None or bool(self._buffer)

    @property
    def awaits_continue(self) -> bool:
        """Whether the peer holds its body back until it is told to go on."""
        head = self._head
        if head is None or self._body or self._buffer:
            return False
        return (head.header("expect") or "").lower() == "100-continue"

    def next_request(self) -> Request | None:
        """The next whole request, None if more bytes are needed.

        Raises:
            MalformedRequestError: if the bytes can never become a request.
        """
        if self._head is None:
            lines = self._lines_up_to_blank()
            if lines is None:
                return None
            self._head = _head(lines)
            self._length = _length(self._head)
            self._body = bytearray()
        if not (self._read_counted() if self._length is not None else self._read_chunks()):
            return None
        request, self._head = self._head, None
        request.body = bytes(self._body)
        return request

    def _lines_up_to_blank(self) -> list[bytes] | None:
        """A section of header lines and its blank line, taken off the buffer."""
        while self._head is None and self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]  # RFC 9112, 2.2: empty lines before a request are ignored
        if self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]
            return []
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._searched = len(self._buffer)
            if len(self._buffer) > MAX_HEAD:
                raise MalformedRequestError("the head is too long")
            return None
        self._searched = 0
        section = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        lines = section.split(b"\r\n")
        if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
            raise MalformedRequestError("a bare CR, LF or NUL in the head")
        return lines

    def _read_counted(self) -> bool:
        assert self._length is not None
        take = self._length - len(self._body)
        self._body += self._buffer[:take]
        del self._buffer[:take]
        return len(self._body) == self._length

    def _read_chunks(self) -> bool:
        assert self._head is not None
        while not self._in_trailers:
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD:
                    raise MalformedRequestError("a chunk's first line is too long")
                return False
            figure = bytes(self._buffer[:end]).partition(b";")[0].rstrip(b" \t")
            if not figure or len(figure) > 16 or figure.strip(b"0123456789abcdefABCDEF"):
                raise MalformedRequestError(f"a chunk of size {figure[:40]!r}")
            size = int(figure, 16)
            if size == 0:
                del self._buffer[: end + 2]
                self._in_trailers = True
                break
            if len(self._body) + size > MAX_BODY:
                raise MalformedRequestError("the body is too long")
            if len(self._buffer) < end + 2 + size + 2:
                return False
            if self._buffer[end + 2 + size : end + 4 + size] != b"\r\n":
                raise MalformedRequestError("a chunk is longer than its size says")
            self._body += self._buffer[end + 2 : end + 2 + size]
            del self._buffer[: end + 4 + size]
        lines = self._lines_up_to_blank()
        if lines is None:
            return False
        self._head.trailers = [_header(line) for line in lines]
        self._in_trailers = False
        return True


def _head(lines: list[bytes]) -> Request:
    parts = lines[0].split(b" ")
    if len(parts) != 3 or not parts[0] or set(parts[0]) - TOKEN or not parts[1]:
        raise MalformedRequestError(f"no request line: {lines[0][:100]!r}")
    if parts[2] not in {b"HTTP/1.0", b"HTTP/1.1"}:
        raise MalformedRequestError(f"version {parts[2][:20]!r}")
    request = Request(
        method=parts[0].decode(),
        target=parts[1].decode("latin-1"),
        version=parts[2].decode(),
        headers=[_header(line) for line in lines[1:]],
        arrived_at=time.monotonic(),
    )
    hosts = sum(name.lower() == "host" for name, _ in request.headers)
    if hosts > 1 or (hosts == 0 and request.version == "HTTP/1.1"):
        raise MalformedRequestError(f"{hosts} Host headers")
    return request


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not name or set(name) - TOKEN:
        raise MalformedRequestError(f"no header: {line[:100]!r}")
    return name.decode(), value.strip(b" \t").decode("latin-1")


def _length(request: Request) -> int | None:
    """The body's length, None for chunked; what could be read in two ways is refused."""
    lengths = [value for name, value in request.headers if name.lower() == "content-length"]
    codings = [value for name, value in request.headers if name.lower() == "transfer-encoding"]
    if codings:
        if lengths:
            raise MalformedRequestError("both Content-Length and Transfer-Encoding")
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise MalformedRequestError(f"Transfer-Encoding {codings}")
        if request.version != "HTTP/1.1":
            raise MalformedRequestError("Transfer-Encoding in HTTP/1.0")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
        raise MalformedRequestError(f"Content-Length {lengths}")
    if len(lengths[0]) > 18 or int(lengths[0]) > MAX_BODY:
        raise MalformedRequestError("the body is too long")
    return int(lengths[0])


class Line:
    """The way back to the peer for one answer: writes are counted and wait for a slow reader."""

    def __init__(
        self, transport: asyncio.Transport, may_write: asyncio.Event, record: Record
    ) -> None:
        self._transport = transport
        self._may_write = may_write
        self.record = record
        self.closes = False

    async def write(self, data: bytes) -> None:
        """Hands bytes to the kernel; waits while the peer takes none."""
        await self._may_write.wait()
        if self.record.first_byte_at is None:
            self.record.first_byte_at = time.monotonic()
        self._transport.write(data)
        self.record.written += len(data)

    async def flush(self) -> None:
        """Waits until the kernel has all of it, and for what else the loop has to do."""
        await asyncio.sleep(0)
        while self._transport.get_write_buffer_size():
            await asyncio.sleep(0.001)

    async def hang(self) -> None:
        """Says nothing more; ends when the peer leaves."""
        await asyncio.Event().wait()

    async def reset(self, outcome: str) -> None:
        """Ends the connection by RST, after what was written."""
        await self.flush()
        connection = self._transport.get_extra_info("socket")
        give_up = time.monotonic() + UNREAD_SECONDS
        while _unacknowledged(connection) and time.monotonic() < give_up:
            await asyncio.sleep(0.001)  # a reset throws away what the peer's kernel has not got
        self.finish(outcome)
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()

    def finish(self, outcome: str) -> None:
        """Ends the connection by FIN once what was written is sent."""
        self.record.outcome = outcome
        self.closes = True

    def unsent(self) -> int:
        return self._transport.get_write_buffer_size()


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that were sent and that the peer's kernel has not acknowledged."""
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    return int.from_bytes(answer, sys.byteorder)


Handler = Callable[[Request, Line], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One connection of the server.

    Args:
        handler: answers one request over a line.
        account: keeps what was seen.
        unseen: whether a path belongs to the account itself.
        refuses: whether connections are closed as they come.
    """

    def __init__(
        self,
        handler: Handler,
        account: Account,
        unseen: Callable[[str], bool],
        refuses: Callable[[], bool],
    ) -> None:
        self._handler = handler
        self._account = account
        self._unseen = unseen
        self._refuses = refuses
        self._parser = RequestParser()
        self._transport: asyncio.Transport
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._task: asyncio.Task[None] | None = None
        self._line: Line | None = None
        self._number = 0
        self._told_to_continue = False
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._refuses():
            self._account.refused_connections += 1
            self._over = True
            transport.abort()
            return
        self._number = self._account.opened()

    def data_received(self, data: bytes) -> None:
        if not self._over:
            self._parser.feed(data)
            self._advance()

    def eof_received(self) -> bool:
        self._peer_left()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._peer_left()
        if self._number:
            self._account.open_connections -= 1

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def _peer_left(self) -> None:
        self._over = True
        if self._task is not None and self._line is not None:
            record = self._line.record
            if record.left_at is None and record.outcome == "running":
                record.left_at = time.monotonic()
                record.written -= self._line.unsent()
            self._task.cancel()
        elif self._parser.pending:
            self._account.abandoned += 1
            self._parser = RequestParser()

    def _advance(self) -> None:
        """Begins with the next request if none is being answered."""
        if self._task is not None or self._over:
            return
        try:
            request = self._parser.next_request()
        except MalformedRequestError as error:
            self._account.malformed.append(str(error))
            self._over = True
            self._parser = RequestParser()
            body = f'{{"error":{{"message":"malformed request","type":"{type(error).__name__}"}}}}'
            self._transport.write(
                head(400, [("content-length", str(len(body))), ("connection", "close")])
                + body.encode()
            )
            self._transport.close()
            return
        if request is None:
            if self._parser.awaits_continue and not self._told_to_continue:
                self._told_to_continue = True
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        self._told_to_continue = False
        self._task = asyncio.get_running_loop().create_task(self._answer(request))

    async def _answer(self, request: Request) -> None:
        record = Record(
            number=0, connection=self._number, method=request.method, target=request.target,
            version=request.version, headers=request.headers, trailers=request.trailers,
            body=request.body[:BODY_KEPT].decode(errors="replace"),
            body_sha256=digest(request.body), body_bytes=len(request.body),
            arrived_at=request.arrived_at, received_at=time.monotonic(),
        )  # fmt: skip
        line = self._line = Line(self._transport, self._may_write, record)
        line.closes = not request.stays_open
        seen = not self._unseen(request.path)
        if seen:
            self._account.begin(record)
        outcome = "left"
        try:
            await self._handler(request, line)
            outcome = "complete" if record.outcome == "running" else record.outcome
        except asyncio.CancelledError:
            if record.outcome != "running":
                outcome = record.outcome  # the reset was our own
        except BaseException:
            outcome = "error"
            self._transport.abort()
            raise
        finally:
            if seen:
                self._account.end(record, outcome)
            self._task = self._line = None
        if line.closes or self._over:
            self._over = True
            self._transport.close()
        else:
            self._advance()


def head(status: int, headers: Headers, version: str = "HTTP/1.1") -> bytes:
    """The first line and the headers of an answer, up to the blank line."""
    lines = [f"{version} {status} {REASONS.get(status, 'Something')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
