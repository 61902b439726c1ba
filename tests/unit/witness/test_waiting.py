"""Waiting until what others have handed over is written: real spools, stores and writers."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from crossmodel.store import open_store
from crossmodel.witness.handing_over.frames import HEADER_BYTES, frame
from crossmodel.witness.handing_over.spool import DONE, Spool
from crossmodel.witness.handing_over.waiting import written_by
from crossmodel.witness.handing_over.writer import Writer

PRODUCER = """
import sys, time
from pathlib import Path
from crossmodel.witness.handing_over.spool import Spool

spool = Spool(Path(sys.argv[1]), segment_bytes=2000)
for number in range(100):
    spool.append(b"%d" % number * 20)
    spool.flush()
print(spool.producer, flush=True)
time.sleep(60)
"""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "s.db.spool"


@contextlib.asynccontextmanager
async def writing(root, *, pause=0.0):
    """A writer at work, and what it has written."""
    written = []

    def apply(_tx, bodies):
        time.sleep(pause)
        written.extend(bodies)

    async def sign(*, now, patient=True):
        return True

    store = await open_store(f"sqlite:///{root.parent}/s.db")
    task = asyncio.create_task(Writer(root, store, apply, sign, most=7).run())
    try:
        yield written
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await store.close()


def killed(root, *, torn=b""):
    """A producer that handed over 100 records and was killed, perhaps within another."""
    with subprocess.Popen(
        [sys.executable, "-c", PRODUCER, str(root)], stdout=subprocess.PIPE, text=True
    ) as process:
        producer = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    segment = max((root / producer).glob("*.spool"))
    with segment.open("ab") as file:
        file.write(torn)
    return producer


async def test_where_nobody_is_nobody_is_waited_for(root):
    started = time.monotonic()
    assert await written_by(root, seconds=60) == []
    root.mkdir()
    (root / "refused").mkdir()
    (root / "writer.lock").touch()
    assert await written_by(root, seconds=60) == []
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("torn", [b"", frame(b"half a record")[: HEADER_BYTES + 3]])
async def test_what_a_killed_producer_has_left_is_waited_for(root, torn):
    producer = killed(root, torn=torn)
    assert await written_by(root, seconds=0.05) == [producer]  # nobody writes
    async with writing(root, pause=0.01) as written:
        assert await written_by(root, seconds=30) == []
        assert written == [b"%d" % number * 20 for number in range(100)]


async def test_of_a_living_producer_what_there_is_by_now_is_waited_for(root):
    spool = Spool(root)
    assert await written_by(root, seconds=60) == []
    spool.append(b"not written to the files: it may be lost with its process")
    assert await written_by(root, seconds=60) == []
    end = spool.flush()
    assert await written_by(root, seconds=0.05) == [spool.producer]
    assert await written_by(root, seconds=60, besides={spool.producer}) == []
    async with writing(root):
        waiting = asyncio.create_task(written_by(root, seconds=30))
        while not waiting.done():  # it hands over more all the time, which is not waited for
            spool.append(b"more")
            spool.flush()
            await asyncio.sleep(0.001)
        assert await waiting == []
        assert spool.progress().position >= end
    spool.close()


async def test_who_is_waited_for_is_named_when_the_time_is_up(root):
    spools = [Spool(root) for _ in range(3)]
    for spool in spools[:2]:
        spool.append(b"a")
        spool.flush()
    expected = sorted(spool.producer for spool in spools[:2])
    assert await written_by(root, seconds=0.05) == expected
    for spool in spools:
        spool.close()


async def test_a_folder_whose_progress_cannot_be_read_is_not_taken_for_written(root):
    spool = Spool(root)
    spool.append(b"a")
    spool.flush()
    os.truncate(spool.folder / DONE, 5)
    assert await written_by(root, seconds=0.05) == [spool.producer]
    (spool.folder / DONE).unlink()
    assert await written_by(root, seconds=0.05) == [spool.producer]
    spool.close()
    async with writing(root):
        assert await written_by(root, seconds=30) == []
