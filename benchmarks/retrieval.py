"""Search of insights by words and meaning: how fast and how true as the store grows.

``python benchmarks/retrieval.py [COUNT ...]`` fills a store in a temporary folder with each COUNT
of made-up insights (10,000, 100,000 and 1,000,000 by default), asks it a thousand questions, and
writes ``benchmarks/retrieval.md``. The rows are written through the schema in bulk, since
``add_insights`` looks for duplicates of each, which takes 20 minutes at a million (see
``benchmarks/deduplication.md``). Baselines in the same run: FTS5's own ranking of all rows that
hold any word of the question, and NumPy's product of the question with all vectors.
"""

from __future__ import annotations

# ruff: noqa: SLF001 - it measures the parts of the store one by one
import asyncio
import itertools
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from retrieval_data import Corpus, Made

from crossmodel.domain.insight import Evidence, Insight, text_sha256
from crossmodel.store import open_store, schema
from crossmodel.store.embeddings import UNRELATED
from crossmodel.store.search import DEPTH
from crossmodel.store.transaction import _insight_row
from crossmodel.store.wanted import Wanted
from crossmodel.store.words import tenant_code, words_of
from crossmodel.text.embedding import Matrix, best_name, open_embedder
from crossmodel.text.ranking import fused

TARGET = Path(__file__).with_suffix(".md")
BATCH = 5_000
QUESTIONS = 1_000
SLOW_QUESTIONS = 60
FEW = 1_000
TOP = 10
TENANT, SMALL_TENANT = "large", "small"
BM25 = sa.text(
    "SELECT insights_fts.rowid FROM insights_fts JOIN insights "
    "ON insights.seq = insights_fts.rowid WHERE insights_fts MATCH :query "
    "AND insights.tenant = :tenant "
    "ORDER BY bm25(insights_fts, 1.0, 0.5), insights_fts.rowid LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one size: rows of the table, in order."""

    rows: dict[str, str]


def milliseconds(seconds: Sequence[float]) -> str:
    """Median and 99th percentile."""
    low, high = np.quantile(seconds, (0.5, 0.99)) * 1000
    return f"{low:,.2f} / {high:,.2f}"


def timed(call: Callable[[str], Any], questions: Iterable[str]) -> tuple[list[float], list[Any]]:
    """Seconds and results of a call for each question."""
    seconds, results = [], []
    for question in questions:
        started = time.perf_counter()
        results.append(call(question))
        seconds.append(time.perf_counter() - started)
    return seconds, results


def recall(found: Sequence[Iterable[int]], true: Sequence[Iterable[int]]) -> str:
    """The share of the ten best that are found."""
    shares = [
        len(set(itertools.islice(each, TOP)) & set(itertools.islice(best, TOP)))
        / len(set(itertools.islice(best, TOP)))
        for each, best in zip(found, true, strict=True)
        if best
    ]
    return f"{np.mean(shares):.3f}"


def write(tx: Any, tenant: str, numbered: Sequence[tuple[int, Made]]) -> None:
    """Rows of insights with evidence, words and vectors, as ``add_insights`` writes them."""
    evidence = Evidence(0, 9, text_sha256("made up"))
    insights = [
        (seq, Insight(f"{made.content} {seq}", scope=made.scope, evidence=(evidence,)))
        for seq, made in numbered
    ]
    tx._insert(schema.insights, (_insight_row(seq, tenant, each) for seq, each in insights))
    rows = [{"insight_seq": seq, "position": 0, **asdict(evidence)} for seq, _ in insights]
    tx._insert(schema.insight_evidence, rows)
    tx._search.add(tx._connection, tenant, insights)


async def fill(store: Any, corpus: Corpus, count: int) -> list[Made]:
    """Write the insights of both tenants; returns some that questions will be about."""
    about = []
    numbered = enumerate(corpus.insights(count + FEW), 1)
    while batch := list(itertools.islice(numbered, BATCH)):
        about += [made for seq, made in batch if seq % max(1, count // QUESTIONS) == 0]
        for tenant, part in (
            (TENANT, [each for each in batch if each[0] <= count]),
            (SMALL_TENANT, [each for each in batch if each[0] > count]),
        ):
            if part:
                await store.transact(lambda tx, t=tenant, rows=part: write(tx, t, rows))
    return about[:QUESTIONS]


def baselines(path: Path, questions: Sequence[str]) -> tuple[dict[str, str], list[Any], list[Any]]:
    """Rows of the baselines; the best by meaning of all questions, and by words of some."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        code = tenant_code(TENANT)

        def by_words(question: str) -> list[int]:
            match = " OR ".join(f'"{code}{word}"' for word in words_of(question))
            values = {"query": match, "tenant": TENANT, "limit": DEPTH}
            return list(connection.scalars(BM25, values))

        word_seconds, words = timed(by_words, questions[:SLOW_QUESTIONS])
        seqs, matrix = vectors(connection)
    engine.dispose()
    embedder = open_embedder(best_name())

    def by_meaning(question: str) -> list[int]:
        cosines = matrix @ embedder.embed(question)
        best = np.argpartition(cosines, -DEPTH)[-DEPTH:]
        best = best[np.lexsort((seqs[best], -cosines[best]))]
        return [int(seqs[place]) for place in best if cosines[place] >= UNRELATED]

    meaning_seconds, meanings = timed(by_meaning, questions)
    rows = {
        "FTS5 ranking every match: p50 / p99 ms": milliseconds(word_seconds),
        "NumPy over all vectors: p50 / p99 ms": milliseconds(meaning_seconds),
    }
    return rows, meanings, words


def vectors(connection: sa.Connection) -> tuple[Any, Matrix]:
    """All vectors of the large tenant."""
    table = schema.insight_vectors
    query = sa.select(table.c.insight_seq, table.c.vector).where(table.c.tenant == TENANT)
    seqs, parts = [], []
    for rows in connection.execute(query).partitions(BATCH):
        seqs += [row.insight_seq for row in rows]
        halves = np.frombuffer(b"".join(row.vector for row in rows), dtype=np.float16)
        parts.append(halves.reshape(len(rows), -1).astype(np.float32))
    return np.array(seqs), np.concatenate(parts)


async def ask(store: Any, tenant: str, questions: Sequence[str], **how: Any) -> tuple[str, str]:
    """Times of whole searches, each in a snapshot of its own, one after the other.

    The first is the time on the clock, from the event loop and back; the second is what the reading
    thread computes, which says what a search costs where others keep the machine busy.
    """
    waited, computed = [], []

    def search(tx: Any, question: str) -> None:
        started = time.thread_time()
        tx.search_insights(tenant, question, **how)
        computed.append(time.thread_time() - started)

    for question in [*questions[:100], *questions]:
        started = time.perf_counter()
        await store.read(lambda tx, q=question: search(tx, q))
        waited.append(time.perf_counter() - started)
    return milliseconds(waited[100:]), milliseconds(computed[100:])


async def measure(count: int, folder: Path) -> Measured:
    """All figures of one size."""
    path, url = folder / "store.db", f"sqlite:///{folder / 'store.db'}"
    rows: dict[str, str] = {}
    corpus = Corpus()
    store: Any = await open_store(url, embedder=best_name())
    started = time.perf_counter()
    about = await fill(store, corpus, count)
    rows["rows, words and vectors written, s"] = f"{time.perf_counter() - started:,.1f}"
    questions = [corpus.question(each) for each in about]
    started = time.perf_counter()
    await store.read(lambda tx: tx.search_insights(TENANT, questions[0]))
    rows["first search of all, s"] = f"{time.perf_counter() - started:,.2f}"
    await asyncio.to_thread(store._vectors.settle, TENANT)
    rows["until the graph is built, s"] = f"{time.perf_counter() - started:,.1f}"
    await store.close()
    store = await open_store(url, embedder=best_name())
    started = time.perf_counter()
    await store.read(lambda tx: tx.search_insights(TENANT, questions[0]))
    rows["first search after a start, s"] = f"{time.perf_counter() - started:,.2f}"
    choosy = {"least_trust": 0.4, "standings": ["active"], "diversity": 0.3}
    for name, tenant, how in (
        ("**search**", TENANT, {}),
        ("search, by trust, diverse", TENANT, choosy),
        ("search of a tenant of 1,000", SMALL_TENANT, {}),
    ):
        waited, computed = await ask(store, tenant, questions, **how)
        rows[f"{name}: p50 / p99 ms"] = waited
        rows[f"{name}: of which on the processor"] = computed
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    slow, meanings, words = baselines(path, questions)
    rows |= slow
    rows |= await truth(store, questions, meanings, words)
    await store.close()
    rows["database / graph, MiB"] = sizes(path)
    rows["memory at most, baselines left out, MiB"] = f"{memory:,.0f}"
    return Measured(rows)


def sizes(path: Path) -> str:
    """MiB of the database and of what is kept beside it."""
    graphs = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}.vectors/*"))
    return f"{path.stat().st_size / 2**20:,.0f} / {graphs / 2**20:,.0f}"


async def truth(
    store: Any, questions: Sequence[str], meanings: Sequence[Any], words: Sequence[Any]
) -> dict[str, str]:
    """How much of what exact search finds is found."""
    wanted = Wanted(TENANT)

    def near(tx: Any) -> list[Any]:
        find = store._vectors.find
        return [list(find(tx._connection, q, TOP, wanted)) for q in questions]

    def worded(tx: Any) -> list[Any]:
        find = store._search._words.find
        some = questions[: len(words)]
        return [list(find(tx._connection, q, TOP, wanted)) for q in some]

    def both(tx: Any) -> list[Any]:
        find = store._search.find
        some = questions[: len(words)]
        return [list(find(tx._connection, q, limit=TOP, wanted=wanted)) for q in some]

    exact = [list(fused([by, near])) for by, near in zip(words, meanings, strict=False)]
    return {
        "recall@10 of vectors against all vectors": recall(await store.read(near), meanings),
        "recall@10 of words against FTS5 over all": recall(await store.read(worded), words),
        "**recall@10 of both against both exact**": recall(await store.read(both), exact),
    }


async def main(counts: Sequence[int]) -> None:
    """Measure and write the table."""
    measured = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            measured[count] = await measure(count, Path(folder))
        sys.stderr.write(f"{count:,} insights: {measured[count].rows}\n")
    names = list(next(iter(measured.values())).rows)
    lines = [
        "| insights | " + " | ".join(f"{count:,}" for count in counts) + " |",
        "|---|" + "---|" * len(counts),
        *(
            f"| {name} | " + " | ".join(each.rows[name] for each in measured.values()) + " |"
            for name in names
        ),
    ]
    text = (
        "# Search of insights by words and meaning\n\n"
        "Written by `benchmarks/retrieval.py`. Made-up insights with the words of a real text, as "
        f"common as there, on near topics of 40 each; {QUESTIONS:,} questions that quote parts of "
        "them and speak of their topic. A search is all of `search_insights` through the store, "
        f"one after the other, ten results; embeddings are `{best_name()}`; {os.cpu_count()} "
        f"shared cores, whose load was {os.getloadavg()[2]:.1f} in the last 15 minutes. "
        f"Baselines in the same run: FTS5's own ranking of every match ({SLOW_QUESTIONS} "
        "questions) and NumPy over all vectors.\n\n"
    )
    TARGET.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(TARGET.read_text(encoding="utf-8"))


if __name__ == "__main__":
    asyncio.run(main([int(each) for each in sys.argv[1:]] or [10_000, 100_000, 1_000_000]))
