"""Heads of requests: what of them is refused, and those that need not be read again.

A client sends the same head with each of its requests, but for the length of the body. So a head
that llhttp has read and that was found in order is remembered by its bytes: when the same bytes
come again there is nothing to parse. Only whole requests are recognised, which came in one piece
and with nothing behind them.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from crossmodel.gateway.headers import RequestHead
from crossmodel.gateway.http1 import Header

END: Final = b"\r\n\r\n"
LENGTHS: Final = (b"\r\ncontent-length: ", b"\r\nContent-Length: ")
"""How clients spell it; who spells it otherwise is parsed each time."""

LENGTH_BYTES: Final = len(LENGTHS[0])
MOST_DIGITS: Final = 12

MOST_KNOWN: Final = 1024
"""Heads that are remembered; the keys of clients are among them, in memory only."""

MOST_HEAD_BYTES: Final = 4096
"""A longer head is not remembered."""


class RefusedError(Exception):
    """A request that is not read to its end: the reason is for whoever sent it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class KnownHeads:
    """Heads that were read before, by their bytes without the digits of the length."""

    __slots__ = ("_heads",)

    def __init__(self) -> None:
        self._heads: dict[bytes, RequestHead] = {}

    def find(self, data: bytes) -> tuple[RequestHead, bytes] | None:
        """The head and the body, if ``data`` is one whole request whose head was read before.

        Of such a head ``length`` is not that of this body.
        """
        parts = _parts(data)
        if parts is None:
            return None
        template, body = parts
        head = self._heads.get(template)
        return None if head is None else (head, body)

    def remember(self, data: bytes, head: RequestHead) -> None:
        """Remember the head of a request which was read from exactly this, and refused by nobody.

        It must not be one whose meaning hangs on more than its bytes: no wish for another protocol.
        """
        if head.length is None or head.get(b"expect") is not None:
            return
        parts = _parts(data)
        if parts is None or len(parts[1]) != head.length or len(parts[0]) > MOST_HEAD_BYTES:
            return
        if len(self._heads) >= MOST_KNOWN:
            self._heads.clear()
        self._heads[parts[0]] = head


def _parts(data: bytes) -> tuple[bytes, bytes] | None:
    """The head without the digits of its length, and the body, if it has just that length."""
    end = data.find(END)
    at = data.find(LENGTHS[0], 0, end)
    if at < 0:
        at = data.find(LENGTHS[1], 0, end)
    if at < 0 or end < 0:
        return None
    at += LENGTH_BYTES
    stop = data.find(b"\r", at, end + 1)
    digits = data[at:stop]
    if not digits.isdigit() or len(digits) > MOST_DIGITS:
        return None
    body_at = end + len(END)
    if len(data) - body_at != int(digits):
        return None
    return data[:at] + data[stop:end], data[body_at:]


def check(headers: list[Header], version: str) -> bool:
    """Refuse what two readers could read in two ways (RFC 9112, 2.3, 3.2 and 6.3).

    llhttp has refused lengths that contradict each other or the transfer coding, white space
    around names, bare line feeds and folded lines. Returns whether the body comes in chunks.

    Raises:
        RefusedError: saying why.
    """
    if version not in {"1.1", "1.0"}:
        raise RefusedError(505, f"HTTP/{version} is not spoken here")
    hosts, is_chunked = 0, False
    for name, value in headers:
        if name == b"transfer-encoding":
            if value.strip().lower() != b"chunked" or version == "1.0":
                raise RefusedError(HTTPStatus.NOT_IMPLEMENTED, "only chunked transfer coding is")
            is_chunked = True
        elif name == b"host":
            hosts += 1
        elif name == b"content-encoding":
            _check_coding(value)
    if hosts != 1 and (hosts or version == "1.1"):
        raise RefusedError(400, "a request has one Host header")
    return is_chunked


def _check_coding(coding: bytes) -> None:
    """Refuse bodies that would have to be decompressed, to who knows what size."""
    if coding.strip().lower() not in {b"identity", b""}:
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "bodies are not decompressed here: send them plain"
        )


def path_of(target: bytes) -> bytes:
    """The path of a target in absolute form (RFC 9112, 3.2.2); others lead nowhere."""
    if target[:1] == b"/":
        return target
    scheme, slashes, rest = target.partition(b"://")
    if not slashes or scheme.lower() not in {b"http", b"https"}:
        return target
    _, slash, path = rest.partition(b"/")
    return slash + path or b"/"


def too_large(most_bytes: int) -> RefusedError:
    """What whoever sends a larger body is told."""
    return RefusedError(413, f"the body of a request may have {most_bytes} bytes")
