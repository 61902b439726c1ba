"""Two processes that sign one log: one is stopped while it signs, and publishes nothing later."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import SignedCheckpoint
from crossmodel.errors import StoreConflictError
from crossmodel.store import open_store
from postgres_server import PostgresServer

SIGNER = """
import asyncio, os, signal, sys
from pathlib import Path
from crossmodel.errors import CrossModelError
from crossmodel.store import open_store
from crossmodel.witness import CrossModelVIF, FolderKeyring, Ledger, log, signing
from crossmodel.witness.statement import Statement

url, folder, name, stops = sys.argv[1:]
signing.CLAIM_SECONDS = 1.0
sign = CrossModelVIF.sign_checkpoint

def sign_and_stop(self, tx=None):
    signed = sign(self, tx)
    print("signed", signed.size, signed.root.hex(), flush=True)
    if stops == "stops":
        os.kill(os.getpid(), signal.SIGSTOP)
    return signed

CrossModelVIF.sign_checkpoint = sign_and_stop

async def main():
    store = await open_store(url)
    keys = FolderKeyring(Path(folder))
    ledger = Ledger(CrossModelVIF(keys=keys, origin="test/log"), store)
    said = [Statement("text/plain", f"{name} {n}".encode(), (), "t", "") for n in range(3)]
    await store.transact(lambda tx: log.append(tx, said))
    try:
        await ledger.checkpoint(now=True)
        print("kept", flush=True)
    except CrossModelError as error:
        print("refused", type(error).__name__, error, flush=True)
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


def signer(url, folder, name, stops):
    return subprocess.Popen(
        [sys.executable, "-c", SIGNER, url, str(folder), name, stops],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


async def heads(url):
    store = await open_store(url)
    found = await store.read(lambda tx: (list(tx.checkpoints()), tx.log_size()))
    await store.close()
    return found


@pytest.mark.slow
def test_who_was_stopped_while_it_signed_publishes_nothing_afterwards(url, tmp_path):
    stopped = signer(url, tmp_path / "keys", "a", "stops")
    try:
        said = stopped.stdout.readline().split()
        assert said[:2] == ["signed", "3"]
        os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
        other = signer(url, tmp_path / "keys", "b", "goes on")
        told = other.communicate(timeout=60)[0].splitlines()
        assert told[-1] == "kept"
        os.kill(stopped.pid, signal.SIGCONT)
        last = stopped.communicate(timeout=60)[0].splitlines()[-1]
    finally:
        stopped.kill()
        stopped.wait()
        stopped.stdout.close()
    assert last.startswith("refused StoreConflictError")
    assert "another signer has taken over" in last
    kept, size = asyncio.run(heads(url))
    assert size == 6
    assert [head.size for head in kept] == [6]


async def test_others_wait_for_a_signer_that_is_at_it(url):
    store = await open_store(url)
    now = utc_now()
    from datetime import timedelta

    late = now + timedelta(seconds=10)
    first = await store.transact(lambda tx: tx.claim_signing("a", now, late))
    assert await store.transact(lambda tx: tx.claim_signing("b", now, late)) is None
    assert await store.transact(lambda tx: tx.claim_signing("a", now, late)) == first
    assert await store.transact(lambda tx: tx.release_signing(first))
    second = await store.transact(lambda tx: tx.claim_signing("b", now, late))
    assert second > first
    assert not await store.transact(lambda tx: tx.release_signing(first))
    head = SignedCheckpoint(1, b"r" * 32, "n")
    with pytest.raises(StoreConflictError, match="another signer"):
        await store.transact(lambda tx: tx.add_checkpoint(head, first))
    await store.transact(lambda tx: tx.add_checkpoint(head, second))
    with pytest.raises(StoreConflictError):  # once: it has let others sign
        await store.transact(
            lambda tx: (tx.claim_signing("c", now, late), tx.add_checkpoint(head, second))
        )
    await store.close()


steps = st.lists(
    st.tuples(st.sampled_from(["claim", "publish", "release", "later"]), st.sampled_from("abc")),
    max_size=40,
)


@given(steps)
@settings(max_examples=60)
def test_only_the_latest_signer_publishes_whatever_comes_between(done):
    from datetime import timedelta

    async def run():
        store = await open_store("sqlite:///:memory:")
        now, tokens, latest, size = utc_now(), {}, 0, 0
        for what, who in done:
            if what == "later":
                now += timedelta(seconds=6)
            elif what == "claim":
                until = now + timedelta(seconds=10)
                at = now
                token = await store.transact(
                    lambda tx, w=who, a=at, u=until: tx.claim_signing(w, a, u)
                )
                if token is not None:
                    assert token >= latest
                    tokens[who], latest = token, token
            elif who in tokens:
                token = tokens[who]
                size += 1
                head = SignedCheckpoint(size, who.encode() * 32, "n")
                if what == "release":
                    assert await store.transact(lambda tx, t=token: tx.release_signing(t)) == (
                        token == latest
                    )
                elif token == latest:
                    await store.transact(lambda tx, h=head, t=token: tx.add_checkpoint(h, t))
                else:
                    with pytest.raises(StoreConflictError):
                        await store.transact(lambda tx, h=head, t=token: tx.add_checkpoint(h, t))
        await store.close()

    asyncio.run(run())
