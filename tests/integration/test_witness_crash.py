"""Records that are handed over while the writer, or who hands over, or both are killed."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from crossmodel.domain.period import TimePeriod
from crossmodel.settings import WitnessSettings
from crossmodel.store import open_store
from crossmodel.witness import CrossModelVIF, load_or_create_keys, merkle
from crossmodel.witness.checkpoint import Checkpoint
from crossmodel.witness.handing_over.spool import WAKE, is_producer
from crossmodel.witness.handing_over.writer import LOCK, REFUSED, sole_writer
from crossmodel.witness.log import consistency_proof, root_at
from crossmodel.witness.note import Note
from crossmodel.writing import WriterSettings

ORIGIN = "example.org/log"

# A writer that notes every head that it has signed before it does anything else with it.
WRITER = """
import os, sys
from crossmodel import writing
from crossmodel.witness import CrossModelVIF

sign = CrossModelVIF.sign_checkpoint

def sign_and_note(self, tx=None):
    signed = sign(self, tx)
    notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(notes, b"\\0" + signed.note.encode() + b"whole\\0")
    os.close(notes)
    return signed

CrossModelVIF.sign_checkpoint = sign_and_note
raise SystemExit(writing.main())
"""

PRODUCER = """
import asyncio, os, random, subprocess, sys
from pathlib import Path
import msgspec
from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord
from crossmodel.domain.selection import Outcome
from crossmodel.errors import WitnessError
from crossmodel.witness.handing_over.handover import Handover
from crossmodel.witness.handing_over.spool import Spool
from crossmodel.witness.turns import TurnRecord, encode_turn
from crossmodel.writing import WriterSettings

folder = Path(sys.argv[1])
told = (folder / "settings.json").read_bytes()
settings = msgspec.json.decode(told, type=WriterSettings)

def turn():
    name = time_ordered_id("req_")
    selected = SelectionRecord(name, "t", "m", 0.5, ("n",), {}, utc_now(), 1.0)
    outcome = Outcome(name, "m", success=True)
    answer = "a" * random.choice([10, 1000, 20_000])
    return name, encode_turn(TurnRecord(selected, outcome, request=b"q " + name.encode(), answer=answer))

def start():
    child = subprocess.Popen(
        [sys.executable, folder / "writer.py", folder / "notes"],
        stdin=subprocess.PIPE, stderr=open(folder / "writer.err", "ab"),
    )
    child.stdin.write(told)
    child.stdin.close()
    return child.pid

async def main():
    spool = Spool(settings.spool, segment_bytes=100_000, buffer_bytes=10_000)
    handover = Handover(spool, start)
    acknowledged = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while not (folder / "stop").exists():
        names = []
        for _ in range(random.randrange(1, 30)):
            name, body = turn()
            handover.append(body)
            names.append(name)
        while True:
            try:
                await handover.settle()
                break
            except WitnessError:  # the writer was killed again and again; nothing is lost
                await asyncio.sleep(0.05)
        os.write(acknowledged, ("\\n" + "".join(f"{name}\\n" for name in names)).encode())
    await handover.close()

asyncio.run(main())
"""


def start_producer(folder):
    with (folder / "producer.err").open("ab") as errors:
        return subprocess.Popen([sys.executable, folder / "producer.py", folder], stderr=errors)


def wait_until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happens any more"
        time.sleep(0.005)


def is_free(root):
    with sole_writer(root) as is_mine:
        return is_mine


def is_finished(root, folder):
    """Whether nothing is left and nobody is at it, once another writer has looked.

    One that is only starting has no lock yet, and one that is ending may not see who came last.
    """
    with (folder / "settings.json").open("rb") as told:
        command = [sys.executable, folder / "writer.py", folder / "notes"]
        subprocess.run(command, stdin=told, check=True)
    return not any(is_producer(path.name) for path in root.iterdir()) and is_free(root)


def kill_writer(root):
    """Kill the writer, if it is there: the number in the file may be that of an earlier one."""
    try:
        number = int((root / LOCK).read_text())
        writer = str(root.parent / "writer.py").encode()
        if writer not in Path(f"/proc/{number}/cmdline").read_bytes():
            return False
        os.kill(number, signal.SIGKILL)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return False  # it is starting, or being started
    return True


def kill_a_hundred_times(root, folder, producers):
    """How often the writer and a producer were killed, at any moment and under load."""
    chance = random.Random(11)
    acknowledged = folder / "acknowledged"
    wait_until(lambda: acknowledged.stat().st_size > 0)
    kills = Counter()
    while kills.total() < 100:
        time.sleep(chance.uniform(0.0, 0.2))
        what = chance.choice(["writer", "producer", "producer", "both"])
        if what != "producer":
            if not kill_writer(root):
                continue
            kills["writer"] += 1
        if what != "writer":
            victim = chance.randrange(2)
            producers[victim].kill()
            producers[victim].wait()
            kills["producer"] += 1
            producers[victim] = start_producer(folder)
        if chance.random() < 0.5:  # else the next one comes while things are being started
            before = acknowledged.stat().st_size
            wait_until(lambda size=before: acknowledged.stat().st_size > size)
    return kills


@pytest.mark.slow
async def test_killed_a_hundred_times_nothing_acknowledged_is_lost_or_there_twice(tmp_path):
    settings = WriterSettings(
        f"sqlite:///{tmp_path}/s.db",
        WitnessSettings(origin=ORIGIN, key_dir=str(tmp_path / "keys")),
    )
    (tmp_path / "settings.json").write_bytes(msgspec.json.encode(settings))
    (tmp_path / "writer.py").write_text(WRITER)
    (tmp_path / "producer.py").write_text(PRODUCER)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    root = settings.spool
    producers = [start_producer(tmp_path) for _ in range(2)]
    try:
        kills = kill_a_hundred_times(root, tmp_path, producers)
        (tmp_path / "stop").touch()
        assert [producer.wait(timeout=120) for producer in producers] == [0, 0]
        wait_until(lambda: is_finished(root, tmp_path))
    finally:
        for producer in producers:
            producer.kill()
        kill_writer(root)

    assert kills["writer"] > 20
    assert kills["producer"] > 20
    left = {path.name for path in root.iterdir()}
    assert left <= {LOCK, "name", WAKE}, (tmp_path / "writer.err").read_text()
    assert not (root / REFUSED).exists()
    # a kill may cut a line short, and the next one begins anew
    whole = re.findall(r"^req_[0-9a-f]{32}$", acknowledged.read_text(), re.MULTILINE)
    await check_the_log(settings, whole, tmp_path / "notes")


async def check_the_log(settings, acknowledged, notes_file):
    keys = load_or_create_keys(Path(settings.witness.key_dir))
    vif = CrossModelVIF(keys=keys, origin=ORIGIN)
    # a kill may cut a note in the middle of a character
    pieces = notes_file.read_text("utf-8", "replace").split("\0")
    notes = [each.removesuffix("whole") for each in pieces if each.endswith("whole")]
    store = await open_store(settings.store_url)

    def check(tx):
        assert tx.spools() == []
        size = tx.log_size()
        abouts = Counter(leaf.about for leaf in tx.leaves(0, size))
        assert set(abouts.values()) == {2}  # each turn's selection and outcome, once
        assert set(acknowledged) <= set(abouts)
        traffic = tx.traffic("t", TimePeriod.last_24_hours())
        assert sum(sums.requests for sums in traffic.steps.values()) == len(abouts)
        assert len(acknowledged) == len(set(acknowledged)) > 200  # however busy the machine is
        assert all(tx.get_selection("t", name) for name in random.sample(acknowledged, 200))

        heads = {}
        for note in notes:
            assert all(Note.parse(note).is_signed_by(ORIGIN, key.key) for key in vif.trust.keys)
            head = Checkpoint.parse(Note.parse(note).text)
            assert heads.setdefault(head.size, head.root) == head.root
            assert root_at(tx, head.size) == head.root
        sizes = sorted(heads)
        assert sizes[-1] == size == tx.latest_checkpoint().size
        for one, two in pairwise(sizes):  # and so every pair
            proof = consistency_proof(tx, one, two)
            assert merkle.verify_consistency(one, two, heads[one], heads[two], proof)
        assert {each.size for each in tx.checkpoints()} <= set(sizes)
        report = vif.verify_log(tx, against=notes[0])
        assert report.verdict == "valid"
        assert report.records == size

    try:
        await store.read(check)
    finally:
        await store.close()
