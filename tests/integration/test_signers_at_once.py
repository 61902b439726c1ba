"""Processes that sign one log: who was stopped or lost its claim publishes nothing later."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import SignedCheckpoint, Statement
from crossmodel.errors import StoreConflictError, WitnessError
from crossmodel.store import open_store
from crossmodel.witness import (
    CrossModelVIF,
    FolderKeyring,
    KeyPair,
    Ledger,
    log,
    rotate_keys,
    settle_keys,
    signing,
)
from crossmodel.witness.keys.keyring import NEXT
from crossmodel.witness.note import Note
from postgres_server import PostgresServer

ORIGIN = "test/log"
PAIR = KeyPair.generate()
ED25519 = CrossModelVIFConfig(
    witness_generation=WitnessGenerationConfig(cryptographic_algorithm="Ed25519")
)

SIGNER = """
import asyncio, os, signal, sys
from pathlib import Path
from crossmodel.store import open_store
from crossmodel.witness import CrossModelVIF, FolderKeyring, Ledger, log, signing
from crossmodel.witness.statement import Statement

url, folder, name, end = sys.argv[1:]
signing.CLAIM_SECONDS = 1.0
sign = CrossModelVIF.sign_checkpoint

def sign_and_end(self, tx=None):
    global end
    signed = sign(self, tx)
    print("signed", signed.size, signed.root.hex(), flush=True)
    if end:
        how, end = getattr(signal, end), ""
        os.kill(os.getpid(), how)
    return signed

CrossModelVIF.sign_checkpoint = sign_and_end

async def main():
    store = await open_store(url)
    keys = FolderKeyring(Path(folder))
    ledger = Ledger(CrossModelVIF(keys=keys, origin="test/log"), store)
    said = [Statement("text/plain", f"{name} {n}".encode(), (), "t", "") for n in range(3)]
    await store.transact(lambda tx: log.append(tx, said))
    await ledger.checkpoint(now=True)
    print("kept", flush=True)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server():
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["file", "postgres"])
def url(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("server").store()
    return f"sqlite:///{tmp_path}/s.db"


def signer(url, folder, name, end=""):
    return subprocess.Popen(
        [sys.executable, "-c", SIGNER, url, str(folder), name, end],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finished(process):
    """What a process has said by its end, on both its outputs."""
    out, err = process.communicate(timeout=60)
    return out.splitlines(), err


def end(process):
    process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        pipe.close()


def stopped_while_it_signs(url, folder, name):
    """A process that has signed and published nothing yet, and the root that it signed."""
    process = signer(url, folder, name, "SIGSTOP")
    said = process.stdout.readline().split()
    assert said[:2] == ["signed", "3"], process.stderr.read()
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    return process, said[2]


def kept(url, keys):
    """The heads of a log that verifies, by their sizes, with their roots, and its size."""

    async def look():
        store = await open_store(url)
        vif = CrossModelVIF(keys=FolderKeyring(keys), origin=ORIGIN)

        def work(tx):
            report = vif.verify_log(tx)
            assert report.is_valid, report
            assert all(log.has_head(tx, head) for head in tx.checkpoints())
            return {head.size: head.root.hex() for head in tx.checkpoints()}, tx.log_size()

        try:
            return await store.read(work)
        finally:
            await store.close()

    return asyncio.run(look())


def take_back(url, request):
    """Let a database be as it was before it had any record: as of a standby that lacked them."""
    tables = ("log_leaves", "log_nodes", "log_signer", "commitments")
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            for table in tables:
                database.execute(f"DELETE FROM {table}")
            database.commit()
    else:
        server = request.getfixturevalue("server")
        for table in tables:
            server.sql(f"DELETE FROM {table}", url.partition("?")[0].rpartition("/")[2])


@pytest.mark.slow
@pytest.mark.parametrize("goes_back", [False, True])
def test_who_was_stopped_while_it_signed_publishes_nothing_afterwards(
    url, tmp_path, request, goes_back
):
    keys = tmp_path / "keys"
    stopped, root = stopped_while_it_signs(url, keys, "a")
    try:
        if goes_back:  # and so does the token
            take_back(url, request)
        said, complaints = finished(signer(url, keys, "b"))
        assert said[-1] == "kept", complaints
        before = kept(url, keys)
        os.kill(stopped.pid, signal.SIGCONT)
        said, complaints = finished(stopped)
    finally:
        end(stopped)
    assert said[-1] == "kept"  # by the other one
    assert "another signer has taken over" in complaints
    assert kept(url, keys) == before
    heads, size = before
    assert (list(heads), size) == (([3], 3) if goes_back else ([6], 6))
    assert root not in heads.values()


@pytest.mark.slow
def test_after_a_signer_was_killed_the_next_one_waits_only_until_its_claim_ends(url, tmp_path):
    keys = tmp_path / "keys"
    assert finished(signer(url, keys, "a", "SIGKILL"))[0][-1].startswith("signed 3")
    said, complaints = finished(signer(url, keys, "b"))
    assert said[-1] == "kept", complaints
    assert [*kept(url, keys)[0]] == [6]


def ledger_on(store, keys=PAIR, config=ED25519):
    return Ledger(CrossModelVIF(config, keys=keys, origin=ORIGIN), store)


async def append(store, *names):
    said = [Statement("text/plain", name.encode(), (), "t", "") for name in names]
    await store.transact(lambda tx: log.append(tx, said))


async def heads(store):
    return await store.read(lambda tx: [head.size for head in tx.checkpoints()])


async def test_a_claim_is_one_signer_s_until_it_ends(url):
    store = await open_store(url)
    now = utc_now()
    end, late = now + timedelta(seconds=10), now + timedelta(seconds=11)

    def claim(name, at=now, until=end):
        return store.transact(lambda tx: tx.claim_signing(name, at, until))

    first = await claim("a")
    assert await claim("b") is None
    assert await claim("a") is None  # a name does not let in
    assert await store.transact(lambda tx: tx.renew_signing(first, late))
    assert await claim("b", end, late) is None
    second = await claim("b", late, late + timedelta(seconds=10))
    assert second.token > first.token
    head = SignedCheckpoint(1, b"r" * 32, "n")
    for refused in (
        lambda tx: tx.check_signing(first),
        lambda tx: tx.add_checkpoint(head, first),
    ):
        with pytest.raises(StoreConflictError, match="another signer"):
            await store.transact(refused)
    assert not await store.transact(lambda tx: tx.renew_signing(first, late))
    assert not await store.transact(lambda tx: tx.release_signing(first))
    await store.transact(lambda tx: tx.add_checkpoint(head, second))
    assert await store.transact(lambda tx: tx.release_signing(second))
    assert not await store.transact(lambda tx: tx.release_signing(second))
    assert (await claim("c")).token > second.token
    await store.close()


async def test_a_claim_of_a_clock_that_is_wrong_does_not_last(url):
    store = await open_store(url)
    now, length = utc_now(), timedelta(seconds=6)
    fast = now + timedelta(hours=1)
    first = await store.transact(lambda tx: tx.claim_signing("fast", fast, fast + length))
    second = await store.transact(lambda tx: tx.claim_signing("right", now, now + length))
    assert second.token > first.token
    slow = now - timedelta(seconds=5)  # less than a claim's length apart they respect each other
    assert await store.transact(lambda tx: tx.claim_signing("slow", slow, slow + length)) is None
    await store.close()


class Slow(CrossModelVIF):
    """Its key service takes its time."""

    def __init__(self, seconds):
        super().__init__(ED25519, keys=PAIR, origin=ORIGIN)
        self.seconds = seconds
        self.is_signing = threading.Event()

    def sign_checkpoint(self, tx=None):
        signed = super().sign_checkpoint(tx)
        self.is_signing.set()
        time.sleep(self.seconds)
        return signed


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(signing, "CLAIM_SECONDS", 0.4)
    monkeypatch.setattr(signing, "RENEW_SECONDS", 0.1)


async def test_who_takes_longer_to_sign_than_a_claim_lasts_keeps_it(url, short):
    mine, other = await open_store(url), await open_store(url)
    slow = Slow(1.2)
    await append(mine, "a", "b")
    signed = asyncio.create_task(Ledger(slow, mine).checkpoint(now=True))
    assert await asyncio.to_thread(slow.is_signing.wait, 20)
    await append(other, "c")
    assert await ledger_on(other).checkpoint(now=True, patient=False) is False
    assert await ledger_on(other).checkpoint(now=True)  # waits
    assert signed.done()
    assert await signed
    assert await heads(mine) == [2, 3]
    for store in (mine, other):
        await store.close()


async def test_what_was_signed_of_records_that_are_no_more_is_thrown_away(url, caplog):
    mine, other = await open_store(url), await open_store(url)
    slow = Slow(0.5)
    await append(mine, "a", "b")
    signed = asyncio.create_task(Ledger(slow, mine).checkpoint(now=True))
    assert await asyncio.to_thread(slow.is_signing.wait, 20)

    def go_back(tx):  # as a standby that had not got the last record yet
        tx._connection.exec_driver_sql('DELETE FROM log_leaves WHERE "index" > 0')
        tx._connection.exec_driver_sql("DELETE FROM log_nodes")

    await other.transact(go_back)
    await append(other, "c")
    assert await signed
    assert "it has gone back" in caplog.text
    head = await other.read(lambda tx: tx.latest_checkpoint())
    assert head.size == 2
    assert await other.read(lambda tx: log.has_head(tx, head))
    for store in (mine, other):
        await store.close()


async def test_a_service_that_never_answers_keeps_the_log_for_so_long_only(
    url, short, monkeypatch, caplog
):
    monkeypatch.setattr(signing, "LONGEST_SECONDS", 0.3)
    mine, other = await open_store(url), await open_store(url)
    hung = Slow(2.0)
    await append(mine, "a", "b")
    signed = asyncio.create_task(Ledger(hung, mine).checkpoint(now=True, patient=False))
    assert await asyncio.to_thread(hung.is_signing.wait, 20)
    await append(other, "c")
    assert await ledger_on(other).checkpoint(now=True)
    assert not signed.done()
    assert await signed is False  # it leaves that to others
    assert "is not kept: another signer has taken over" in caplog.text
    assert await heads(mine) == [3]
    for store in (mine, other):
        await store.close()


async def test_who_is_patient_is_told_when_others_never_end(url, monkeypatch):
    monkeypatch.setattr(signing, "PATIENCE_SECONDS", 0.2)
    store = await open_store(url)
    await append(store, "a")
    async with signing.claimed(store) as claim:
        assert claim is not None
        with pytest.raises(WitnessError, match="others have been signing"):
            await ledger_on(store).checkpoint(now=True)
    assert await ledger_on(store).checkpoint(now=True)
    await store.close()


async def test_many_signers_at_once_all_find_their_records_signed(url):
    stores = [await open_store(url) for _ in range(4)]
    ledgers = [ledger_on(store) for store in stores for _ in range(3)]

    async def work(number, ledger):
        for turn in range(5):
            await append(ledger.store, f"{number} {turn}")
            size = await ledger.store.read(lambda tx: tx.log_size())
            assert await ledger.checkpoint(now=True)
            assert (await heads(ledger.store))[-1] >= size

    await asyncio.gather(*(work(*each) for each in enumerate(ledgers)))
    for each in (ledgers[0], ledger_on(stores[-1])):
        report = await each.store.read(each.vif.verify_log)
        assert report.is_valid
        assert report.records == 60
    for store in stores:
        await store.close()


async def test_two_machines_with_keys_of_their_own_are_told_so(url):
    store = await open_store(url)
    await append(store, "a")
    await ledger_on(store).checkpoint(now=True)
    await append(store, "b")
    with pytest.raises(WitnessError, match="give all machines the same keys"):
        await ledger_on(store, KeyPair.generate()).checkpoint(now=True)
    assert await ledger_on(store).checkpoint(now=True)  # and is not held up by the other
    assert await heads(store) == [1, 2]
    await store.close()


class NoLocks(FolderKeyring):
    """A folder that machines share whose locks do not reach each other."""

    def locked(self):
        return nullcontext(True)


async def test_keys_are_rotated_by_one_at_a_time_where_locks_do_not_reach(url, tmp_path, short):
    stores = [await open_store(url) for _ in range(3)]
    ledgers = [ledger_on(store, NoLocks(tmp_path / "keys")) for store in stores]
    await append(stores[0], "a")
    await ledgers[0].checkpoint(now=True)

    async def others():
        for number in range(20):
            await append(stores[2], f"b {number}")
            await settle_keys(
                stores[2], ledgers[2].vif
            )  # must not destroy what is being put in use
            await ledgers[2].checkpoint(now=True)

    leaves = await asyncio.gather(
        *(rotate_keys(each.store, each.vif) for each in ledgers[:2]), others()
    )
    assert leaves[0] != leaves[1]
    for each in ledgers:
        await append(each.store, "after")
        assert await each.checkpoint(now=True)
        report = await each.store.read(each.vif.verify_log)
        assert report.is_valid, report
        assert report.records == 1 + 20 + 2 + ledgers.index(each) + 1
    last = await stores[0].read(lambda tx: tx.latest_checkpoint())
    current = ledgers[2].vif.keyring.current()
    assert Note.parse(last.note).is_signed_by(ORIGIN, current.ed25519.public)
    assert ledgers[0].vif.keyring.is_settled()
    for store in stores:
        await store.close()


async def test_who_loses_its_claim_while_it_rotates_puts_no_destroyed_keys_on_record(
    url, tmp_path, short, monkeypatch
):
    mine, other = await open_store(url), await open_store(url)
    slow, quick = (ledger_on(each, NoLocks(tmp_path / "keys")) for each in (mine, other))
    await append(mine, "a")
    await slow.checkpoint(now=True)
    made = slow.vif.keyring.prepare
    are_made, go_on = threading.Event(), threading.Event()

    def prepare():
        pair = made()
        are_made.set()
        assert go_on.wait(20)
        return pair

    monkeypatch.setattr(slow.vif.keyring, "prepare", prepare)
    monkeypatch.setattr(signing, "LONGEST_SECONDS", 0)  # as of a process that was stopped
    rotated = asyncio.create_task(rotate_keys(mine, slow.vif))
    assert await asyncio.to_thread(are_made.wait, 20)
    assert (tmp_path / "keys" / NEXT).exists()
    await settle_keys(other, quick.vif)  # takes it for dead once its claim has ended
    assert not (tmp_path / "keys" / NEXT).exists()
    go_on.set()
    with pytest.raises(StoreConflictError, match="another signer has taken over"):
        await rotated
    await append(other, "b")
    assert await quick.checkpoint(now=True)
    report = await other.read(quick.vif.verify_log)
    assert report.is_valid
    assert report.records == 2
    for store in (mine, other):
        await store.close()
