"""Many processes on one PostgreSQL: one log, and nothing lost when the server dies."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from crossmodel.domain.client_key import ClientKey, digest_of
from crossmodel.domain.insight import Evidence, Insight
from crossmodel.errors import ConfigurationError, StoreError
from crossmodel.store import embeddings, open_store, pgvectors, postgres
from crossmodel.witness import log, merkle
from postgres_server import PostgresServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    """A server of this module's own: it is killed."""
    server = PostgresServer()
    yield server
    server.stop()


APPENDER = """
import asyncio, sys
from crossmodel.errors import StoreError
from crossmodel.store import open_store
from crossmodel.witness import log
from crossmodel.witness.statement import Statement

async def main(url, name, count):
    store = await open_store(url)
    print("ready", flush=True)
    for number in range(count):
        said = Statement("text/plain", f"{name} {number}".encode(), (), "t", "")
        try:
            await store.transact(lambda tx: log.append(tx, [said]))
        except StoreError as error:
            print("refused", number, str(error).replace("\\n", " "), flush=True)
            await asyncio.sleep(0.05)
        else:
            print("kept", number, flush=True)
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


class Appender:
    """A process that appends records one by one, and says which are durable."""

    def __init__(self, url, name, count):
        self.name, self.said = name, []
        self.process = subprocess.Popen(
            [sys.executable, "-c", APPENDER, url, name, str(count)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self):
        self.said.extend(line.split(maxsplit=2) for line in self.process.stdout)

    def wait(self, seconds=60):
        assert self.process.wait(seconds) == 0
        self._reading.join()
        self.process.stdout.close()

    def told(self, word):
        return [f"{self.name} {each[1]}" for each in self.said if each[0] == word]


async def the_log(url):
    """What stands in the log, having looked that its tree is whole."""
    store = await open_store(url)

    def look(tx):
        leaves = list(tx.leaves(0, tx.log_size()))
        assert [leaf.index for leaf in leaves] == list(range(len(leaves)))
        assert log.root_at(tx, len(leaves)) == merkle.root([leaf.leaf_hash for leaf in leaves])
        return [leaf.statement.decode() for leaf in leaves]

    found = await store.read(look)
    await store.close()
    return found


def test_processes_that_append_at_once_make_one_log_without_a_gap(server):
    url = server.store()
    appenders = [Appender(url, name, 100) for name in ("a", "b", "c", "d")]
    for each in appenders:
        each.wait()
    found = asyncio.run(the_log(url))
    assert sorted(found) == sorted(f"{name} {n}" for name in "abcd" for n in range(100))
    for name in "abcd":  # of one process in the order in which it wrote
        assert [said for said in found if said[0] == name] == [f"{name} {n}" for n in range(100)]


def test_a_server_that_dies_loses_nothing_that_was_acknowledged(server):
    url = server.store()
    appenders = [Appender(url, name, 1500) for name in ("a", "b")]
    for _ in range(3):
        time.sleep(0.4)
        server.kill()
        time.sleep(0.3)
        server.start()
    for each in appenders:
        each.wait()
    found = asyncio.run(the_log(url))
    assert len(found) == len(set(found))
    for each in appenders:
        kept, refused = each.told("kept"), each.told("refused")
        assert len(kept) + len(refused) == 1500
        assert set(kept) <= set(found)
        # a commit whose answer was lost may have been made: it is told as refused, and is whole
        assert set(found) & {s for s in found if s[0] == each.name} <= {*kept, *refused}
    assert any(each.told("refused") for each in appenders), "the server was never missed"


async def test_a_store_goes_on_when_its_server_is_back(server):
    store = await open_store(server.store())
    await store.read(lambda tx: tx.log_size())
    server.kill()
    server.start()
    assert await store.read(lambda tx: tx.log_size()) == 0
    await store.transact(lambda tx: tx.set_mark("x", 1))
    server.kill()
    waiting = asyncio.create_task(store.transact(lambda tx: tx.set_mark("x", 2)))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(server.start)
    await waiting  # it was away for less than the store's patience
    assert await store.read(lambda tx: tx.get_mark("x")) == 2
    await store.close()


async def test_who_waits_for_changes_hears_of_them_again_when_the_server_is_back(server):
    url = server.store()
    waiting, other = await open_store(url), await open_store(url)
    await waiting.wait_for_change(20)  # it listens from now on
    idle = asyncio.create_task(waiting.wait_for_change(60))
    await asyncio.sleep(0.2)
    server.kill()
    await asyncio.wait_for(idle, 5)  # something may have been missed
    server.start()
    seen = await waiting.read(lambda tx: tx.client_keys_version())
    made = ClientKey("ci", digest_of(b"clear-key-of-ci-0123"))
    await other.transact(lambda tx: tx.put_client_key(made))
    while await waiting.read(lambda tx: tx.client_keys_version()) == seen:
        await asyncio.wait_for(waiting.wait_for_change(60), 5)
    for store in (waiting, other):
        await store.close()


async def test_while_the_server_is_away_that_is_told(server, monkeypatch):
    monkeypatch.setattr(postgres, "RECONNECT_SECONDS", 0.2)
    store = await open_store(server.store())
    server.kill()
    try:
        for call in (store.transact, store.read):
            with pytest.raises(StoreError, match="PostgreSQL, store_"):
                await call(lambda tx: tx.log_size())
    finally:
        server.start()
    assert await store.read(lambda tx: tx.log_size()) == 0
    await store.close()


async def test_who_stops_in_the_middle_does_not_stop_the_others(server, monkeypatch):
    monkeypatch.setattr(postgres, "BUSY_SECONDS", 1)
    url = server.store()
    frozen, other = await open_store(url), await open_store(url)
    begun = threading.Event()

    def stop(tx):
        tx.set_mark("x", 1)
        begun.set()
        time.sleep(2.5)  # as a process does that was sent SIGSTOP
        tx.set_mark("y", 1)

    stopped = asyncio.create_task(frozen.transact(stop))
    await asyncio.to_thread(begun.wait)
    await asyncio.sleep(0.2)
    await other.transact(lambda tx: tx.set_mark("z", 1))
    with pytest.raises(StoreError, match="idle-in-transaction timeout"):
        await stopped
    marks = await other.read(lambda tx: [tx.get_mark(name) for name in "xyz"])
    assert marks == [None, None, 1]
    await frozen.transact(lambda tx: tx.set_mark("x", 2))
    await frozen.close()
    await other.close()


async def test_two_that_open_an_empty_database_at_once_make_one_schema(server):
    url = server.empty()
    stores = await asyncio.gather(*(open_store(url) for _ in range(3)))
    for number, store in enumerate(stores):
        await store.transact(lambda tx, number=number: tx.set_mark(f"m{number}", number))
    assert [await stores[0].read(lambda tx, n=n: tx.get_mark(f"m{n}")) for n in range(3)] == [
        0,
        1,
        2,
    ]
    for store in stores:
        await store.close()


async def test_the_same_insight_told_to_two_processes_at_once_is_kept_once(server):
    url = server.store()
    stores = [await open_store(url, embedder="hashed") for _ in range(2)]
    told = [
        [
            Insight(f"Orders of kind{n} ship on day{n}", evidence=(Evidence(0, 1, f"{k}" * 64),))
            for n in range(20)
        ]
        for k in range(2)
    ]
    new = await asyncio.gather(
        *(
            store.transact(lambda tx, each=each: tx.add_insights("t", [each]))
            for both in zip(*told, strict=True)
            for store, each in zip(stores, both, strict=True)
        )
    )
    assert sum(map(len, new)) == 20
    assert await stores[0].read(lambda tx: tx.count_insights("t")) == 20
    found = await stores[1].read(lambda tx: tx.search_insights("t", "kind7 day7"))
    assert found[0].insight.content == "Orders of kind7 ship on day7"
    assert len(found[0].insight.evidence) == 2
    for store in stores:
        await store.close()


async def test_what_cannot_be_opened_is_told_without_the_password(server, tmp_path):
    secret = "hunter2%20hush"
    for url, kind in (
        (f"postgresql://me:{secret}@127.0.0.1:1/nothing", StoreError),
        (f"postgresql://me:{secret}@/none?host={tmp_path}", StoreError),
        (f"postgresql://me:{secret}@localhost:x:y/none", StoreError),
        (f"postgresql://me:{secret}@/x?nonsense=1", ConfigurationError),
        (server.url("absent").replace("postgres:@", f"postgres:{secret}@"), StoreError),
    ):
        with pytest.raises(kind) as caught:
            await open_store(url)
        assert "hunter2" not in str(caught.value)


async def test_a_newer_store_is_left_alone(server):
    url = server.store()
    name = url.rpartition("/store_")[2].split("?")[0]
    server.sql("UPDATE alembic_version SET version_num = '9999'", f"store_{name}")
    with pytest.raises(StoreError, match="upgrade crossmodel"):
        await open_store(url)


async def test_a_pgvector_that_is_too_old_is_told(server, monkeypatch):
    monkeypatch.setattr(pgvectors, "OLDEST", (99, 0))
    with pytest.raises(StoreError, match=r"99\.0 or newer is needed"):
        await open_store(server.store())


async def test_opening_loads_no_embedder_that_nothing_is_asked_of(server, monkeypatch):
    url = server.store()
    await (await open_store(url, embedder="static")).close()
    monkeypatch.setattr(embeddings, "open_embedder", lambda _name: pytest.fail("it was loaded"))
    store = await open_store(url, embedder="static")
    assert await store.read(lambda tx: tx.list_insights("t")) == []
    await store.close()


async def test_reading_cannot_write(server):
    store = await open_store(server.store())
    with pytest.raises(StoreError, match="must write in transact"):
        await store.read(lambda tx: tx.set_mark("x", 1))
    await store.close()
