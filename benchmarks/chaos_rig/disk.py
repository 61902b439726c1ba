"""A folder whose disk can be full for a while: a file system of its own where we may mount one."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

SIZE: Final = 10 * 2**30
"""Most bytes of the small file system; it takes only the memory that is in use."""


class Disk(Protocol):
    """Something that can be full."""

    how: str

    def fill(self, pids: list[int]) -> None:
        """From now on those processes cannot write more."""
        ...

    def free(self, pids: list[int]) -> None:
        """They can again."""
        ...


class _Mounted:
    """A tmpfs: its size is set to what it holds, and back."""

    how = "a tmpfs that shrinks to what it holds (ENOSPC)"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self, pids: list[int]) -> None:  # noqa: ARG002 - everybody is struck
        page = os.sysconf("SC_PAGESIZE")
        while not self._resize(max(shutil.disk_usage(self._folder).used, page)):
            pass  # more was written meanwhile

    def free(self, pids: list[int]) -> None:  # noqa: ARG002 - likewise
        if not self._resize(SIZE):
            raise OSError(f"{self._folder} cannot be made larger again")

    def _resize(self, size: int) -> bool:
        return _mount("-o", f"remount,size={size}", str(self._folder))


class _Limited:
    """Where nothing may be mounted: no file of the processes may grow (``RLIMIT_FSIZE``)."""

    how = "RLIMIT_FSIZE on the processes (EFBIG)"

    def fill(self, pids: list[int]) -> None:
        self._limit(pids, 0)

    def free(self, pids: list[int]) -> None:
        self._limit(pids, None)

    @staticmethod
    def _limit(pids: list[int], size: int | None) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """``folder`` as a disk that can be full, until the end."""
    if not _mount("-t", "tmpfs", "-o", f"size={SIZE}", "crossmodel-chaos", str(folder)):
        yield _Limited()
        return
    try:
        yield _Mounted(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)  # noqa: S603, S607 - ours


def _mount(*arguments: str) -> bool:
    """Whether it worked."""
    if shutil.which("mount") is None:
        return False
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True)  # noqa: S603, S607
    return done.returncode == 0
