"""Processes that are killed while they erase: nothing is half gone, nothing gone is left behind."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.domain.records import SelectionRecord
from crossmodel.domain.selection import Outcome
from crossmodel.store import open_store, schema
from crossmodel.witness import CrossModelVIF, Ledger, load_or_create_keys
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.statement import subject_digests
from crossmodel.witness.turns import TurnRecord, write_turn

START = datetime(2030, 1, 1, tzinfo=UTC)
DUE = START + timedelta(days=366)
CONFIG = CrossModelVIFConfig(
    witness_generation=WitnessGenerationConfig(cryptographic_algorithm="Ed25519")
)

CHILD = """
import asyncio, os, signal, sys
from datetime import datetime, timedelta
from pathlib import Path
from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.store import open_store
from crossmodel.witness import CrossModelVIF, Ledger, Retention, load_or_create_keys, retention

async def main(folder, task, now):
    store = await open_store(f"sqlite:///{folder}/s.db")
    clock = lambda: datetime.fromisoformat(now)
    config = CrossModelVIFConfig(
        witness_generation=WitnessGenerationConfig(cryptographic_algorithm="Ed25519")
    )
    vif = CrossModelVIF(config, keys=load_or_create_keys(Path(folder) / "keys"), clock=clock)
    ledger = Ledger(vif, store, clock)
    print("begun", flush=True)
    if task == "retention":
        retention.BATCH = 3
        await Retention(ledger, timedelta(days=365)).apply()
    else:
        async def die():
            os.kill(os.getpid(), signal.SIGKILL)
        store.scrub = die
        await ledger.erase_request("t", task, "they asked for it")
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


def start(folder, task, now=START):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), task, now.isoformat()],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def ledger_of(store, folder, clock):
    vif = CrossModelVIF(CONFIG, keys=load_or_create_keys(folder / "keys"), clock=clock)
    return Ledger(vif, store, clock)


async def ask(ledger, names, moment):
    def work(tx):
        for name in names:
            turn = TurnRecord(
                SelectionRecord(name, "t", "m", 0.5, (), {}, moment, 1.0),
                Outcome(name, "m", success=True, recorded_at=moment),
                json.dumps({"messages": [{"role": "user", "content": f"prompt-{name}-"}]}).encode(),
                answer=f"answer-{name}-" * 20,
            )
            write_turn(tx, ledger.vif, turn)

    await ledger.store.transact(work)
    await ledger.seal()


def told(data):
    """Which prompts and answers stand in these bytes."""
    found = re.findall(rb"(prompt|answer)-(\w+)-", data)
    return {(kind.decode(), name.decode()) for kind, name in found}


async def open_and_check(folder):
    """The names whose text is still there, after checking that nothing is half done."""
    store = await open_store(f"sqlite:///{folder}/s.db")
    ledger = ledger_of(store, folder, lambda: DUE)
    await ledger.seal()  # as every opening does: what a kill left unsigned explains nothing yet
    try:
        held = b" ".join(path.read_bytes() for path in folder.glob("s.db*"))

        def work(tx):
            lacking, explained = set(), set()
            for leaf in tx.leaves(0, tx.log_size()):
                document = parse_statement(leaf.statement)
                digests = list(subject_digests(document))
                if set(tx.get_commitments(leaf.index, digests)) != set(digests):
                    lacking.add(leaf.index)
                for first, last in document["predicate"].get("records", ()):
                    explained |= set(range(first, last + 1))
            assert lacking == explained
            return b" ".join(tx._connection.scalars(sa.select(schema.commitments.c.value)))

        in_rows = told(await store.read(work))
        kept = {name for kind, name in in_rows}
        assert in_rows == {(kind, name) for name in kept for kind in ("prompt", "answer")}
        assert told(held) == in_rows
        assert (await store.read(ledger.vif.verify_log)).is_valid
        return kept
    finally:
        await store.close()


async def test_killed_between_the_erasure_and_the_scrub_the_next_opening_scrubs(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    await ask(ledger_of(store, tmp_path, lambda: START), ["r1", "r2"], START)
    await store.close()
    child = start(tmp_path, "r1")
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    held = b" ".join(path.read_bytes() for path in tmp_path.glob("s.db*"))
    assert b"answer-r1-" in held  # it is gone from the rows, and not from the files
    assert await open_and_check(tmp_path) == {"r2"}


@pytest.mark.slow
async def test_retention_that_is_killed_again_and_again_comes_to_its_end(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    now = [START]
    ledger = ledger_of(store, tmp_path, lambda: now[0])
    old = [f"old{n}" for n in range(300)]
    await ask(ledger, old, START)
    now[0] += timedelta(days=300)
    new = [f"new{n}" for n in range(5)]
    await ask(ledger, new, now[0])
    await store.close()
    chance = random.Random(11)
    left = [len(old)]
    patience = 0.15
    kills = 0
    for _ in range(12):
        child = start(tmp_path, "retention", DUE)
        assert child.stdout.readline() == "begun\n"
        time.sleep(chance.uniform(0, patience))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        kills += child.returncode == -signal.SIGKILL
        kept = await open_and_check(tmp_path)
        assert set(new) <= kept
        assert len(kept) - len(new) <= left[-1]
        left.append(len(kept) - len(new))
        if left[-1] == 0:
            break
        if left[-1] == len(old):
            patience *= 2  # the machine is too busy to have come to a batch
    assert kills >= 3
    assert any(0 < each < len(old) for each in left)  # some were killed half-way
    last = start(tmp_path, "retention", DUE)
    last.communicate(timeout=60)
    assert last.returncode == 0
    assert await open_and_check(tmp_path) == set(new)
