"""Processes that are measured: started on one core, looked at through ``/proc``, ended."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

STOP_SECONDS: Final = 10.0
_PROC: Final = Path("/proc")
_NANOSECONDS: Final = 1e9


@dataclass(frozen=True, slots=True)
class Cores:
    """``proxy`` is for what is measured, ``rest`` for load, upstream and helpers of the proxy."""

    proxy: int
    rest: int

    @classmethod
    def of_this_machine(cls) -> Self:
        """The last of the cores that we may use, and the first; the same if there is only one."""
        ours = sorted(os.sched_getaffinity(0))
        return cls(ours[-1], ours[0])


ANYWHERE: Final = -1
"""In place of a core's number: whichever is free."""


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started meanwhile runs there, and so do its children."""
    if core == ANYWHERE:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Spent(NamedTuple):
    """Seconds of a core: used, and waited for while others had it."""

    used: float = 0.0
    waited: float = 0.0

    @classmethod
    def of(cls, pid: int) -> Self:
        """Those of a process so far, of its living threads; none once it has ended."""
        used = waited = 0
        for thread in _threads(pid):
            with contextlib.suppress(OSError):
                ran, queued = (thread / "schedstat").read_text("ascii").split()[:2]
                used, waited = used + int(ran), waited + int(queued)
        return cls(used / _NANOSECONDS, waited / _NANOSECONDS)


def rss_bytes(pid: int) -> int:
    """Memory that a process holds; 0 once it has ended."""
    with contextlib.suppress(OSError):
        return int((_PROC / str(pid) / "statm").read_text("ascii").split()[1]) * (
            resource.getpagesize()
        )
    return 0


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        for thread in _threads(parent):
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text("ascii").split())
    return found


def _threads(pid: int) -> list[Path]:
    try:
        return list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return []


@dataclass(slots=True)
class Running:
    """A process that we started, its words in a file.

    Attributes:
        started: ``time.perf_counter`` at the start.
    """

    process: subprocess.Popen[bytes]
    log: Path
    started: float

    @classmethod
    def start(cls, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Self:
        """Starts it in a session of its own, so that no key of the terminal reaches it."""
        started = time.perf_counter()
        with log.open("ab") as words:
            process = subprocess.Popen(  # noqa: S603 - commands are ours
                command,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        return cls(process, log, started)

    @property
    def pid(self) -> int:
        """Its id."""
        return self.process.pid

    def move_children(self, core: int) -> None:
        """Its helpers go to another core, as an operator would have them."""
        for child in tree(self.pid)[1:]:
            for thread in _threads(child):
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(int(thread.name), {core})

    def check(self) -> None:
        """See that it still runs.

        Raises:
            RuntimeError: if it has ended; with its last words.
        """
        if self.process.poll() is not None:
            words = self.log.read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"{self.process.args!r} ended: {self.process.returncode}\n{words}")

    def stop(self) -> None:
        """Ends it, by force if it takes too long, and whatever it leaves behind."""
        family = tree(self.pid)
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            for child in family[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, 9)
