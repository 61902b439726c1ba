"""Handing over and writing: each record once, what cannot be written kept aside, trouble told."""

import asyncio
import os
from functools import partial

import pytest

from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord, TransferRecord
from crossmodel.domain.selection import Outcome
from crossmodel.errors import InvalidInputError, WitnessError
from crossmodel.store import open_store
from crossmodel.witness import CrossModelVIF, KeyPair, Ledger
from crossmodel.witness.handed_over import write_handed_over
from crossmodel.witness.handing_over import handover as module
from crossmodel.witness.handing_over.frames import frame
from crossmodel.witness.handing_over.handover import Handover
from crossmodel.witness.handing_over.spool import Spool, segment_name
from crossmodel.witness.handing_over.writer import REFUSED, Writer, sole_writer
from crossmodel.witness.turns import TurnRecord, encode_turn, write_turn

KEYS = KeyPair.generate()


def turn(tenant="t", **changes):
    name = time_ordered_id("req_")
    selection = SelectionRecord(name, tenant, "m", 0.5, ("n",), {"x": ["y"]}, utc_now(), 1.0)
    transfer = TransferRecord(name, tenant, "m", "standard", True, ("i",), 0.5, 9, "", utc_now())
    said = {
        "request": b"what?",
        "rejected": {"o": "too slow"},
        "transfer": transfer,
        "context": "the lesson",
        "answer": "so",
        "trace_id": "0af7",
    }
    return TurnRecord(selection, Outcome(name, "m", success=True), **said | changes)


@pytest.fixture
async def store(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    yield store
    await store.close()


@pytest.fixture
def vif():
    return CrossModelVIF(keys=KEYS)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "s.db.spool"


@pytest.fixture
def writer(root, store, vif):
    apply = partial(write_handed_over, vif=vif)
    return Writer(root, store, apply, Ledger(vif, store).checkpoint, most=4)


def nobody():
    """Starts a process that leaves the writing to another."""
    return os.posix_spawn("/bin/true", ["true"], {})


def hand_over(root, bodies):
    spool = Spool(root)
    for body in bodies:
        spool.append(body)
    spool.close()
    return spool


async def names_in_the_log(store):
    leaves = await store.read(lambda tx: list(tx.leaves(0, tx.log_size())))
    return list(dict.fromkeys(leaf.about for leaf in leaves))


async def test_a_turn_is_the_same_however_it_is_written(store, vif):
    said = turn(transfer=None)
    whole = turn()
    handed = [encode_turn(said), encode_turn(whole)]
    await store.transact(lambda tx: write_handed_over(tx, handed, vif=vif))
    here = turn()
    await store.transact(lambda tx: write_turn(tx, vif, here))

    def check(tx):
        for each, count in ((said, 2), (whole, 3), (here, 3)):
            name = each.selection.request_id
            assert tx.get_selection("t", name) == each.selection
            assert tx.outcomes("t", name) == [each.outcome]
            leaves = tx.leaves_about("t", name)
            assert len(leaves) == count
            if each.transfer is not None:
                digest = tx.get_transfer("t", name).context_digest
                found = tx.get_commitments(leaves[0].index, [digest])[digest]
                assert (found.value, found.tenant) == (b"the lesson", "t")

        assert vif.sign_checkpoint(tx).size == tx.log_size() == 8

    await store.read(check)


def test_half_a_surrogate_pair_cannot_be_handed_over():
    with pytest.raises(InvalidInputError, match="surrogate"):
        encode_turn(turn(answer="\udc00"))


async def test_what_the_dead_left_is_written_signed_and_removed(root, store, vif, writer):
    turns = [turn() for _ in range(10)]
    for part in (turns[:7], turns[7:]):
        hand_over(root, map(encode_turn, part))
    (root / "somebody's").mkdir()  # not ours: it is left alone
    await writer.run()
    (root / "somebody's").rmdir()
    names = [each.selection.request_id for each in turns]
    assert sorted(await names_in_the_log(store)) == sorted(names)
    assert sorted(path.name for path in root.iterdir()) == ["name", "wake"]

    def check(tx):
        assert tx.spools() == []
        assert tx.latest_checkpoint().size == tx.log_size() == 30
        assert vif.verify_log(tx).is_valid

    await store.read(check)


async def test_records_that_a_crash_left_unsigned_are_signed_at_the_start(store, vif, writer, root):
    root.mkdir()
    await store.transact(lambda tx: write_turn(tx, vif, turn()))
    await writer.run()
    assert (await store.read(lambda tx: tx.latest_checkpoint())).size == 3


async def test_what_cannot_be_written_is_kept_aside_and_the_rest_is_written(root, store, writer):
    turns = [turn() for _ in range(6)]
    bodies = [encode_turn(each) for each in turns]
    bodies[1:1] = [b"no turn"]
    bodies[5:5] = [b"nor this", bodies[0]]
    hand_over(root, bodies)
    await writer.run()
    assert await names_in_the_log(store) == [each.selection.request_id for each in turns]
    kept = sorted((root / REFUSED).iterdir())
    assert sorted(path.read_bytes() for path in kept) == sorted(
        [b"no turn", b"nor this", bodies[0]]
    )
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept)


async def test_what_is_damaged_is_kept_aside_and_told_to_who_waits(root, store, writer):
    turns = [turn() for _ in range(3)]
    spool = Spool(root)
    handover = Handover(spool, nobody)  # the writer runs here
    for each in turns:
        spool.append(encode_turn(each))
    spool.flush()
    path = spool.folder / segment_name(0)
    data = bytearray(path.read_bytes())
    at = len(frame(encode_turn(turns[0]))) + 30
    data[at] ^= 1
    path.write_bytes(data)
    running = asyncio.create_task(writer.run())
    with pytest.raises(WitnessError, match="1 records could not be written"):
        await handover.settle()
    await handover.settle()  # the others are durable
    await handover.close()
    await running
    wanted = [turns[0].selection.request_id, turns[2].selection.request_id]
    assert await names_in_the_log(store) == wanted
    assert len(list((root / REFUSED).iterdir())) == 1


async def test_what_the_writer_has_not_written_is_counted_in_bytes(root, writer):
    spool = Spool(root, segment_bytes=4_000)  # so that there are several segments
    handover = Handover(spool, nobody)
    bodies = [encode_turn(turn()) for _ in range(10)]
    assert handover.waiting_bytes == 0
    for body in bodies:
        spool.append(body)
        spool.flush()
    assert handover.waiting_bytes > 0
    running = asyncio.create_task(writer.run())
    await handover.settle()
    assert handover.waiting_bytes == 0
    await handover.close()
    await running


async def test_a_store_that_cannot_be_written_leaves_everything_in_the_spool(root, store, writer):
    spool = hand_over(root, [encode_turn(turn())])
    await store.close()
    with pytest.raises(Exception, match="the store is closed"):
        await writer.run()
    assert (spool.folder / segment_name(0)).stat().st_size > 0


async def test_there_is_one_writer(root):
    with sole_writer(root) as first, sole_writer(root) as second:
        assert first
        assert not second
    with sole_writer(root) as third:
        assert third


async def test_who_waits_hears_when_it_is_durable_and_not_before(root, store, writer):
    handover = Handover(Spool(root), nobody)
    said = [turn() for _ in range(20)]
    for each in said[:-1]:
        handover.append(encode_turn(each))
    waiting = [asyncio.create_task(handover.settle()) for _ in range(3)]
    waiting.append(asyncio.create_task(handover.append_durably(encode_turn(said[-1]))))
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    waiting[0].cancel()
    running = asyncio.create_task(writer.run())
    await asyncio.gather(*waiting[1:])
    assert len(await names_in_the_log(store)) == 20
    name = handover.spool.producer
    kept = await store.read(lambda tx: tx.spool_position(name))
    assert kept == handover.spool.written > (0, 0)
    await handover.settle()
    await handover.close()
    await running
    assert sorted(path.name for path in root.iterdir()) == ["name", "wake"]


async def test_a_writer_that_fails_again_and_again_is_told_and_loses_nothing(
    root, store, writer, monkeypatch
):
    monkeypatch.setattr(module, "MOST_DELAY_SECONDS", 0.01)
    started = []

    def start():
        started.append(os.posix_spawn("/bin/false", ["false"], {}))
        return started[-1]

    handover = Handover(Spool(root), start)
    said = turn()
    with pytest.raises(WitnessError, match=r"failed 5 times.*nothing is lost"):
        await handover.append_durably(encode_turn(said))
    assert len(started) == 5
    with pytest.raises(WitnessError, match="nothing is lost"):
        await handover.close()
    await writer.run()
    assert await names_in_the_log(store) == [said.selection.request_id]


async def test_a_full_disk_is_told_to_the_next_one_who_hands_over(root, monkeypatch):
    import resource

    handover = Handover(Spool(root), nobody)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        handover.append(b"a" * 200)
        await asyncio.sleep(0.05)
        with pytest.raises(WitnessError, match="nothing that was acknowledged is lost"):
            handover.append(b"b" * 200)
        with pytest.raises(WitnessError):
            await handover.settle()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    handover.append(b"c")
    assert handover.spool.flush().offset == len(frame(b"a" * 200) + frame(b"c"))
    monkeypatch.setattr(module, "STALL_SECONDS", 0.05)
    with pytest.raises(WitnessError, match="has written nothing"):
        await handover.close()
