"""How one answer travels: framed, cut, slowed and broken off as the behaviour says."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from upstreams.behaviours import Behaviour
from upstreams.http import Line, head
from upstreams.parsing import Headers, Request

PIECES_OF_A_BODY = 8
MISSING = 10
HALT_SECONDS = 0.005
GARBAGE = b"\x00\xff\x16\x03\x01 this is no HTTP\r\n\r\n{\x80}\n" * 3
_EXTENSION = b';name=value;quoted="a;b\\"c"'
_TRAILERS = b"X-Checksum: 12ab\r\nX-Vendor-Trailer: last\r\n"
_BY_PIECES = frozenset({"drop", "cut", "stall", "slow"})


@dataclass(slots=True)
class Answer:
    """What is to be sent: ``parts`` are the events of a stream, or the one body."""

    status: int
    content_type: str
    parts: Iterable[bytes]
    streams: bool = False
    headers: Headers = field(default_factory=list)


async def deliver(line: Line, answer: Answer, behaviour: Behaviour, request: Request) -> None:
    """Sends the answer; what breaks it off ends the connection, or holds it."""
    parts = answer.parts
    if not answer.streams and _BY_PIECES & behaviour.words.keys():
        parts = _in_pieces(b"".join(parts))
    headers = [("content-type", answer.content_type), *answer.headers]
    if "gzip" in behaviour and "gzip" in (request.header("accept-encoding") or ""):
        parts = _compressed(parts)
        headers.append(("content-encoding", "gzip"))
    framing = _framing(answer, behaviour, request)
    chunked = framing == "chunked"
    if framing == "length":
        parts = list(parts)
        size = sum(map(len, parts)) + (MISSING if "short" in behaviour else 0)
        headers.append(("content-length", str(size)))
    elif chunked:
        headers += _chunk_headers(behaviour)
    line.closes = line.closes or framing == "close"
    if line.closes:
        headers.append(("connection", "close"))
    elif request.version == "HTTP/1.0":
        headers.append(("connection", "keep-alive"))
    writer = _Writer(line, behaviour)
    line.record.status = answer.status
    await writer.send(head(answer.status, headers))
    writer.halt_after = behaviour.after("halt")
    if await _send_parts(writer, parts, behaviour, chunked=chunked):
        if chunked:
            await writer.send(_end(behaviour))
        await writer.send_rest()
        if "short" in behaviour:
            line.finish("short")


def _framing(answer: Answer, behaviour: Behaviour, request: Request) -> str:
    """What says where the body ends: ``length``, ``chunked`` or ``close``."""
    if "short" in behaviour:
        return "length"
    modern = request.version == "HTTP/1.1"
    if "close" in behaviour or (answer.streams and not modern):
        return "close"
    return "chunked" if answer.streams or ("chunk-ext" in behaviour and modern) else "length"


def _chunk_headers(behaviour: Behaviour) -> Headers:
    headers = [("transfer-encoding", "chunked")]
    if "chunk-ext" in behaviour:
        headers.append(("trailer", "x-checksum, x-vendor-trailer"))
    return headers


async def _send_parts(
    writer: _Writer, parts: Iterable[bytes], behaviour: Behaviour, *, chunked: bool
) -> bool:
    """Sends the parts one by one; False if something broke them off.

    What is to be broken off later than the answer is long is broken off at its very end: before
    the chunk that ends it, else in its last part. It never looks whole.
    """
    strikes = sorted(
        (after, word)
        for word in ("drop", "cut", "stall")
        if (after := behaviour.after(word)) is not None
    )
    for number, (part, is_last) in enumerate(_with_end(parts)):
        if number and "slow" in behaviour:
            await writer.send_rest()
            await asyncio.sleep(behaviour.number("slow") / 1000)
        framed = list(_chunks(part, behaviour)) if chunked else [part]
        if strikes and (number >= strikes[0][0] or (is_last and not chunked)):
            await writer.break_off(strikes[0][1], b"".join(framed))
            return False
        for piece in framed:
            await writer.send(piece)
        await asyncio.sleep(0)  # other answers are under way, and the peer may have left
        writer.line.record.events += 1
    if strikes:
        await writer.break_off(strikes[0][1], _end(behaviour))
    return not strikes


def _with_end(parts: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each part, and whether it is the last."""
    parts = iter(parts)
    part = next(parts, None)
    while part is not None:
        following = next(parts, None)
        yield part, following is None
        part = following


def _end(behaviour: Behaviour) -> bytes:
    """What ends a chunked body."""
    if "chunk-ext" in behaviour:
        return b"0" + _EXTENSION + b"\r\n" + _TRAILERS + b"\r\n"
    return b"0\r\n\r\n"


class _Writer:
    """Writes in the portions that the behaviour asks for."""

    def __init__(self, line: Line, behaviour: Behaviour) -> None:
        self.line = line
        self._size = behaviour.number("split")
        self._held: list[bytes] | None = [] if "one-write" in behaviour else None
        self.halt_after: int | None = None

    async def send(self, data: bytes) -> None:
        if self.halt_after is not None:
            if self.halt_after < len(data):
                start, data = data[: self.halt_after], data[self.halt_after :]
                self.halt_after = None
                if start:
                    await self.line.write(start)
                await self.line.flush()
                await asyncio.sleep(HALT_SECONDS)
            else:
                self.halt_after -= len(data)
        if self._held is not None:
            self._held.append(data)
        elif self._size:
            for start in range(0, len(data), self._size):
                await self.line.write(data[start : start + self._size])
                await self.line.flush()
        else:
            await self.line.write(data)

    async def break_off(self, how: str, rest: bytes) -> None:
        """Ends the answer badly; ``rest`` is what would come next."""
        if how == "cut":
            await self.send(rest[: len(rest) // 2])
        await self.send_rest()
        if how == "drop":
            await self.line.reset(how)
        elif how == "cut":
            self.line.finish(how)
        else:
            await self.line.hang()

    async def send_rest(self) -> None:
        if self._held:
            await self.line.write(b"".join(self._held))
            self._held = []


def _chunks(part: bytes, behaviour: Behaviour) -> Iterator[bytes]:
    """One part as HTTP chunks; of a small ``split`` each is as small."""
    extension = _EXTENSION if "chunk-ext" in behaviour else b""
    for piece in _cut(part, behaviour):
        if piece:  # a chunk of no bytes would end the body
            yield b"%x%b\r\n%b\r\n" % (len(piece), extension, piece)


def _cut(part: bytes, behaviour: Behaviour) -> Iterator[bytes]:
    size = behaviour.number("split")
    if size:
        for start in range(0, len(part), size):
            yield part[start : start + size]
    elif behaviour.answer == "unicode":
        start = 0
        for at in range(1, len(part)):
            if part[at] & 0xC0 == 0x80 and part[at - 1] & 0xC0 == 0xC0:
                yield part[start:at]
                start = at
        yield part[start:]
    else:
        yield part


def _in_pieces(body: bytes) -> list[bytes]:
    size = max(1, -(-len(body) // PIECES_OF_A_BODY))
    return [body[start : start + size] for start in range(0, len(body), size)] or [b""]


def _compressed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Each part compressed so that it can be read as soon as it arrives."""
    coder = zlib.compressobj(wbits=31)
    for part, is_last in _with_end(parts):
        yield coder.compress(part) + coder.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)
