"""How soon the dashboard's pages are there, over a store of many insights.

Fills a store (unless ``--store`` names one that is filled), starts ``crossmodel dashboard`` over it
and opens its pages in the system's Chromium: in a new profile, where nothing is cached, and again.
What is measured is the browser's own first contentful paint (W3C Paint Timing), and the time until
the content of the page is there, from the start of the navigation. Writes dashboard.md.

    .venv/bin/python benchmarks/dashboard.py --insights 1000000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.insight import Evidence, Insight, InsightType, Standing
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord, SourceText, TransferRecord
from crossmodel.store import open_store
from crossmodel.text.embedding import best_name

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RUNS = 5
BATCH = 5_000
REQUESTS_PER_INSIGHT = 0.2
SET_ASIDE = 500
"""One insight in so many is quarantined."""

WORDS = (
    *("valve", "pump", "turbine", "relay", "ticket", "floor", "queue", "cache", "index", "shard"),
    *("lease", "token", "broker", "ledger", "invoice", "parcel", "depot", "runway", "gauge"),
    *("bearing", "seal", "flange", "rotor", "stator", "coil", "fuse", "panel", "meter", "sensor"),
)
TYPES = list(InsightType)
SOURCE = SourceText("Rules for everything, and more of them. " * 50, "strong")

WHEN_THERE = """() => new Promise((done) => {
  const look = () => {
    if (document.querySelector("main h1")) done(performance.now());
    else requestAnimationFrame(look);
  };
  look();
})"""
WHEN_PAINTED = """() => new Promise((done) => {
  const watch = new PerformanceObserver((list) => {
    const [paint] = list.getEntriesByName("first-contentful-paint");
    if (paint) done(paint.startTime);
  });
  watch.observe({type: "paint", buffered: true});
})"""


def insights(first: int, last: int, draw: random.Random) -> Iterator[Insight]:
    """Different ones, of all types."""
    for number in range(first, last):
        one, two, three = draw.choices(WORDS, k=3)
        yield Insight(
            content=f"Always check {one} {number} before {two} {draw.randrange(10**6)}, or the "
            f"{three} of line {number % 977} fails.",
            insight_type=TYPES[number % len(TYPES)],
            kind="rule",
            evidence=(Evidence(0, 40, SOURCE.sha256),),
            scope=f"{one} of {three}",
            source_model="strong",
            confidence_score=0.8,
            validation_status="valid",
            standing=Standing.ACTIVE if number % SET_ASIDE else Standing.QUARANTINED,
            standing_reason="" if number % SET_ASIDE else "measured",
        )


async def fill(path: Path, count: int) -> None:
    """A store of so many insights, and requests that were given some of them."""
    store = await open_store(f"sqlite:///{path}", embedder=best_name())
    draw, tenant = random.Random(8), "default"  # noqa: S311 - the same store every time
    await store.transact(lambda tx: tx.add_source(SOURCE))
    for first in range(0, count, BATCH):
        batch = list(insights(first, min(first + BATCH, count), draw))
        await store.transact(lambda tx, batch=batch: tx.add_insights(tenant, batch))
        ids = [each.id for each in batch]
        asked = [time_ordered_id("req_") for _ in range(int(len(batch) * REQUESTS_PER_INSIGHT))]
        now = utc_now()
        chosen = [
            SelectionRecord(each, tenant, "smollm2", 0.9, (), {}, now, 0.1, 1.0) for each in asked
        ]
        handed = [
            TransferRecord(
                each, tenant, "smollm2", "standard", True, tuple(draw.choices(ids, k=3)),
                0.9, 100, "", now,
            )
            for each in asked
        ]  # fmt: skip
        await store.transact(lambda tx, c=chosen: tx.add_selections(c))
        await store.transact(lambda tx, h=handed: tx.add_transfers(h))
        sys.stderr.write(f"\r{first + len(batch):,} of {count:,} insights")
    sys.stderr.write("\n")
    await store.close()


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], str, float]:
    """The dashboard over the folder's store; its address, and how long its start took."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "crossmodel", "dashboard", "--listen", "127.0.0.1:0", "--json"],
        stdout=subprocess.PIPE,
        cwd=folder,
    )
    assert process.stdout is not None
    said = b""
    while not said.endswith(b"}\n"):
        line = process.stdout.readline()
        if not line:
            sys.exit("the dashboard has ended")
        said += line
    return process, json.loads(said)["url"], time.perf_counter() - began


def visit(browser: Browser, url: str) -> dict[str, tuple[float, float]]:
    """First paint and content of a page in milliseconds: in a new profile, and again."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(120_000)
    found = {}
    for name in ("new", "again"):
        page.goto("about:blank")
        page.goto(url, wait_until="commit")
        there = page.evaluate(WHEN_THERE)
        page.wait_for_load_state()
        found[name] = page.evaluate(WHEN_PAINTED), there
    context.close()
    return found


def measure(browser: Browser, base: str, paths: dict[str, str]) -> list[dict[str, Any]]:
    """A row for each page."""
    rows = []
    for name, path in paths.items():
        first = visit(browser, base + path)["new"]  # of the process: what it loads, it keeps
        seen = [visit(browser, base + path) for _ in range(RUNS)]
        row: dict[str, Any] = {"page": name, "the very first": float(first[1])}
        for cache in ("new", "again"):
            row[f"paint, {cache}"] = float(statistics.median(each[cache][0] for each in seen))
            row[f"content, {cache}"] = float(statistics.median(each[cache][1] for each in seen))
        rows.append(row)
        shown = {key: round(v) if isinstance(v, float) else v for key, v in row.items()}
        sys.stdout.write(f"{shown}\n")
    return rows


async def marks(path: Path) -> tuple[str, int]:
    """An insight in the middle of the store, and how many there are."""
    store = await open_store(f"sqlite:///{path}")

    def middle(tx: Any) -> tuple[str, int]:
        count = tx.count_insights("default")
        return tx.list_insights("default", limit=1, offset=count // 2)[0].id, count

    found = await store.read(middle)
    await store.close()
    return found


def write(rows: list[dict[str, Any]], count: int, start: float, browser: str) -> None:
    """The table as Markdown."""
    columns = list(rows[0])
    said = (
        f"Over a store of {count:,} insights and {int(count * REQUESTS_PER_INSIGHT):,} requests. "
        f"Milliseconds from the start of the navigation, medians of {RUNS}: until the browser's "
        "first contentful paint, and until the content is there; in a new profile, where nothing "
        "is cached, and again. *The very first* is the content's time at the first visit after "
        "the dashboard's start, once: a search then loads its index."
    )
    where = (
        f"{browser}, Python {platform.python_version()}, {platform.machine()}, two processors that "
        f"others used too. The dashboard started in {start:.1f} s."
    )
    columns = list(rows[0])
    lines = ["# The dashboard's pages", "", said, "", where, "", f"| {' | '.join(columns)} |"]
    lines.append(f"| --- |{' ---: |' * (len(columns) - 1)}")
    lines += [
        "| " + " | ".join(f"{v:,.0f}" if isinstance(v, float) else v for v in row.values()) + " |"
        for row in rows
    ]
    lines += ["", f"By `python benchmarks/dashboard.py --insights {count}`.", ""]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines), "utf-8")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--insights", type=int, default=100_000)
    parser.add_argument("--store", type=Path, help="A folder that was filled before; else made.")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - filling does without

    folder = given.store or Path(tempfile.mkdtemp(prefix="dashboard-"))
    state = folder / "crossmodel.db"
    if not state.exists():
        folder.mkdir(exist_ok=True)
        asyncio.run(fill(state, given.insights))
    insight_id, count = asyncio.run(marks(state))
    process, url, start = serve(folder)
    paths = {
        "overview": "/",
        "insights": "/insights",
        "insights, a page in the middle": f"/insights?before={count // 2}",
        "insights, of one type": "/insights?type=coding",
        "insights, quarantined": "/insights?standing=quarantined",
        "insights, a search": "/insights?q=check+the+turbine+valve",
        "one insight": f"/insights/{insight_id}",
        "selection": "/selection",
        "selection, of one model": "/selection?model=nobody",
        "transfer": "/transfer",
        "models": "/models",
    }
    found = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
            rows = measure(browser, url, paths)
            write(rows, count, start, f"Chromium {browser.version}")
            browser.close()
    finally:
        process.terminate()
        process.wait()
    if given.store is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
