"""What a deployment on this machine wants and has, in the files of its folder.

Commands write what is wanted, and the supervisor what there is. Either side may die at any time:
what is wanted stays wanted, and processes are told from strangers by the time of their start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import psutil

from crossmodel.deployment.target import Instance
from crossmodel.domain.operations import ResourceAllocation
from crossmodel.errors import DeploymentError
from crossmodel.locks import locked

T = TypeVar("T")

STARTED_WITHIN: Final = 0.5
"""Seconds by which two readings of a process's start may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What should be running.

    Attributes:
        deployment_id: names the deployment.
        home: the working folder of the instances: that of the settings file they come from.
        settings: what the instances read: the settings as they were when this was deployed.
        listen: host and port.
        instances: how many; 0 to end.
        generation: instances of another one are replaced.
        resources: what each may use.
        is_over: whether the supervisor ends when none is left.
    """

    deployment_id: str
    home: str
    settings: str
    listen: str
    instances: int
    generation: int = 1
    resources: ResourceAllocation | None = None
    is_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One process of a deployment, as it is found again."""

    place: int
    generation: int
    pid: int
    started_at: float
    instance: Instance

    @property
    def process(self) -> psutil.Process | None:
        """The process, if it lives and is the one that was started."""
        return find_process(self.pid, self.started_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """What is running.

    Attributes:
        url: where clients reach it.
        generation: what was wanted when this was so.
        processes: all of them, those that end included.
        failing: the places that have trouble: their number, what it is, and how often in a row.
    """

    url: str
    generation: int
    processes: tuple[Kept, ...] = ()
    failing: tuple[tuple[int, str, int], ...] = ()


class Folder:
    """The folder of one deployment."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def make(self) -> None:
        """Make it, for this user alone.

        Raises:
            DeploymentError: if that cannot be.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DeploymentError(f"cannot make {self.path}: {error.strerror}") from error

    @property
    def wanted(self) -> Wanted | None:
        """What should be running; ``None`` if nothing was ever deployed."""
        return self._read("wanted.json", Wanted)

    def want(self, wanted: Wanted) -> None:
        """Say what should be running."""
        self._write("wanted.json", wanted)

    @property
    def before(self) -> Wanted | None:
        """What was wanted before the last deployment; ``None`` if nothing was."""
        return self._read("before.json", Wanted)

    def keep(self, before: Wanted | None) -> None:
        """Keep what was wanted before a deployment that begins."""
        if before is None:
            (self.path / "before.json").unlink(missing_ok=True)
        else:
            self._write("before.json", before)

    def keep_settings(self, text: bytes, generation: int) -> Path:
        """Keep settings as they are now, for the instances of a generation; where they are."""
        kept = self.path / f"settings-{generation}.toml"
        descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
        return kept

    def forget_settings(self, used: set[str]) -> None:
        """Remove the settings of generations that are over."""
        for each in self.path.glob("settings-*.toml"):
            if str(each) not in used:
                each.unlink(missing_ok=True)

    @property
    def there(self) -> There | None:
        """What is running, as the supervisor last said."""
        return self._read("running.json", There)

    def tell(self, there: There) -> None:
        """Say what is running."""
        self._write("running.json", there)

    def log_of(self, name: str) -> Path:
        """Where a process says what it has to say."""
        return self.path / f"{name}.log"

    def forget(self) -> None:
        """Remove what tells of a deployment that is over; logs stay."""
        for pattern in ("instance-*.json", "settings-*.toml", "*.json"):
            for each in self.path.glob(pattern):
                each.unlink(missing_ok=True)

    def is_supervised(self) -> bool:
        """Whether a supervisor lives."""
        if not self.path.is_dir():
            return False
        with self.supervising() as is_free:
            return not is_free

    @contextmanager
    def supervising(self) -> Iterator[bool]:
        """The lock that the supervisor holds; gives False if somebody has it."""
        with locked(self.path / "supervisor.lock") as lock:
            yield lock is not None

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise DeploymentError(
                f"{self.path / name} cannot be read: {error}; end what it tells of by hand, and "
                "remove it"
            ) from error

    def _write(self, name: str, value: object) -> None:
        aside = self.path / f".{name}.{os.getpid()}"
        try:
            aside.write_bytes(msgspec.json.encode(value))
            aside.replace(self.path / name)
        except OSError as error:
            raise DeploymentError(f"cannot write {self.path / name}: {error.strerror}") from error


def find_process(pid: int, started_at: float) -> psutil.Process | None:
    """The process of that number, if it is the one that started then, and lives."""
    try:
        process = psutil.Process(pid)
        is_it = abs(process.create_time() - started_at) < STARTED_WITHIN
        return process if is_it and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def now() -> float:
    """Seconds since 1970."""
    return time.time()
