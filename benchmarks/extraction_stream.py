"""Extraction from a stream of any length: memory must not grow with it.

``python benchmarks/extraction_stream.py [MEGABYTES]`` (1,024 by default) feeds a stream that is
made up as it goes, in pieces of a few characters to some thousand, and writes
``benchmarks/extraction_stream.md``: the process's memory after each tenth of it.
"""

from __future__ import annotations

import itertools
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from crossmodel import InsightExtractor

TARGET = Path(__file__).with_suffix(".md")
_SHARDS = (
    "Because the cache of shard {n} is small, readers must ask shard {m} first. They seldom do. "
    "What they find there is read once, and thrown away when the next reader comes along.\n\n"
)
_NODES = (
    "It is a long day for node {n}, and a longer one for those who look after it at night. Nobody "
    "has seen it restart by itself, and nobody wants to be the first who does.\n\n"
)
BLOCKS = (
    "## Chapter {n}\n\n",
    "Release tags of team {n} must start with rel-{n}- and end with the year.\n\n",
    _SHARDS,
    "```python\ndef job_{n}(x):\n    return x + {m}\n```\n\n",
    "$$\nE_{n} = m_{n} c^2\n$$\n\n",
    "- The first of {n} steps is short.\n- The next takes {m} ms.\n- The last one waits.\n\n",
    _NODES,
)


def stream(characters: int) -> Iterator[str]:
    """Pieces of an endless document, so many characters in all."""
    rng = random.Random(3)  # noqa: S311 - made-up data
    made = 0
    for n in itertools.count():
        text = rng.choice(BLOCKS).format(n=n, m=n + 7)
        while text:
            size = rng.choice((3, 40, 4000))
            yield text[:size]
            made += len(text[:size])
            text = text[size:]
        if made >= characters:
            return


def memory() -> float:
    """MiB that the process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def main(megabytes: int) -> None:
    """Measure and write the table."""
    total = megabytes * 2**20
    extractor = InsightExtractor()
    rows, insights, read = [], 0, 0
    started = time.process_time()
    for found in extractor.extract_stream(stream(total), "made-up"):
        insights += len(found.result.insights)
        read = found.offset + len(found.text)
        if read >= total * (len(rows) + 1) / 10:
            rows.append(f"| {read / 2**20:,.0f} | {memory():.0f} | {insights:,} |")
            sys.stderr.write(f"{rows[-1]}\n")
    seconds = time.process_time() - started
    TARGET.write_text(
        "# Extraction from a stream\n\nWritten by `benchmarks/extraction_stream.py`: "
        f"{read / 2**20:,.0f} million characters in {seconds:,.0f} s of processor time "
        f"({read / seconds / 1e6:.2f} MB/s), validation included.\n\n"
        "| read, MiB | memory, MiB | insights |\n|---:|---:|---:|\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )
    sys.stdout.write(TARGET.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)
