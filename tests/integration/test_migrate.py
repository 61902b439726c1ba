"""``crossmodel migrate``: a store moves to PostgreSQL while it is in use, and nothing is lost."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import sqlalchemy as sa
from gateway_process import GatewayProcess, chat, wait_for
from upstreams.clients import request

sys.path.insert(0, str(Path(__file__).parents[1]))

from crossmodel import CrossModel, InvalidInputError, StoreError, WitnessError
from crossmodel.domain.insight import Evidence, Insight
from crossmodel.domain.records import SourceText
from crossmodel.moving import migrate_store
from crossmodel.settings import load_settings
from crossmodel.store import moving, open_store, schema
from crossmodel.store.raw_tables import TABLES
from postgres_server import PostgresServer

pytestmark = pytest.mark.slow

ROWS = 3


@pytest.fixture(scope="module")
def server():
    """A real server."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def keys(tmp_path):
    """Settings that say where the log's keys are."""
    return load_settings({"witness": {"key_dir": str(tmp_path / "keys")}})


async def made(path):
    """A new store with nothing in it."""
    url = f"sqlite:///{path}"
    await (await open_store(url)).close()
    return url


VALUES = (
    (schema.Moment, lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=n)),
    (schema.Json, lambda n: {"a": [n, None, 0.1, "é \U0001f600"], "b\n": True}),
    (schema.ExactText, lambda n: f"half a pair \ud800 and \x00 {n}"),
    (schema.Real, lambda n: [0.1, -1e300, 5e-324][n]),
    (sa.Boolean, lambda n: n % 2 == 0),
    (sa.Date, lambda n: date(2026, 1, 1 + n)),
    (sa.BigInteger, lambda n: 2**62 + n),
    (sa.Integer, lambda n: n),
    (sa.LargeBinary, lambda n: bytes([n, 0, 255])),
    (sa.Text, lambda n: ["", "é", "\U0001f600 ﬀ a'b\"c%s\\"][n]),
)
"""Some value of each type, another for each number."""

NAMED = {
    "vector": lambda n: np.linspace(-0.5, n, 256).astype(np.float16).tobytes(),
    "embedder": lambda _: "hashed",
    "standing": lambda _: "active",
    "trust": lambda _: 0.5,
    "seq": lambda n: n,
    "start": lambda n: n,
    "end": lambda n: n + 1,
}
"""Values of columns that mean something to a search."""


def a_value(column, number):
    """Some value that the column can hold."""
    for reference in column.foreign_keys:
        return a_value(reference.column, number)
    if column.name in NAMED:
        return NAMED[column.name](number)
    return next(of(number) for kind, of in VALUES if isinstance(column.type, kind))


def fill(path):
    """Rows in every table."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        for table in schema.metadata.sorted_tables:
            rows = [
                {
                    column.name: None
                    if column.nullable and number == 0
                    else a_value(column, number)
                    for column in table.c
                }
                for number in range(ROWS)
            ]
            connection.execute(sa.insert(table), rows)
    engine.dispose()


async def both(source, target):
    """Every table's rows in both stores, as our types read them."""
    engines = [
        sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        for url in (source, target)
    ]
    found = []
    for engine in engines:
        with engine.connect() as connection:
            found.append({
                table.name: sorted(
                    (tuple(row) for row in connection.execute(
                        sa.select(*(c for c in table.c if c.name != "vector"))
                    )), key=repr,
                )
                for table in schema.metadata.sorted_tables
            })  # fmt: skip
        engine.dispose()
    return found


async def test_every_row_of_every_table_moves(server, tmp_path):
    source, target = await made(tmp_path / "s.db"), server.empty()
    fill(tmp_path / "s.db")
    with moving.Move(tmp_path / "s.db", target) as move:
        assert move.begin()
        copied = move.copy()
        assert copied.written == copied.rows == {table.name: ROWS for table in TABLES}
        move.compare(copied)
        move.make_ready()
        again = move.copy()
        assert again.rows == copied.rows
        assert not again.written + again.removed
        move.finish()
    old, new = await both(source, target)
    assert old == new
    # the words of insights are found, vectors have their graph, and new rows are counted on
    store = await open_store(target, embedder="hashed")
    found = await store.read(lambda tx: tx.search_insights("é", "half a pair"))
    assert [hit.insight.id for hit in found] == ["é"]
    fresh = Insight("Something new.", evidence=(Evidence(0, 3, "a" * 64),))
    assert await store.transact(lambda tx: tx.add_insights("t", [fresh]))
    await store.close()
    database = urlsplit(target).path[1:]
    assert server.sql("SELECT max(seq) FROM insights", database) == [(ROWS,)]
    graphs = "SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_insight_vectors_hashed'"
    assert server.sql(graphs, database) == [(1,)]


async def test_what_changes_between_two_copies_changes_there_too(server, tmp_path):
    await made(tmp_path / "s.db")
    fill(tmp_path / "s.db")
    with moving.Move(tmp_path / "s.db", server.empty()) as move:
        move.begin()
        move.copy()
        with closing(sqlite3.connect(tmp_path / "s.db", isolation_level=None)) as edited:
            for table in ("insight_vectors", "insight_evidence", "insight_links", "insight_keys"):
                edited.execute(f"DELETE FROM {table} WHERE insight_seq <> 1")
            edited.execute("DELETE FROM insights WHERE seq = 2")
            # what was known by number 1 is known by 2 now: its row must go before it can come
            edited.execute("UPDATE insights SET seq = 2, content = x'6e6577' WHERE seq = 0")
            edited.execute("UPDATE insights SET standing = 'quarantined' WHERE seq = 1")
            edited.execute("DELETE FROM sources WHERE tenant = 'é'")
            edited.execute("UPDATE outcomes SET success = 1 - success")
        copied = move.copy()
        assert copied.written == {"insights": 2, "outcomes": ROWS}
        gone = ("insight_vectors", "insight_evidence", "insight_links", "insight_keys")
        assert copied.removed == dict.fromkeys(gone, 2) | {"insights": 2, "sources": 1}
        move.compare(copied)
        with move._new.begin() as connection:
            connection.exec_driver_sql("UPDATE outcomes SET success = NOT success")
        with pytest.raises(StoreError, match="the table outcomes is not the same"):
            move.compare(copied)
        with move._there() as connection:
            words = connection.exec_driver_sql("SELECT insight_seq FROM insight_words").scalars()
            assert sorted(words) == [1, 2]


async def test_a_column_that_postgresql_cannot_hold_is_told_and_the_store_stays_open(
    server, tmp_path, keys
):
    source, target = await made(tmp_path / "s.db"), server.empty()
    store = await open_store(source)
    await store.transact(lambda tx: tx.add_source(SourceText("text", "model", "a\x00b")))
    await store.close()
    with pytest.raises(InvalidInputError, match="the table sources: a value cannot be kept"):
        migrate_store(source, target, keys)
    store = await open_store(source)
    await store.transact(lambda tx: tx.add_source(SourceText("more", "model")))
    await store.close()


async def learned(settings, count=4):
    """A store with answers, insights and feedback; its turns' ids."""
    ids = []
    async with CrossModel.open(settings) as cm:
        for number in range(count):
            answer = await cm.complete(f"How are codes made, {number}?", model="strong")
            await cm.feedback(answer.id, 0.5 + number / 10)
            ids.append(answer.id)
        await cm.complete("Which code?", model="cheap")
    return ids


async def test_the_whole_store_of_a_loop_moves_and_goes_on(server, tmp_path, settings):
    source, target = settings["store"]["url"], server.empty()
    ids = await learned(settings)
    async with CrossModel.open(settings) as cm:
        before = (await cm.verify()).records, await cm.search_insights("ticket code")
    report = migrate_store(source, target, load_settings(settings))
    assert report.is_finished
    assert report.log.is_valid
    assert report.log.records == report.rows["log_leaves"] == before[0]
    # closed to everybody, with a message that says where it is
    with pytest.raises(StoreError, match="this store has moved to PostgreSQL, empty_"):
        await open_store(source)
    moved = settings | {"store": {"url": target}}
    async with CrossModel.open(moved) as cm:
        assert (await cm.verify()).records == before[0]
        assert before[1]
        assert await cm.search_insights("ticket code") == before[1]
        await cm.feedback(ids[0], 1.0)
        answer = await cm.complete("Which code?", model="cheap")
        assert (await cm.trace(ids[-1])).to_dict()
        assert await cm.trace(answer.id)
        assert (await cm.verify()).records > before[0]
    again = migrate_store(source, target, load_settings(settings))
    assert again.is_finished  # it was before
    assert not again.written
    # a database that was lost before anybody used it is filled again
    database = urlsplit(target).path[1:]
    server.sql(f"DROP DATABASE {database}")
    server.sql(f"CREATE DATABASE {database} TEMPLATE template0")
    again = migrate_store(source, target, load_settings(settings))
    assert again.rows == report.rows
    async with CrossModel.open(moved) as cm:
        assert (await cm.verify()).records == before[0]


async def test_only_an_empty_database_is_moved_into_and_by_one_at_a_time(server, tmp_path, keys):
    source = await made(tmp_path / "s.db")
    used = server.store()
    store = await open_store(used)
    await store.transact(lambda tx: tx.add_source(SourceText("text", "model")))
    await store.close()
    with pytest.raises(StoreError, match="something in its table sources already"):
        migrate_store(source, used, keys)
    target = server.empty()
    with moving.Move(tmp_path / "s.db", target) as first:
        first.begin()
        with pytest.raises(StoreError, match="under way already"):
            migrate_store(source, target, keys)
    with pytest.raises(StoreError, match="is not whole yet: run crossmodel migrate again"):
        await open_store(target)
    assert migrate_store(source, target, keys).is_finished
    with pytest.raises(StoreError, match="has moved already, to PostgreSQL, empty_"):
        migrate_store(source, server.empty(), keys)


async def test_without_the_logs_keys_nothing_is_moved(server, tmp_path, settings):
    await learned(settings, 1)
    elsewhere = settings | {"witness": {"key_dir": str(tmp_path / "others")}}
    with pytest.raises(WitnessError, match="no key folder"):
        migrate_store(settings["store"]["url"], server.empty(), load_settings(elsewhere))
    async with CrossModel.open(settings) as cm:
        assert await cm.complete("Which code?", model="cheap")


# what is refused in the middle leaves its cursors to the end of the transaction
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_log_that_is_not_valid_stays_where_it_is(server, tmp_path, settings):
    await learned(settings, 1)
    with closing(sqlite3.connect(tmp_path / "state.db")) as edited, edited:
        edited.execute("UPDATE log_leaves SET statement = X'7b7d' WHERE \"index\" = 1")
    with pytest.raises(WitnessError, match=r"the log is not valid: .*the store stays where it is"):
        migrate_store(settings["store"]["url"], server.empty(), load_settings(settings))
    await (await open_store(settings["store"]["url"])).close()


WRITER = """
import asyncio, sys
from crossmodel import CrossModel, StoreError

async def main(config):
    gone = None
    async with CrossModel.open(config, with_models=False) as cm:
        for number in range(10_000):
            try:
                told = f"Filters of type F{number} must be changed every {number + 2} days."
                (insight,) = (await cm.extract(told, source_model="strong")).insights
                if number % 5 == 4:
                    gone = await cm.delete([last], "asked for")
                print("kept", insight.id, last if number % 5 == 4 else "", flush=True)
            except StoreError as error:
                print("refused", str(error).replace("\\n", " "), flush=True)
                break
            last = insight.id

asyncio.run(main(sys.argv[1]))
"""


async def test_a_store_moves_while_it_is_written_and_the_move_is_killed(server, tmp_path):
    source, target = f"sqlite:///{tmp_path}/s.db", server.empty()
    config = tmp_path / "crossmodel.toml"
    config.write_text(f'[store]\nurl = "{source}"\n[witness]\nkey_dir = "{tmp_path}/keys"\n')
    heard = (tmp_path / "said").open("w")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(config)], stdout=heard)
    said = (tmp_path / "said").read_text
    mover = [sys.executable, "-m", "crossmodel", "migrate", source, target, "--json"]
    try:
        wait_for(lambda: said().count("kept") > 100, 60)
        for seconds in (1.0, 1.4, 2.0):
            move = subprocess.Popen(
                [*mover, "--copy-only"], cwd=tmp_path, stdout=subprocess.DEVNULL
            )
            time.sleep(seconds)
            move.kill()
            move.wait()
        assert writer.poll() is None  # a copy holds nobody up
        done = subprocess.run(mover, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        writer.wait(60)
    finally:
        writer.kill()
        writer.wait()
        heard.close()
    *kept, refused = said().splitlines()
    assert "this store has moved to PostgreSQL" in refused
    told = [line.split() for line in kept]
    report = json.loads(done.stdout)
    assert report["log"]["valid"]
    assert report["rows"]["log_leaves"] == report["log"]["records"] >= len(told)
    store = await open_store(target)
    listed = await store.read(lambda tx: tx.list_insights("default", limit=100_000))
    await store.close()
    erased = {line[2] for line in told if len(line) == 3}
    wanted = {line[1] for line in told} - erased
    assert len(erased) > 10
    there = {each.id for each in listed}
    # what was under way when the store was closed, an insight and the erasure of the one before,
    # was done or was not: nobody was told that it was
    assert wanted - there <= {told[-1][1]}
    assert len(there - wanted) <= 1


async def test_a_move_that_was_killed_once_closed_goes_on(server, tmp_path, settings):
    await learned(settings, 2)
    source, target = settings["store"]["url"], server.empty()
    with moving.Move(tmp_path / "state.db", target) as move:
        move.begin()
        move.seal(lambda _: True)
    with pytest.raises(StoreError, match="has moved"):
        await open_store(source)
    assert migrate_store(source, target, load_settings(settings)).is_finished
    async with CrossModel.open(settings | {"store": {"url": target}}) as cm:
        assert (await cm.verify()).is_valid


def test_the_command(server, tmp_path, crossmodel_command):
    (tmp_path / "crossmodel.toml").write_text("")
    (tmp_path / "notes.txt").write_text("Filters must be changed once a month, never later.\n")
    done = crossmodel_command("extract", "notes.txt")
    assert done.returncode == 0, done.stderr
    source, target = f"sqlite:///{tmp_path}/crossmodel.db", server.empty()
    assert (tmp_path / "crossmodel.db").is_file()
    copied = crossmodel_command("migrate", source, target, "--copy-only")
    assert copied.returncode == 0, copied.stderr
    assert "still in use where it was" in copied.stdout
    moved = crossmodel_command("migrate", source, target)
    assert moved.returncode == 0, moved.stderr
    assert "records of the log verified: valid" in moved.stdout
    refused = crossmodel_command("insights", "list")
    assert refused.returncode == 3
    assert "has moved to PostgreSQL" in refused.stderr
    there = crossmodel_command("insights", "list", CROSSMODEL_STORE__URL=target)
    assert "changed once a month" in there.stdout
    assert crossmodel_command("verify", CROSSMODEL_STORE__URL=target).returncode == 0
    trust = crossmodel_command("keys", "trust", "--out", "trust.json", CROSSMODEL_STORE__URL=target)
    assert trust.returncode == 0, trust.stderr
    kept = crossmodel_command("verify", "crossmodel.db", "--trust", "trust.json")
    assert kept.returncode == 0, kept.stdout + kept.stderr  # a backup is still one
    again = crossmodel_command("migrate", source, "--reopen", "--json")
    assert json.loads(again.stdout) == {"reopened": True}
    assert "changed once a month" in crossmodel_command("insights", "list").stdout
    for wrong, message in (
        ((source,), "where to?"),
        ((source, "mysql://x"), "a store moves to PostgreSQL"),
        (("postgresql://x", target), "a store moves from SQLite"),
        ((f"sqlite:///{tmp_path}/none.db", target), "there is no such file"),
    ):
        done = crossmodel_command("migrate", *wrong)
        assert done.returncode in {2, 3}
        assert message in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_gateways_answer_while_their_store_moves_and_every_answer_is_on_record(
    server, tmp_path, upstream
):
    target = server.empty()
    spool = f'spool_dir = "{tmp_path}/state.db.spool"'
    gateway = GatewayProcess(
        tmp_path, {"mock": upstream.v1}, {"text": "mock"}, gateway={"insights": False}
    )
    text = gateway.config.read_text()
    gateway.config.write_text(text.replace("[witness]", f"[witness]\n{spool}"))
    answered = []

    def answer(count):
        with gateway.connect() as client:
            for _ in range(count):
                client.send(request("POST", "/v1/chat/completions", chat()))
                response = client.read_response("POST")
                assert response.status == 200, response
                answered.append(response.header("x-crossmodel-request-id"))

    gateway.start()
    try:
        answer(20)
        moved = subprocess.run(
            [sys.executable, "-m", "crossmodel", "migrate", f"sqlite:///{tmp_path}/state.db",
             target, "--config", str(gateway.config)],
            env=os.environ | gateway.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert moved.returncode == 0, moved.stderr
        assert f'spool_dir = "{tmp_path}/state.db.spool"' in moved.stdout
        answer(20)  # the store is closed: their records wait
    finally:
        gateway.stop()
    gateway.environment["CROSSMODEL_STORE__URL"] = target
    gateway.start()
    try:
        answer(20)
    finally:
        assert gateway.stop() == 0

    async def on_record():
        store = await open_store(target)
        try:
            return await store.read(
                lambda tx: Counter(
                    one.request_id for each in answered for one in tx.outcomes("default", each)
                )
            )
        finally:
            await store.close()

    wait_for(lambda: asyncio.run(on_record()) == Counter(answered), 30)
