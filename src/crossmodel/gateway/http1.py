"""HTTP/1.1 as both sides of the gateway need it: heads, what may be forwarded, lines to send.

RFC 9110 (semantics) and RFC 9112 (messages). Names of headers are in lower case throughout.
"""

from __future__ import annotations

from collections.abc import Iterable
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
