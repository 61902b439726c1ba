"""Bulk extraction on Ray against processes of the command itself, by the size of the input.

``python benchmarks/bulk.py [MEGABYTES ...]`` (1, 4 and 16 by default) makes up a log of answers of
each size and writes ``benchmarks/bulk.md``: seconds and MB/s with one process, two, and Ray with
one and two processors, start of Ray apart. Every way writes the same bytes, or it fails.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from crossmodel.cli.extract_spread import write
from crossmodel.deployment.ray.spreading import spreading
from crossmodel.settings import load_settings

TARGET = Path(__file__).with_suffix(".md")
BLOCKS = (
    "## Chapter {n}\n\nIt is a long day for node {n}, and nobody has seen it restart.\n\n",
    "Release tags of team {n} must start with rel-{n}- and end with the year.\n\n",
    "Because the cache of shard {n} is small, readers must ask shard {m} first.\n\n",
    "```python\ndef job_{n}(x):\n    return x + {m}\n```\n\n",
    "- The first of {n} steps is short.\n- The next takes {m} ms.\n- The last one waits.\n\n",
)
PROCESSORS = (1, 2)


def log(path: Path, megabytes: int) -> None:
    """A log of answers of so many MB, made up."""
    rng = random.Random(9)  # noqa: S311 - made-up data
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < megabytes * 1e6:
            n = rng.randrange(10**6)
            output = "".join(rng.choices(BLOCKS, k=8)).format(n=n, m=n + 7)
            file.write(json.dumps({"source_model": "big", "output": output}) + "\n")


def by_processes(source: Path, out: Path, workers: int) -> float:
    """Seconds of the command with so many processes, its start included."""
    began = time.perf_counter()
    command = ["extract", "--jsonl", source, "--out", out, "--workers", str(workers)]
    subprocess.run([sys.executable, "-m", "crossmodel", *command], check=True)  # noqa: S603
    return time.perf_counter() - began


def by_ray(sources: list[Path], folder: Path, processors: int) -> tuple[float, Iterator[float]]:
    """Seconds that Ray takes to start, and then those of each source."""
    began = time.perf_counter()
    settings = load_settings(None)
    with spreading("local", num_cpus=processors) as spread:
        list(spread(str, range(processors)))  # its processes have loaded what Ray Data takes
        started = time.perf_counter() - began
        seconds = []
        for source in sources:
            began = time.perf_counter()
            write(str(source), folder / f"{source.name}.ray{processors}", "big", settings, spread)
            seconds.append(time.perf_counter() - began)
    return started, iter(seconds)


def main(sizes: list[int]) -> None:
    """Measure and write the table."""
    with tempfile.TemporaryDirectory(prefix="crossmodel-bulk-") as name:
        folder = Path(name)
        sources = [folder / f"{size}.jsonl" for size in sizes]
        for source, size in zip(sources, sizes, strict=True):
            log(source, size)
        columns: list[Iterator[float]] = []
        for workers in PROCESSORS:
            outs = [folder / f"{source.name}.processes{workers}" for source in sources]
            columns.append(
                iter([by_processes(s, out, workers) for s, out in zip(sources, outs, strict=True)])
            )
        starts = []
        for processors in PROCESSORS:
            started, seconds = by_ray(sources, folder, processors)
            starts.append(started)
            columns.append(seconds)
        for source in sources:
            made = {path.read_bytes() for path in folder.glob(f"{source.name}.*")}
            if len(made) != 1:
                raise SystemExit(f"{source.name}: not all have written the same")
        rows = [
            f"| {size} | " + " | ".join(f"{s:.1f} s, {size / s:.2f} MB/s" for s in seconds) + " |"
            for size, seconds in zip(sizes, zip(*columns, strict=True), strict=True)
        ]
    TARGET.write_text(
        "# Bulk extraction\n\nWritten by `benchmarks/bulk.py`, on a machine with "
        f"{os.cpu_count()} processors that had other work as well (load "
        f"{os.getloadavg()[0]:.1f} at the end). All ways wrote the same bytes. Ray took "
        f"{starts[0]:.1f} s to start with one processor and {starts[1]:.1f} s with two, which is "
        "not in the table; the start of the command is.\n\n"
        "| input, MB | one process | two processes | Ray, one processor | Ray, two |\n"
        "|---:|---:|---:|---:|---:|\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )
    sys.stdout.write(TARGET.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1, 4, 16])
