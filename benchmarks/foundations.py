"""How fast the foundations are: import, text, extraction, store, witness; each by a baseline.

``make bench`` runs it and writes the table ``benchmarks/foundations.md``. Every figure is the
median of rounds in which ours and the baseline took turns, so the ratio means something on a noisy
machine too; the absolute figures are that machine's.
"""

from __future__ import annotations

import asyncio
import hashlib
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

from crossmodel import CrossModelVIF, Insight, InsightExtractor, Outcome
from crossmodel.domain.insight import Evidence, text_sha256
from crossmodel.domain.period import utc_now
from crossmodel.extraction.logs import LoggedAnswer, read_path
from crossmodel.store import open_store
from crossmodel.text.segments import parse
from crossmodel.witness import KeyPair
from crossmodel.witness.statement import outcome_statement

ROOT = Path(__file__).parents[1]
ROUNDS = 7
RECORDS = 5_000
COMMITS = 100
BARE = "bare sqlite3, two columns, as durable"
HASH = "one SHA-256 of each"


class Row(NamedTuple):
    """One line of the table. Both figures are in ``unit``."""

    what: str
    ours: float
    unit: str
    baseline: str
    theirs: float


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_turns(ours: Callable[[], object], baseline: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of both, after one round that does not count."""
    ours(), baseline()
    rounds = [(seconds(ours), seconds(baseline)) for _ in range(ROUNDS)]
    return statistics.median(a for a, _ in rounds), statistics.median(b for _, b in rounds)


def importing() -> Iterator[Row]:
    """A whole process that imports us, and one that imports nothing."""

    def run(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own code

    ours, theirs = in_turns(lambda: run("import crossmodel"), lambda: run("pass"))
    yield Row("process with `import crossmodel`", ours * 1e3, "ms", "empty process", theirs * 1e3)


def reading(answers: list[str]) -> Iterator[Row]:
    """Segments and insights out of our examples, beside a block parser of Markdown."""
    markdown = MarkdownIt("commonmark").enable("table").disable("inline")
    extractor = InsightExtractor()
    megabytes = sum(len(answer.encode()) for answer in answers) / 1e6

    def all_of(work: Callable[[str], object]) -> Callable[[], object]:
        return lambda: [work(answer) for answer in answers]

    for what, ours in (
        ("segments of answers", parse),
        ("insights of answers", lambda text: extractor.extract(text, "strong")),
    ):
        mine, theirs = in_turns(all_of(ours), all_of(markdown.parse))
        yield Row(what, megabytes / mine, "MB/s", "markdown-it-py, blocks", megabytes / theirs)


async def storing(folder: Path) -> list[Row]:
    """Many insights in one transaction, and one durable transaction after the other."""
    store = await open_store(f"sqlite:///{folder / 'ours.db'}")
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    bare.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (id, content)"
    )
    bulk, single = [], []
    for number in range(ROUNDS):
        insights = [_insight(f"{number}.{n}") for n in range(RECORDS)]
        outcomes = [Outcome(insight.id, "m", success=True) for insight in insights[:COMMITS]]

        started = time.perf_counter()
        await store.transact(lambda tx, new=insights: tx.add_insights("t", new))
        ours = time.perf_counter() - started
        bulk.append((ours, seconds(partial(_insert, bare, insights))))

        started = time.perf_counter()
        for outcome in outcomes:
            await store.transact(lambda tx, kept=outcome: tx.add_outcome("t", kept))
        ours = time.perf_counter() - started
        singly = [partial(_insert, bare, [insight]) for insight in insights[:COMMITS]]
        single.append((ours, seconds(lambda all_of=singly: [insert() for insert in all_of])))
    await store.close()
    bare.close()
    return [
        _rate(f"insights kept, {RECORDS} in one transaction", RECORDS, bulk, BARE),
        _rate("outcomes kept, each in a durable transaction", COMMITS, single, BARE),
    ]


def witnessing() -> list[Row]:
    """Appending to the log and verifying it, beside one hash of the same bytes."""
    keys = KeyPair.generate()
    statements = [outcome_statement(Outcome(f"r{n}", "m", success=True)) for n in range(RECORDS)]
    bodies = [each.seal(utc_now()).body for each in statements]

    def log() -> CrossModelVIF:
        vif = CrossModelVIF(keys=keys)
        vif.append(statements)
        return vif

    def hashed() -> list[bytes]:
        return [hashlib.sha256(body).digest() for body in bodies]

    vif = log()
    vif.log.add_checkpoint(vif.sign_checkpoint())
    if not vif.verify_log().is_valid:
        raise SystemExit("the log that was just written does not verify")
    return [
        _rate("records appended, in memory", RECORDS, [in_turns(log, hashed)], HASH),
        _rate("records verified", RECORDS, [in_turns(vif.verify_log, hashed)], HASH),
    ]


def table(rows: list[Row]) -> str:
    """The rows as Markdown, with where they were measured."""
    where = f"Python {platform.python_version()} on {platform.machine()}"
    lines = [
        f"Written by `benchmarks/foundations.py`: {where}, medians of {ROUNDS} rounds in turns.",
        "",
        "| what | ours | baseline | its figure | ours / baseline |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        ours, theirs = (f"{figure:,.4g} {row.unit}" for figure in (row.ours, row.theirs))
        ratio = f"{row.ours / row.theirs:.2g}"
        lines.append(f"| {row.what} | {ours} | {row.baseline} | {theirs} | {ratio} |")
    return "\n".join(lines) + "\n"


def _rate(what: str, count: int, pairs: list[tuple[float, float]], baseline: str) -> Row:
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Row(what, count / ours / 1e3, "thousand/s", baseline, count / theirs / 1e3)


def _insight(name: str) -> Insight:
    content = f"Ticket code {name} goes to the desk on floor {len(name)}."
    return Insight(content, evidence=(Evidence(0, len(content), text_sha256(content)),))


def _insert(bare: sqlite3.Connection, insights: list[Insight]) -> None:
    bare.execute("BEGIN IMMEDIATE")
    bare.executemany("INSERT INTO t VALUES (?, ?)", [(i.id, i.content) for i in insights])
    bare.execute("COMMIT")


def measure(folder: Path) -> str:
    """The whole table; ``folder`` holds the databases."""
    found = read_path(ROOT / "examples" / "answers")
    answers = [row.output for row in found if isinstance(row, LoggedAnswer)] * 4
    stored = asyncio.run(storing(folder))
    return table([*importing(), *reading(answers), *stored, *witnessing()])


def main() -> None:
    """Measure everything and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        text = measure(Path(folder))
    (ROOT / "benchmarks" / "foundations.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
