"""Frames: records in a file that says by itself where each begins and whether it is whole.

A frame is a mark, the length and the CRC-32 (ISO 3309, as in zlib) of the body, and the body. The
mark starts with a byte that UTF-8 never has, so no text that a record holds can pass for a frame:
after damage, the next frame is found by its mark and believed by its check.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

from crossmodel.errors import WitnessError

MARK: Final = b"\xff\xf5CM"
MAX_BODY: Final = 64 * 1024 * 1024
"""Largest body of a frame, in bytes."""

_HEADER: Final = struct.Struct("<4sII")
HEADER_BYTES: Final = _HEADER.size


class Scanned(NamedTuple):
    """What a piece of a file holds, up to ``end``; what is behind it is no whole frame (yet).

    ``damaged`` are the places, from and to, of bytes that no frame accounts for, with whole frames
    behind them.
    """

    bodies: list[bytes]
    end: int
    damaged: list[tuple[int, int]]


def header(body: bytes) -> bytes:
    """What stands before a body in its frame.

    Raises:
        WitnessError: if the body is empty or larger than 64 MiB.
    """
    size = len(body)
    if not 0 < size <= MAX_BODY:
        raise WitnessError(f"a record has 1 to {MAX_BODY:,} bytes, not {size:,}")
    return _HEADER.pack(MARK, size, zlib.crc32(body))


def frame(body: bytes) -> bytes:
    """The frame of a body; see :func:`header`."""
    return header(body) + body


def scan(data: bytes, most: int) -> Scanned:
    """Up to ``most`` frames from the beginning of ``data``."""
    bodies: list[bytes] = []
    damaged: list[tuple[int, int]] = []
    at = 0
    while len(bodies) < most:
        body = _body(data, at)
        if body is None:
            behind = _next_whole(data, at + 1)
            if behind is None:
                break
            damaged.append((at, behind))
            at = behind
            continue
        bodies.append(body)
        at += HEADER_BYTES + len(body)
    return Scanned(bodies, at, damaged)


def _body(data: bytes, at: int) -> bytes | None:
    """The body of the whole frame that starts there, if one does."""
    start = at + HEADER_BYTES
    if start > len(data):
        return None
    mark, length, check = _HEADER.unpack_from(data, at)
    body = data[start : start + length]
    if mark != MARK or not 0 < length == len(body) or zlib.crc32(body) != check:
        return None
    return body


def _next_whole(data: bytes, start: int) -> int | None:
    at = data.find(MARK, start)
    while at >= 0 and _body(data, at) is None:
        at = data.find(MARK, at + 1)
    return at if at >= 0 else None
