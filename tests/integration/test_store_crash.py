"""Processes that are killed, and processes that write at once."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from crossmodel.store import open_store

CHILD = """
import asyncio, sys, uuid
from crossmodel.domain.insight import Insight
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord
from crossmodel.domain.witness import LogLeaf
from crossmodel.store import open_store

async def main(url, turns):
    store = await open_store(url)
    for _ in range(turns):
        name = uuid.uuid4().hex
        def work(tx):
            tx.add_selection(SelectionRecord(name, "t", "m", 0.5, (), {}, utc_now(), 1.0))
            size = tx.log_size()
            tx.append_leaves([LogLeaf(size + i, "t", name.encode(), bytes(32)) for i in (0, 1)])
            tx.add_insights("t", [Insight("insight of " + name)])
        await store.transact(work)
        print(name, flush=True)
    await store.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def start(url, turns):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, url, str(turns)], stdout=subprocess.PIPE, text=True
    )


async def whole_turns(url):
    """The names of the turns in the store, after checking that none of them is torn."""
    store = await open_store(url)

    def check(tx):
        leaves = list(tx.leaves(0, tx.log_size()))
        assert [leaf.index for leaf in leaves] == list(range(len(leaves)))
        names = [leaf.statement.decode() for leaf in leaves[::2]]
        assert names == [leaf.statement.decode() for leaf in leaves[1::2]]
        assert all(tx.get_selection("t", name) for name in names)
        assert tx.count_insights("t") == len(names)
        return names

    try:
        return await store.read(check)
    finally:
        await store.close()


@pytest.mark.slow
async def test_killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_is_torn(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    await (await open_store(url)).close()
    acknowledged = []
    chance = random.Random(7)
    for _ in range(15):
        child = start(url, 10_000)
        assert child.stdout is not None
        acknowledged.append(child.stdout.readline().strip())  # it is writing now
        time.sleep(chance.uniform(0, 0.15))
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += child.stdout.read().split()
        child.wait()
        child.stdout.close()
        kept = await whole_turns(url)
        assert set(acknowledged) <= set(kept)
        assert len(kept) <= len(acknowledged) + 15  # at most one unacknowledged turn per kill
    assert len(acknowledged) > 100


@pytest.mark.slow
async def test_processes_that_write_at_once_share_one_log(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    children = [start(url, 100) for _ in range(3)]  # they also race to make the schema
    printed = [child.communicate(timeout=120)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    names = [name for lines in printed for name in lines]
    assert sorted(await whole_turns(url)) == sorted(names)
    assert len(names) == 300
