"""How much of this machine, or of this container, is in use.

Figures come from psutil, which knows them on every system; the limits of a container from its
control group, which psutil does not look at; a disk's from the standard library.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from crossmodel.telemetry.health import cgroup


class Usage:
    """What one process can see. For one caller at a time."""

    def __init__(self) -> None:
        import psutil  # noqa: PLC0415 - 15 ms, for who asks

        self._psutil = psutil
        self._process = psutil.Process()
        self._groups = cgroup.groups()
        self._cpu_at = time.monotonic()
        self._cpu_used = self._cpu_so_far()

    def cpu(self) -> tuple[float, float]:
        """Share of the processors' time in use since the last call, 0..1, and how long that is.

        With a limit it is the share of that limit. The first call looks back to the start.
        """
        now = time.monotonic()
        used, may = self._cpu_so_far()
        before, self._cpu_used = self._cpu_used[0], (used, may)
        seconds, self._cpu_at = now - self._cpu_at, now
        if seconds <= 0:
            return 0.0, 0.0
        return min(1.0, max(0.0, (used - before) / (seconds * may))), seconds

    def memory(self) -> float:
        """Share of memory in use, 0..1: of the limit or of the machine's, whichever is nearer."""
        share = float(self._psutil.virtual_memory().percent) / 100
        limited = cgroup.memory(self._groups)
        return max(share, limited.share) if limited is not None else share

    def process_bytes(self) -> int:
        """Memory of this process alone."""
        return int(self._process.memory_info().rss)

    def file_descriptors(self) -> float | None:
        """Share of the file descriptors in use that this process may have; ``None`` if unknown."""
        if sys.platform == "win32":
            return None
        import resource  # noqa: PLC0415 - not on Windows

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft in {0, resource.RLIM_INFINITY}:
            return 0.0
        return float(self._process.num_fds()) / soft

    @staticmethod
    def disk(folder: Path) -> tuple[float, int]:
        """Share of the disk in use that a folder is on, 0..1, and the bytes that are free.

        Raises:
            OSError: if there is no such folder.
        """
        usage = shutil.disk_usage(folder)
        free, usable = usage.free, usage.used + usage.free  # without what is root's alone
        return (usage.used / usable if usable else 1.0), free

    def _cpu_so_far(self) -> tuple[float, float]:
        """Seconds of processors taken until now, and how many of them there may be each second."""
        limit = cgroup.cpu_limit(self._groups)
        count = float(self._psutil.cpu_count() or 1)
        if limit is not None and limit[1] < count:
            used = cgroup.cpu_seconds(limit[0])
            if used is not None:
                return used, limit[1]
        times = self._psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # what guests take is in user and nice already
        counted = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return counted - idle, count
