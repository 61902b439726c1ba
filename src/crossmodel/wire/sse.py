"""Server-sent events: an incremental parser and a writer (WHATWG HTML, section 9.2).

The parser watches a stream that is relayed byte by byte, or feeds a translator. It takes bytes in
any chunking and gives the same events for each of them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from crossmodel.errors import InvalidInputError, ProviderResponseError

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""The largest event kept in memory: room for an image in base64, and an end to endless lines."""

DONE: Final = b"data: [DONE]\n\n"
"""How a stream of chat chunks ends."""

_BOM: Final = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event. ``event`` is empty where the stream names none; ``data`` has its lines joined."""

    event: bytes
    data: bytes


class EventParser:
    """Turns chunks of a stream into events.

    Lines end with LF, CR or CRLF; a byte order mark at the start, comments, ``id`` and ``retry``
    are left out. An event that the stream breaks off in is never given, as the standard asks.

    Args:
        limit: the most bytes of one event, its unfinished line included.

    Attributes:
        idle: whether the stream stands between two events, after its first line.
    """

    __slots__ = ("_data", "_event", "_first", "_limit", "_partial", "_size", "_skip_lf", "idle")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._partial = bytearray()  # of a line whose end has not come
        self._data: list[bytes] = []
        self._size = 0  # bytes in _data
        self._event = b""
        self._skip_lf = False  # the last chunk ended in CR; a LF now is the rest of that line end
        self._first = True  # no line was seen yet: it may begin with a byte order mark
        self.idle = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that ``chunk`` completes.

        Raises:
            ProviderResponseError: if an event is larger than the limit. The parser is of no use
                after that: the stream should be cut.
        """
        if not chunk:
            return []
        if self.idle:
            event = self._single(chunk)
            if event is not None:
                return [event]
        events: list[Event] = []
        for line in self._lines(chunk):
            if line:
                self._line(line)
            else:
                self._first = False
                if self._data:
                    data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                    events.append(Event(self._event, data))
                    self._data = []
                    self._size = 0
                self._event = b""
        self._check(len(self._partial))
        self.idle = not (self._partial or self._data or self._event or self._skip_lf or self._first)
        return events

    def _single(self, chunk: bytes) -> Event | None:
        """The event that ``chunk`` is, where it is one and plain: nearly all of them are."""
        end = len(chunk) - 2
        first = chunk.find(b"\n")
        if not chunk.endswith(b"\n\n") or chunk.find(b"\r") >= 0:
            return None
        if first == end and chunk.startswith(b"data: "):
            self._check(end)
            return Event(b"", chunk[6:end])
        if chunk.startswith(b"event: ") and chunk.startswith(b"data: ", first + 1):
            if chunk.find(b"\n", first + 1) != end:
                return None
            self._check(max(first, end - first - 1))
            return Event(chunk[7:first], chunk[first + 7 : end])
        return None

    def _lines(self, chunk: bytes) -> list[bytes]:
        """The lines that ``chunk`` ends, without their ends; what is left over is kept."""
        if self._skip_lf:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines and self._partial:
            self._partial += lines[0]
            lines[0] = bytes(self._partial)
            self._partial.clear()
        self._partial += rest
        return lines

    def _line(self, line: bytes) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        self._check(len(line))
        if line.startswith(b"data: "):  # nearly all of them
            value, name = line[6:], b"data"
        else:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
        elif name == b"event":
            self._event = value

    def _check(self, more: int) -> None:
        if self._size + more > self._limit:
            raise ProviderResponseError(
                f"an event of the stream is larger than {self._limit} bytes; it was not read on"
            )


def write_event(data: bytes, event: bytes = b"") -> bytes:
    """The bytes of one event; line ends within ``data`` become lines of their own.

    Raises:
        InvalidInputError: if ``event`` holds a line end, which would forge another field.
    """
    if b"\n" in event or b"\r" in event:
        raise InvalidInputError(f"event must be one line, got {event!r}")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    if event:
        return b"event: %b\ndata: %b\n\n" % (event, data)
    return b"data: %b\n\n" % data
