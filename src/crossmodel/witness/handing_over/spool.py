"""The queue between those who hand records over and the process that writes them: files.

Each producer has a folder of its own under the spool's root, and appends to segments in it, which
the writer deletes when it is done with them. So the queue takes no memory, drops nothing, and
outlives either side. It is not forced to disk: what must survive the machine, and not only the
process, is waited for (see :mod:`crossmodel.witness.handing_over.handover`).

Several machines may have a spool each for one database: producers' names begin with their spool's.

A producer holds a lock on its folder for as long as it lives. Where it has got to stands in the
database, in the transaction that holds the records; ``done`` tells the producer.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from crossmodel.errors import WitnessError
from crossmodel.witness.handing_over.frames import header

SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""A segment that has grown this large is followed by the next."""

BUFFER_BYTES: Final = 128 * 1024
"""What is appended is written when it has grown this large, if nobody writes it before."""

PROGRESS_TRIES: Final = 1000

WAKE: Final = "wake"
DONE: Final = "done"
NAME: Final = "name"
UNFINISHED: Final = "."
"""Folders whose names start so are being made or removed: they hold nothing to be read."""

_PRODUCER: Final = re.compile(r"[0-9a-f]{32}")
_DONE: Final = struct.Struct("<QQQ")
_CHECK: Final = struct.Struct("<I")
DONE_BYTES: Final = _DONE.size + _CHECK.size

ADVICE: Final = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or ask for a larger quota",
    errno.EFBIG: "the process may not write files of this size: raise its limit",
    errno.EROFS: "the folder must be writable",
    errno.EACCES: "the folder must be writable",
    errno.EPERM: "the folder must be writable",
    errno.ENOTDIR: "something else is in the folder's place",
}


class Position(NamedTuple):
    """A place between two frames: a segment's number, and bytes from its beginning."""

    segment: int
    offset: int


class Progress(NamedTuple):
    """How far a producer's frames are durable, and how many of them could not be written."""

    position: Position
    refused: int = 0


def is_producer(name: str) -> bool:
    """Whether a folder of that name is a producer's."""
    return _PRODUCER.fullmatch(name) is not None


def name_of(root: Path) -> str:
    """The spool's own name, 16 hex digits, which the first to ask gives it.

    Raises:
        OSError: if it has none and its folder cannot be written.
    """
    link = root / NAME
    with contextlib.suppress(FileExistsError):  # a link is made whole or not at all
        link.symlink_to(secrets.token_hex(8))
    return str(link.readlink())


def segment_name(number: int) -> str:
    """The file of a segment."""
    return f"{number:08d}.spool"


class Spool:
    """The producer's side. For one thread of one process; ``append`` is the request path.

    Args:
        root: the folder of all producers of one store; made if it does not exist.
        segment_bytes: how large a segment grows.
        buffer_bytes: how much is kept in memory before it is written.

    Raises:
        WitnessError: if the folder cannot be made.
    """

    def __init__(
        self,
        root: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._segment_bytes = segment_bytes
        self._buffer_bytes = buffer_bytes
        self._frames: list[bytes] = []
        self._buffered = 0
        self._torn = b""  # the rest of what a full disk took a part of
        self._position = Position(0, 0)
        self._process = os.getpid()
        self._segment = self._done = self._wake = -1
        self._root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.producer = name_of(root) + secrets.token_hex(8)
            self.folder = root / self.producer
            self._lock = self._make_folder(root)
            self._done = os.open(self.folder / DONE, os.O_RDONLY | os.O_CLOEXEC)
            self._segment = self._open_segment(0)
        except OSError as error:
            raise self._explained(error) from error

    @property
    def written(self) -> Position:
        """The place behind what is in the files so far."""
        return self._position

    def append(self, body: bytes) -> None:
        """Take a record. It is written with the next :meth:`flush`, or when the buffer is full.

        Raises:
            WitnessError: if what was taken before cannot be written, or the record is too large;
                this record has not been taken then.
        """
        if self._buffered >= self._buffer_bytes or self._torn:
            self.flush()
        self._frames += (header(body), body)
        self._buffered += len(body)

    def flush(self) -> Position:
        """Write what was taken; returns the place behind it.

        Raises:
            WitnessError: if it cannot be written. It is kept, and tried again with the next call.
        """
        if os.getpid() != self._process:
            raise WitnessError("a spool belongs to the process that opened it: open another")
        if self._frames or self._torn:
            try:
                self._write()
            except OSError as error:
                raise self._explained(error) from error
        return self._position

    def wake(self) -> bool:
        """Tell the writer that there is something to do; False if there is no writer."""
        try:
            if self._wake < 0:
                path = self.folder.parent / WAKE
                self._wake = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.write(self._wake, b"\0")
        except BlockingIOError:
            pass  # it has been told often enough
        except OSError:  # nobody has it open for reading, or it was never made
            if self._wake >= 0:
                os.close(self._wake)
            self._wake = -1
            return False
        return True

    def progress(self) -> Progress:
        """How far the writer has got."""
        for _ in range(PROGRESS_TRIES):  # a read may meet a write half-way
            found = decode_progress(os.pread(self._done, DONE_BYTES, 0))
            if found is not None:
                return found
        raise WitnessError(f"{self.folder / DONE} is damaged: what was handed over is unaffected")

    def close(self) -> None:
        """Write what was taken and let go of the folder; a writer finishes and removes it.

        Raises:
            WitnessError: if it cannot be written; the folder is let go of all the same.
        """
        if self._lock < 0:
            return
        try:
            self.flush()
        finally:
            for descriptor in (self._segment, self._done, self._wake, self._lock):
                if descriptor >= 0:
                    os.close(descriptor)
            self._segment = self._done = self._wake = self._lock = -1

    def _make_folder(self, root: Path) -> int:
        """The folder, locked before anybody can see it: an unlocked one has a dead producer."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_fifo(root / WAKE)
        aside = root / f"{UNFINISHED}{self.producer}"
        aside.mkdir(mode=0o700)
        try:
            lock = os.open(aside, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(aside / DONE, flags, 0o600), "wb") as file:
                file.write(encode_progress(Progress(Position(0, 0))))
            aside.rename(self.folder)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        return lock

    def _open_segment(self, number: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self.folder / segment_name(number), flags, 0o600)

    def _write(self) -> None:
        """All frames into one segment: the next one begins only when this one is whole."""
        if self._position.offset >= self._segment_bytes and not self._torn:
            opened = self._open_segment(self._position.segment + 1)
            os.close(self._segment)
            self._segment = opened
            self._position = Position(self._position.segment + 1, 0)
        pending = b"".join([self._torn, *self._frames]) if self._torn else b"".join(self._frames)
        self._frames.clear()
        self._buffered = 0
        written = 0
        try:
            while written < len(pending):  # a disk that fills up takes a part before it refuses
                written += os.write(self._segment, pending[written:] if written else pending)
        finally:
            self._torn = pending[written:]
            self._buffered = len(self._torn)
            self._position = self._position._replace(offset=self._position.offset + written)

    def _explained(self, error: OSError) -> WitnessError:
        advice = ADVICE.get(error.errno or 0, "see what is wrong with the folder")
        return WitnessError(
            f"cannot write records to {self._root}: {error.strerror}; {advice}; "
            "nothing that was acknowledged is lost"
        )


def make_fifo(path: Path) -> None:
    """A named pipe for this user alone, unless it is there."""
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        return


def encode_progress(progress: Progress) -> bytes:
    """What stands in the file ``done``."""
    fields = _DONE.pack(*progress.position, progress.refused)
    return fields + _CHECK.pack(zlib.crc32(fields))


def decode_progress(data: bytes) -> Progress | None:
    """What the file ``done`` says; ``None`` if it is being written just now."""
    fields, check = data[: _DONE.size], data[_DONE.size :]
    if len(check) != _CHECK.size or _CHECK.unpack(check)[0] != zlib.crc32(fields):
        return None
    segment, offset, refused = _DONE.unpack(fields)
    return Progress(Position(segment, offset), refused)
