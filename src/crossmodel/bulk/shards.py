"""Files cut into shards of about equal size, and the answers in each of them.

A file that holds a row in each line is cut anywhere: a line belongs to the piece in which it begins
(as in MapReduce's input splits, Dean and Ghemawat, 2004). Other files are not cut, and small ones
share a shard. Read one after the other, shards give what reading the files gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from crossmodel.bulk.places import File
from crossmodel.extraction.logs import (
    LoggedAnswer,
    UnreadableRow,
    is_lines,
    read_document,
    read_lines,
)
from crossmodel.ports import Spread

SHARD_BYTES: Final = 1024 * 1024
"""About the size of a shard: a fifth of a second's reading, so that little is done again where a
process dies, and sharing out costs little."""

MOST_FILES: Final = 500
"""In one shard: opening them costs more than reading them."""

COUNTED_TOGETHER: Final = 64
"""Pieces whose lines are counted at once."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes ``start <= i < stop`` of a file; ``line`` is the number of the first one's line."""

    file: File
    start: int
    stop: int
    line: int = 1

    @property
    def size(self) -> int:
        """In bytes."""
        return self.stop - self.start

    @property
    def is_last(self) -> bool:
        """Whether the file ends with it."""
        return self.stop == self.file.size


Shard = tuple[Piece, ...]


def cut(files: Iterable[File], spread: Spread, size: int = SHARD_BYTES) -> list[Shard]:
    """The files as shards; ``spread`` counts the lines of those that are cut.

    Raises:
        OSError: if one that is cut cannot be read.
    """
    pieces = [piece for file in files for piece in _pieces(file, size)]
    return list(_shared(_numbered(pieces, spread), size))


def read_shard(shard: Shard, source_model: str) -> Iterator[LoggedAnswer | UnreadableRow]:
    """Every answer in a shard; ``source_model`` wrote those that do not say who did."""
    for piece in shard:
        yield from _read_piece(piece, source_model)


def _pieces(file: File, size: int) -> Iterator[Piece]:
    step = size if is_lines(file.name) else max(file.size, 1)
    for start in range(0, max(file.size, 1), step):
        yield Piece(file, start, min(start + step, file.size))


def _numbered(pieces: Sequence[Piece], spread: Spread) -> Iterator[Piece]:
    """The pieces with the numbers of their lines; ``spread`` counts those in all but the last."""
    counted = [piece for piece in pieces if not piece.is_last]
    step = COUNTED_TOGETHER
    together = [counted[at : at + step] for at in range(0, len(counted), step)]
    counts = iter([count for some in spread(count_lines, together) for count in some])
    line = 1
    for piece in pieces:
        if piece.start == 0:
            line = 1
        yield replace(piece, line=line)
        if not piece.is_last:
            line += next(counts)


def count_lines(pieces: Sequence[Piece]) -> list[int]:
    """How many lines end in each piece."""
    counts = []
    for piece in pieces:
        with piece.file.open() as file:
            file.seek(piece.start)
            counts.append(file.read(piece.size).count(b"\n"))
    return counts


def _shared(pieces: Iterable[Piece], size: int) -> Iterator[Shard]:
    shard: list[Piece] = []
    for piece in pieces:
        taken = sum(each.size for each in shard)
        if shard and (taken + piece.size > size or len(shard) >= MOST_FILES):
            yield tuple(shard)
            shard = []
        shard.append(piece)
    if shard:
        yield tuple(shard)


def _read_piece(piece: Piece, source_model: str) -> Iterator[LoggedAnswer | UnreadableRow]:
    name = piece.file.name
    try:
        with piece.file.open() as file:
            if not is_lines(name):
                yield from read_document(file.read(), origin=name, source_model=source_model)
                return
            first = piece.line
            if piece.start:
                file.seek(piece.start - 1)
                first += file.readline() != b"\n"  # the rest of a line that began before
            lines = _lines(file, piece.stop)
            yield from read_lines(lines, origin=name, source_model=source_model, first=first)
    except OSError as error:
        yield UnreadableRow(name, f"cannot be read: {error.strerror or error}")


def _lines(file: BinaryIO, stop: int) -> Iterator[bytes]:
    """The lines that begin before ``stop``."""
    while file.tell() < stop and (line := file.readline()):
        yield line
