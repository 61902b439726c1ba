"""Rows that survive an interruption: what was written is known again and not done twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from crossmodel.cli.output import replacing
from crossmodel.errors import InvalidInputError

_DIGEST: Final = 32
"""Characters of the digest that stands before each row of a part."""


class PartFile:
    """Rows beside their target, each with a digest of what it was made from.

    A row that was torn by a kill does not count. The part lasts until the target is whole.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._done: list[tuple[bytes, int]] = []  # digest, and where its row ends
        self.resumed = 0
        end = 0
        for line in file:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            self._done.append((line[:_DIGEST], end))
        file.seek(end)
        file.truncate()

    def has(self, digest: str) -> bool:
        """Whether the next row is there already and was made from the same; it is passed over.

        If it was made from something else, it and all after it go.
        """
        if self.resumed < len(self._done) and self._done[self.resumed][0] == digest.encode():
            self.resumed += 1
            return True
        self._forget_others()
        return False

    @property
    def has_more(self) -> bool:
        """Whether there are rows that were not passed over."""
        return self.resumed < len(self._done)

    def write(self, digest: str, row: bytes) -> None:
        """Add a row; it is on its way to the disk when this returns."""
        self._file.write(digest.encode() + b" " + row + b"\n")
        self._file.flush()

    def finish(self, target: BinaryIO) -> None:
        """Copy the rows to where they belong; what was not passed over belongs nowhere."""
        self._forget_others()
        self._file.seek(0)
        target.writelines(line[_DIGEST + 1 :] for line in self._file)

    def _forget_others(self) -> None:
        if self.has_more:
            self._file.seek(self._done[self.resumed - 1][1] if self.resumed else 0)
            self._file.truncate()
            del self._done[self.resumed :]


@contextmanager
def resuming(path: Path) -> Iterator[PartFile]:
    """The part of ``path``; when all went well its rows take that name.

    Raises:
        InvalidInputError: if it cannot be written, or another run is writing it.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        file = aside.open("a+b")
    except OSError as error:
        raise InvalidInputError(f"cannot write {path}: {error.strerror}") from error
    with file:
        _lock(file, path)
        file.seek(0)
        part = PartFile(file)
        try:
            yield part
            with replacing(path) as target:
                part.finish(target)
        except BaseException:
            if not aside.stat().st_size:  # nothing that anybody would go on from
                aside.unlink()
            raise
    aside.unlink()


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InvalidInputError(f"another run is writing {path}") from error
