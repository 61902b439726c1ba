"""Writing in process what was handed over: many at once, each once, and what goes wrong is told."""

import asyncio
import sqlite3
from functools import partial

import pytest

from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord
from crossmodel.domain.selection import Outcome
from crossmodel.errors import WitnessError
from crossmodel.store import open_store
from crossmodel.witness import CrossModelVIF, KeyPair, Ledger
from crossmodel.witness.handed_over import write_handed_over
from crossmodel.witness.handing_over.batches import MOST, Batches
from crossmodel.witness.turns import TurnRecord, encode_turn

KEYS = KeyPair.generate()


def turn(answer="so"):
    """A turn of two records."""
    name = time_ordered_id("req_")
    selection = SelectionRecord(name, "t", "m", 0.5, ("n",), {"x": ["y"]}, utc_now(), 1.0)
    return TurnRecord(selection, Outcome(name, "m", success=True), b"what?", answer=answer)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.db"


@pytest.fixture
async def store(path):
    store = await open_store(f"sqlite:///{path}")
    yield store
    await store.close()


@pytest.fixture
def batches(store):
    vif = CrossModelVIF(keys=KEYS)
    apply = partial(write_handed_over, vif=vif)
    return Batches(store, apply, Ledger(vif, store).checkpoint, most_bytes=2_000_000)


async def count(store):
    return await store.read(lambda tx: tx.log_size())


async def test_all_are_durable_after_settling(store, batches):
    await batches.settle()  # nothing to wait for
    for _ in range(MOST + 10):
        batches.append(encode_turn(turn()))
    assert await count(store) == 0
    await batches.settle()
    assert await count(store) == 2 * (MOST + 10)
    batches.append(encode_turn(turn()))  # its task has ended meanwhile
    await batches.close()
    assert await count(store) == 2 * (MOST + 11)


async def test_what_can_never_be_written_costs_nobody_else(store, batches, caplog):
    twice = turn()
    bodies = [encode_turn(each) for each in (turn(), twice, twice, turn())]
    for body in (*bodies[:2], b"\x00 no turn", *bodies[2:]):
        batches.append(body)
    with pytest.raises(WitnessError, match="2 records could not be written"):
        await batches.settle()
    assert batches.refused == 2
    assert await count(store) == 2 * 3
    assert "is no turn" in caplog.text
    batches.append(encode_turn(turn()))
    await batches.settle()  # told once
    assert await count(store) == 2 * 4


async def test_while_the_store_fails_they_wait_and_who_settles_is_told(store, batches, path):
    database = sqlite3.connect(path)
    database.execute("ALTER TABLE outcomes RENAME TO gone")
    database.commit()
    batches.append(encode_turn(turn()))
    with pytest.raises(WitnessError, match="records cannot be written"):
        await batches.settle()
    batches.append(encode_turn(turn()))
    database.execute("ALTER TABLE gone RENAME TO outcomes")
    database.commit()
    database.close()
    await batches.settle()
    assert await count(store) == 4


async def test_there_is_room_for_so_much_and_no_more(store, batches):
    body = encode_turn(turn(answer="x" * 600_000))
    for _ in range(3):
        batches.append(body)
    with pytest.raises(WitnessError, match=r"3 records of 1,8.* bytes wait to be written"):
        batches.append(body)
    waiter = asyncio.create_task(batches.settle())
    await asyncio.sleep(0)
    waiter.cancel()  # nobody minds
    with pytest.raises(WitnessError, match="2 records"):  # three of the same id
        await batches.settle()
    batches.append(body)
    with pytest.raises(WitnessError, match="1 records"):
        await batches.close()
    assert await count(store) == 2


async def test_what_waits_is_counted_in_bytes(batches):
    bodies = [encode_turn(turn()) for _ in range(3)]
    for body in bodies:
        batches.append(body)
    assert batches.waiting_bytes == sum(map(len, bodies))
    await batches.settle()
    assert batches.waiting_bytes == 0
