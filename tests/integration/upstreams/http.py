"""A plain HTTP/1.1 server on asyncio that can end its answers badly on purpose.

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

from upstreams.account import BODY_KEPT, Account, Record, digest
from upstreams.parsing import Headers, MalformedRequestError, Request, RequestParser

UNREAD_SECONDS = 1.0
REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict",
    413: "Content Too Large", 422: "Unprocessable Content", 429: "Too Many Requests",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 529: "Overloaded",
}  # fmt: skip


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
