"""The limits of this process's control group (cgroup v2), and how near it is to them.

A container may use far less than the machine has; figures of the machine say nothing then. See the
kernel's ``Documentation/admin-guide/cgroup-v2.rst``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
OWN: Final = Path("/proc/self/cgroup")
UNLIMITED: Final = "max"


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes in use, without files that can be read again, and how many there may be."""

    used: int
    limit: int

    @property
    def share(self) -> float:
        """0..1 of the limit."""
        return self.used / self.limit


def groups(root: Path = ROOT, own: Path = OWN) -> list[Path]:
    """The process's group and those above it, the nearest first; empty without cgroup v2."""
    try:
        lines = own.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    name = next((line[3:] for line in lines if line.startswith("0::/")), None)
    if name is None or not (root / "cgroup.controllers").is_file():
        return []
    here = root / name.lstrip("/")
    return [here, *[above for above in here.parents if above == root or root in above.parents]]


def memory(of: list[Path]) -> MemoryUse | None:
    """The use of that group which is nearest to its limit; ``None`` if none has one."""
    uses = []
    for group in of:
        limit, used = _number(group / "memory.max"), _number(group / "memory.current")
        if limit and used is not None:
            files = _keyed(group / "memory.stat").get("inactive_file", 0)
            uses.append(MemoryUse(max(0, used - files), limit))
    return max(uses, key=lambda use: use.share, default=None)


def cpu_limit(of: list[Path]) -> tuple[Path, float] | None:
    """The group whose limit is the least, and how many processors' time it may take."""
    limits = []
    for group in of:
        quota, _, period = _text(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit() and int(period):
            limits.append((group, int(quota) / int(period)))
    return min(limits, key=lambda pair: pair[1], default=None)


def cpu_seconds(group: Path) -> float | None:
    """The time of processors that a group has taken so far; ``None`` if that is not told."""
    used = _keyed(group / "cpu.stat").get("usage_usec")
    return None if used is None else used / 1e6


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isascii() and text.isdigit() else None


def _keyed(path: Path) -> dict[str, int]:
    pairs = [line.split() for line in _text(path).splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}  # noqa: PLR2004 - a pair
