"""What the headers of a request say: who asks, what goes on to providers, what is for us.

Clients send the same headers with each of their requests, so that what was read of them is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from crossmodel.gateway.http1 import Header, header_lines, nominated
from crossmodel.gateway.keys import bearer
from crossmodel.gateway.wishes import PREFIX
from crossmodel.providers import API_VERSION
from crossmodel.wire.dialect import Dialect
from crossmodel.witness.tracing import parent_id_of, trace_id_of

OURS_ALONE: Final = frozenset(
    {
        b"accept-encoding", b"authorization", b"connection", b"content-encoding", b"content-length",
        b"content-type", b"cookie", b"expect", b"forwarded", b"host", b"http2-settings",
        b"keep-alive", b"origin",
        b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"referer", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"x-api-key", b"x-forwarded-for",
        b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"openai-organization",
        b"openai-project",
    }
)  # fmt: skip
"""Headers that are between the client and us: a provider gets its own, or none."""

PERSISTENCE: Final = frozenset({b"keep-alive", b"close"})
"""What ``Connection`` says mostly; anything else names headers that are not forwarded."""

READ: Final = frozenset(
    {b"authorization", b"x-api-key", b"traceparent", b"origin", b"sec-fetch-site"}
)
"""Headers that say something to us."""

OWN_SITES: Final = frozenset({b"none", b"same-origin"})

SENT_ON: Final = b"content-type: application/json\r\naccept-encoding: identity\r\n"

DIALECT_PREFIX: Final = {Dialect.CHAT: b"anthropic-", Dialect.MESSAGES: b"openai-"}
"""Headers that mean nothing to a provider of the dialect."""

VERSION: Final = b"anthropic-version"
VERSION_LINE: Final = b"%b: %b\r\n" % (VERSION, API_VERSION.encode())


class ReadHeaders:
    """The headers of a request, sorted.

    Attributes:
        headers: all of them, as they came.
        presented: the key that the client shows, as OpenAI's clients do or as Anthropic's; empty
            if it shows none.
        ours: those that are for us.
        trace_id: the caller's trace (W3C Trace Context), if it names one.
        parent_id: the caller's span in it, 16 hex digits; ``None`` if the caller says that it does
            not trace this request itself.
        is_foreign: whether a browser sends it for a page of another origin (Fetch, 3.2).
    """

    __slots__ = (
        "_forwarded", "_lines", "headers", "is_foreign", "ours", "parent_id", "presented",
        "trace_id",
    )  # fmt: skip

    def __init__(self, headers: list[Header]) -> None:
        self.headers = headers
        self.presented = b""
        self.ours: list[Header] = []
        self.trace_id: str | None = None
        self.parent_id: str | None = None
        self.is_foreign = False
        self._forwarded: list[Header] = []
        self._lines: dict[tuple[Dialect, bool], bytes] = {}
        dropped = OURS_ALONE
        for name, value in headers:
            if name == b"connection" and value.lower() not in PERSISTENCE:
                dropped = dropped | nominated(headers)
            elif name in READ:
                self._read(name, value)
        for header in headers:
            if header[0].startswith(PREFIX):
                self.ours.append(header)
            elif header[0] not in dropped:
                self._forwarded.append(header)

    def _read(self, name: bytes, value: bytes) -> None:
        if name == b"authorization":
            self.presented = self.presented or bearer(value)
        elif name == b"x-api-key":
            self.presented = self.presented or value
        elif name == b"traceparent":
            traceparent = value.decode("latin-1")
            self.trace_id = trace_id_of(traceparent)
            self.parent_id = parent_id_of(traceparent)
        elif name == b"origin" or value not in OWN_SITES:
            self.is_foreign = True

    def lines(self, spoken: Dialect, *, translated: bool) -> bytes:
        """The header lines for a provider that speaks this, but for its credentials."""
        known = self._lines.get((spoken, translated))
        if known is None:
            known = self._lines[spoken, translated] = self._make(spoken, translated=translated)
        return known

    def _make(self, spoken: Dialect, *, translated: bool) -> bytes:
        forwarded = self._forwarded
        if translated:
            other = DIALECT_PREFIX[spoken]
            forwarded = [header for header in forwarded if not header[0].startswith(other)]
        lines = header_lines(forwarded) + SENT_ON
        if spoken is Dialect.MESSAGES and all(name != VERSION for name, _ in forwarded):
            lines += VERSION_LINE
        return lines


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
        known: what the headers say, once somebody has asked.
    """

    method: bytes
    path: bytes
    query: bytes
    headers: list[Header]
    length: int | None = 0
    keeps_alive: bool = True
    speaks_chunked: bool = True
    known: ReadHeaders | None = field(default=None, repr=False)

    @property
    def said(self) -> ReadHeaders:
        """What the headers say."""
        if self.known is None:
            self.known = ReadHeaders(self.headers)
        return self.known

    def get(self, name: bytes) -> bytes | None:
        """The first header of that name, in lower case."""
        for each, value in self.headers:
            if each == name:
                return value
        return None
