"""The writer's side of the spool: what each producer handed over, in order, and when it died."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossmodel.witness.handing_over.frames import Scanned, scan
from crossmodel.witness.handing_over.spool import (
    DONE,
    DONE_BYTES,
    UNFINISHED,
    Position,
    Progress,
    decode_progress,
    encode_progress,
    segment_name,
)

logger = logging.getLogger(__name__)

READ_BYTES: Final = 1024 * 1024
"""How much is read at once, unless there is no whole record in it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one producer, and the place behind them.

    ``damaged`` are pieces between them that are no records (any more).
    """

    bodies: list[bytes]
    end: Position
    damaged: tuple[bytes, ...] = ()


class Drain:
    """Reads one producer's folder from a position on, and removes what is done with."""

    def __init__(self, folder: Path, position: Position) -> None:
        self.folder = folder
        self.producer = folder.name
        self.position = position
        self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._done = os.open(folder / DONE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        before = decode_progress(os.pread(self._done, DONE_BYTES, 0))
        self.refused = before.refused if before is not None else 0
        self._segment = -1
        self._is_dead = False
        for path in folder.glob(segment_name(0).replace("0", "[0-9]")):
            if path.name < segment_name(position.segment):
                path.unlink()
        self._publish()

    def take(self, most: int) -> Batch | None:
        """The next records, ``most`` at most; ``None`` if there are none now.

        Where the producer is dead, what its death left half-written is passed over.
        """
        is_dead = self._producer_is_dead()  # asked first: what it wrote before is all there is
        while True:
            followed = is_dead or self._path(self.position.segment + 1).exists()
            segment, offset = self.position
            data, found = self._scan(most)
            damaged = tuple(data[first:last] for first, last in found.damaged)
            if found.bodies or damaged:
                end = Position(segment, offset + found.end)
                return Batch(found.bodies, end, damaged)
            if not followed:
                return None
            if self._path(segment + 1).exists():
                end = Position(segment + 1, 0)
                if data:  # nothing follows a segment that is not whole
                    return Batch([], end, (data,))
                self._move(end)
                continue
            if data:
                logger.info("%s died while it wrote: %d bytes are cut", self.producer, len(data))
            return None

    def is_finished(self) -> bool:
        """Whether the producer is dead; ask after :meth:`take` has found nothing."""
        return self._is_dead

    def advance(self, end: Position, refused: int = 0) -> None:
        """Say that everything before ``end`` is durable, but for ``refused`` records."""
        self.refused += refused
        self._move(end)
        self._publish()

    def remove(self) -> None:
        """Remove the folder: the producer is dead, and everything that it wrote is durable."""
        aside = self.folder.with_name(f"{UNFINISHED}{self.producer}")
        self.folder.rename(aside)  # at once: a half-removed folder would be read again
        shutil.rmtree(aside, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let go of the folder; safe to call twice."""
        for descriptor in (self._segment, self._done, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._segment = self._done = self._lock = -1

    def _producer_is_dead(self) -> bool:
        if not self._is_dead:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._is_dead = True
        return True

    def _path(self, segment: int) -> Path:
        return self.folder / segment_name(segment)

    def _scan(self, most: int) -> tuple[bytes, Scanned]:
        """What follows in the segment; all of it where a part has no whole record."""
        data = self._read(READ_BYTES)
        found = scan(data, most)
        if not found.end and len(data) == READ_BYTES:
            data = self._read(os.fstat(self._segment).st_size - self.position.offset)
            found = scan(data, most)
        return data, found

    def _read(self, size: int) -> bytes:
        if self._segment < 0:
            path = self._path(self.position.segment)
            try:
                self._segment = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""  # its producer has not come to it, or the machine lost it
        return os.pread(self._segment, size, self.position.offset)

    def _move(self, end: Position) -> None:
        left = self.position.segment
        self.position = end
        if end.segment != left:
            if self._segment >= 0:
                os.close(self._segment)
            self._segment = -1
            self._path(left).unlink(missing_ok=True)

    def _publish(self) -> None:
        os.pwrite(self._done, encode_progress(Progress(self.position, self.refused)), 0)
