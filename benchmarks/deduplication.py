"""Near-duplicates over a whole store: how fast a lesson that was told before is known again.

``python benchmarks/deduplication.py [COUNT]`` fills a store in a temporary folder with COUNT
made-up insights (1,000,000 by default), asks it for edited and for flipped copies of some of them,
and writes ``benchmarks/deduplication.md``. The baseline is RapidFuzz's token set ratio at 90, which
is what most memory layers merge by, over the same pairs.
"""

from __future__ import annotations

import asyncio
import random
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa
from rapidfuzz import fuzz

from crossmodel.domain.insight import Evidence, Insight, text_sha256
from crossmodel.evaluation.extraction.edits import edited, flipped
from crossmodel.store import open_store, schema
from crossmodel.store.duplicates import DuplicateIndex
from crossmodel.text.sameness import say_the_same

TARGET = Path(__file__).with_suffix(".md")
BATCH = 2_000
ASKED = 2_000
THINGS = (
    "the cache", "a queue", "the parser", "our index", "the ledger", "a worker", "the router",
    "a batch", "the scheduler", "a session", "the gateway", "a snapshot", "the replica", "a lease",
    "the optimiser", "a migration", "the tokenizer", "a checkpoint", "the monitor", "a shard",
)  # fmt: skip
DEEDS = (
    "keeps", "drops", "rewrites", "sends", "merges", "checks", "copies", "counts", "locks", "ranks",
    "splits", "hides", "signs", "sorts", "reads", "skips", "marks", "holds", "moves", "joins",
)  # fmt: skip
OBJECTS = (
    "old records", "small files", "signed notes", "stale keys", "open orders", "late events",
    "hot rows", "idle clients", "failed calls", "long answers", "spare copies", "raw logs",
    "odd tokens", "empty frames", "wide tables", "slow paths", "new users", "cold starts",
)  # fmt: skip
WHEN = (
    "because the disk is nearly full", "when a client leaves early", "so that restarts stay short",
    "unless the owner asks for them", "before the nightly report runs", "whenever traffic doubles",
    "since readers may still hold them", "to keep the budget in sight", "while a backup is running",
    "after a leader has been chosen", "if two writers disagree", "as the contract demands",
)  # fmt: skip
NAMES = ("Ada", "Berlin", "Kafka", "Oslo", "Redis", "Turin", "Nova", "Quito", "Lima", "Zurich")
UNITS = ("ms", "MB", "km", "hours", "dollars", "kg")


def insight(rng: random.Random, number: int) -> Insight:
    """A made-up finding; of some thousand million, so that few are alike by chance."""
    text = (
        f"{rng.choice(THINGS).capitalize()} in {rng.choice(NAMES)} {rng.choice(DEEDS)} "
        f"{rng.choice(OBJECTS)} {rng.choice(WHEN)}"
    )
    if rng.random() < 0.5:  # noqa: PLR2004 - half of them name a figure
        text += f", which takes {rng.randrange(2, 100_000)} {rng.choice(UNITS)}"
    else:
        text += f", and {rng.choice(THINGS)} {rng.choice(DEEDS)} {rng.choice(OBJECTS)}"
    source = text_sha256(str(number // 4))
    return Insight(f"{text}.", kind="finding", evidence=(Evidence(0, len(text) + 1, source),))


async def fill(store: object, rng: random.Random, count: int) -> tuple[float, int]:
    """Seconds that keeping them took, and how many were new."""
    started, kept = time.perf_counter(), 0
    for first in range(0, count, BATCH):
        batch = [insight(rng, number) for number in range(first, min(first + BATCH, count))]
        kept += len(await store.transact(lambda tx, each=batch: tx.add_insights("t", each)))
        if first % 50_000 == 0:
            sys.stderr.write(f"\r{first:,} of {count:,}")
    return time.perf_counter() - started, kept


def ask(path: Path, rng: random.Random) -> list[str]:
    """Rows of recall, false merges and look-up time."""
    engine = sa.create_engine(f"sqlite:///{path}")
    rows = []
    with engine.connect() as connection:
        index = DuplicateIndex(connection)
        table = schema.insights
        total = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        some = sa.select(table.c.content).where(table.c.seq % max(1, total // ASKED) == 0)
        known = list(connection.scalars(some.limit(ASKED)))
        seconds: list[float] = []

        def found(text: str) -> bool:
            started = time.perf_counter()
            hit = bool(index.known("t", [Insight(text, kind="finding")]))
            seconds.append(time.perf_counter() - started)
            return hit

        changes = [(f"{each} edits", each, edited) for each in ("light", "medium", "heavy")]
        changes += [
            (f"{each} flipped", each, flipped)
            for each in ("number", "unit", "negation", "operator", "name")
        ]
        for name, how, change in changes:
            pairs = [(text, other) for text in known if (other := change(text, how, rng))]
            if not pairs:
                continue
            ours = sum(found(other) for _, other in pairs)
            rule = sum(say_the_same("finding", a, b, 0.9) for a, b in pairs)
            theirs = sum(fuzz.token_set_ratio(a.lower(), b.lower()) >= 90 for a, b in pairs)  # noqa: PLR2004 - the usual threshold
            shares = " | ".join(f"{each / len(pairs):.3f}" for each in (ours, rule, theirs))
            rows.append(f"| {name} | {len(pairs)} | {shares} |")
        low, high = statistics.median(seconds), sorted(seconds)[int(len(seconds) * 0.99)]
        rows.append("")
        rows.append(f"One look-up: {1000 * low:.2f} ms in the median, {1000 * high:.2f} ms p99.")
    engine.dispose()
    return rows


async def main(count: int) -> None:
    """Measure and write the table."""
    rng = random.Random(1)  # noqa: S311 - made-up data
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        store = await open_store(f"sqlite:///{path}")
        seconds, kept = await fill(store, rng, count)
        await store.close()
        rows = ask(path, rng)
        size = path.stat().st_size / 2**20
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    text = (
        "# Near-duplicates over a whole store\n\n"
        "Written by `benchmarks/deduplication.py`. Shares that are found to be the same: by the "
        "store among all insights, by our rule pair by pair, and by RapidFuzz's token set ratio at "
        "90 (the baseline) pair by pair. Edits should be found, flips should not.\n\n"
        f"{count:,} insights told, {kept:,} kept, in {seconds:,.0f} s ({count / seconds:,.0f} a "
        f"second, full-text index included); {size:,.0f} MiB on disk, {memory:,.0f} MiB of memory "
        "at most.\n\n"
        "| | pairs | store | rule | token set ≥ 90 |\n|---|---|---|---|---|\n"
    )
    TARGET.write_text(text + "\n".join(rows) + "\n", encoding="utf-8")
    sys.stdout.write(TARGET.read_text(encoding="utf-8"))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
