"""HTTP/1.1 as both sides of the gateway need it: heads, what may be forwarded, lines to send.

RFC 9110 (semantics) and RFC 9112 (messages). Names of headers are in lower case throughout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

Header = tuple[bytes, bytes]

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers of one connection (RFC 9110, 7.6.1): never forwarded."""

STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}

CHUNKED: Final = b"transfer-encoding: chunked\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE: Final = b"connection: close\r\n"


@dataclass(slots=True, eq=False)
class RequestHead:
    """A request without its body.

    Attributes:
        method: as it was sent.
        path: the target without its query, as it was sent.
        query: what follows the question mark.
        headers: names in lower case, in the order in which they came.
        length: bytes of the body; ``None`` if it comes in chunks.
        keeps_alive: whether the connection may be used again after it.
        speaks_chunked: whether the client understands chunked transfer coding (HTTP/1.1).
    """

    method: bytes
    path: bytes
    query: bytes
    headers: list[Header]
    length: int | None = 0
    keeps_alive: bool = True
    speaks_chunked: bool = True

    def get(self, name: bytes) -> bytes | None:
        """The first header of that name, in lower case."""
        for each, value in self.headers:
            if each == name:
                return value
        return None


def status_line(status: int) -> bytes:
    """The first line of a response."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def header_lines(headers: Iterable[Header]) -> bytes:
    """Headers as they are sent, without the empty line that ends them."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def nominated(headers: Iterable[Header]) -> frozenset[bytes]:
    """The headers that ``Connection`` says belong to this connection alone."""
    return frozenset(
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.split(b",")
    )


def chunk(data: bytes) -> bytes:
    """A body's part in chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)
