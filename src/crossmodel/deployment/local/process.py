"""One gateway process on this machine: started on a socket that is open already, told to end."""

from __future__ import annotations

import itertools
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
import psutil

from crossmodel.deployment.local.state import Folder, Kept, Wanted, find_process, now
from crossmodel.deployment.target import Instance, InstanceState
from crossmodel.domain.operations import ResourceAllocation
from crossmodel.wire import activation

MOST_LOG_BYTES: Final = 5_000_000

SHARED: Final = {"CROSSMODEL_GATEWAY__SHARING__ENABLED": "true"}
"""Instances keep to the same budgets and rates, however many there are or will be."""

_names = itertools.count(1)


class InstanceProcess:
    """A gateway that was started here, or found again.

    Attributes:
        place: whose socket it listens on.
        generation: of which deployment it is.
        state: how far it has come.
        restarts: how many before it at its place have ended by themselves.
    """

    def __init__(
        self, kept: Kept, process: psutil.Process, child: subprocess.Popen[bytes] | None
    ) -> None:
        self.place = kept.place
        self.generation = kept.generation
        self.state = kept.instance.state
        self.restarts = kept.instance.restarts
        self.control_url = kept.instance.control_url
        self.id = kept.instance.id
        self.born = now()
        self.stopped_at: float | None = None
        self.missed = 0  # looks in a row that it did not answer
        self._process = process
        self._started_at = kept.started_at
        self._child = child

    @classmethod
    def start(
        cls,
        folder: Folder,
        wanted: Wanted,
        listening: socket.socket,
        *,
        place: int,
        restarts: int,
    ) -> InstanceProcess:
        """Start one. It is ready when :meth:`look` has found it so.

        Raises:
            OSError: if there can be no more processes.
        """
        name = f"instance-{place}-{os.getpid()}-{next(_names)}"
        log = folder.log_of(f"instance-{place}")
        if log.exists() and log.stat().st_size > MOST_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        command = [
            sys.executable, "-m", "crossmodel", "serve", "--config", wanted.settings,
            "--listen", wanted.listen, "--control", "127.0.0.1:0", "--json",
        ]  # fmt: skip

        def prepare() -> None:
            """In the new process, before it is another program."""
            activation.hand_over(listening)
            os.environ |= SHARED

        with (folder.path / f"{name}.json").open("wb") as told, log.open("ab") as said:
            child = subprocess.Popen(  # noqa: S603 - ourselves
                command,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=said,
                pass_fds=(activation.FIRST,),
                preexec_fn=prepare,  # noqa: PLW1509 - the supervisor has one thread
                cwd=wanted.home,
                start_new_session=True,  # it outlives us, and a terminal's Ctrl-C
            )
        process = psutil.Process(child.pid)
        if wanted.resources is not None:
            _bind(process, place, wanted.resources)
        instance = Instance(name, InstanceState.STARTING, pid=child.pid, restarts=restarts)
        kept = Kept(
            place=place,
            generation=wanted.generation,
            pid=child.pid,
            started_at=process.create_time(),
            instance=instance,
        )
        return cls(kept, process, child)

    @classmethod
    def find(cls, kept: Kept) -> InstanceProcess | None:
        """One that a supervisor before has started, if it lives."""
        process = kept.process
        return None if process is None else cls(kept, process, None)

    @property
    def pid(self) -> int:
        """Its number."""
        return int(self._process.pid)

    @property
    def is_alive(self) -> bool:
        """Whether it lives; who started it lets it go otherwise."""
        if self._child is not None:
            return self._child.poll() is None
        return find_process(self.pid, self._started_at) is not None

    @property
    def memory_mb(self) -> float:
        """What it holds in memory, in MiB; 0 when it is gone."""
        with suppress(psutil.Error):
            return float(self._process.memory_info().rss) / 1024**2
        return 0.0

    def look_for_address(self, folder: Folder) -> bool:
        """Whether it has said where it is to be reached, which it does once it listens."""
        with suppress(OSError, msgspec.DecodeError, KeyError):
            told = msgspec.json.decode((folder.path / f"{self.id}.json").read_bytes())
            self.control_url = told["control_url"]
            return True
        return False

    def drain(self) -> None:
        """Tell it to end once its requests are over."""
        if self.stopped_at is None:
            self.stopped_at = now()
            self.state = InstanceState.DRAINING
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it, whatever it does."""
        self._signal(signal.SIGKILL)

    def kept(self, error: str = "") -> Kept:
        """How it is found again."""
        return Kept(
            place=self.place,
            generation=self.generation,
            pid=self.pid,
            started_at=self._started_at,
            instance=Instance(
                self.id, self.state, self.control_url, self.pid, self.restarts, error
            ),
        )

    def clean_up(self, folder: Folder) -> None:
        """Remove what it has told."""
        (folder.path / f"{self.id}.json").unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(psutil.Error):  # psutil looks that the number is not somebody else's by now
            self._process.send_signal(number)


def cores_of(place: int, wanted: float, available: Sequence[int]) -> list[int]:
    """Which processors an instance is bound to: those of its place, by turns."""
    count = min(math.ceil(wanted), len(available))
    return sorted({available[(place * count + n) % len(available)] for n in range(count)})


def _bind(process: psutil.Process, place: int, resources: ResourceAllocation) -> None:
    if hasattr(os, "sched_setaffinity") and math.isfinite(resources.cpu_cores):
        with suppress(OSError):
            available = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(process.pid, cores_of(place, resources.cpu_cores, available))
