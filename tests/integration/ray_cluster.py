"""A Ray cluster of this machine, for the tests of one module: it takes six seconds to start."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def local_ray() -> Iterator[None]:
    """A cluster of our own with two processors, and none of its state left behind."""
    from crossmodel.deployment.ray.session import session

    tests = str(Path(__file__).parent)
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (before, tests)))
    try:
        with session("local", num_cpus=2, object_store_memory=200_000_000):
            yield
    finally:
        os.environ["PYTHONPATH"] = before


def settings_in(folder: Path, model: str, more: str = "") -> Path:
    """A settings file of one model that repeats what it is told, with its state beside it."""
    folder.mkdir(exist_ok=True)
    path = folder / "crossmodel.toml"
    path.write_text(
        f"""
        [store]
        url = "sqlite:///{folder}/state.db"
        [witness]
        key_dir = "{folder}/keys"
        [[providers]]
        id = "echo"
        kind = "fake"
        [[models]]
        id = "{model}"
        provider = "echo"
        {more}
        """
    )
    return path


def descendants() -> dict[int, str]:
    """The command of every process below this one, by its number."""
    rows = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    parent_of, command_of = {}, {}
    for row in rows:
        pid, parent, command = row.split(maxsplit=2)
        parent_of[int(pid)], command_of[int(pid)] = int(parent), command
    found: dict[int, str] = {}
    frontier = {os.getpid()}
    while frontier:
        frontier = {pid for pid, parent in parent_of.items() if parent in frontier}
        found |= {pid: command_of[pid] for pid in frontier}
    return found


def kill_one(name: str, spare: tuple[str, ...] = ()) -> int:
    """Kill one process of ours whose command begins with ``name``; 0 if there is none."""
    for pid, command in sorted(descendants().items(), reverse=True):
        if command.startswith(name) and not any(each in command for each in spare):
            os.kill(pid, signal.SIGKILL)
            return pid
    return 0
