"""Requests of HTTP/1.1 read strictly (RFC 9112): what could be read in two ways is refused."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

MAX_HEAD = 256 * 1024
MAX_BODY = 512 * 1024 * 1024
TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
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
