"""What is SQLite's own: files, schema, and errors that say what to do."""

import asyncio
import sqlite3
import threading
from datetime import date

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from crossmodel.errors import ConfigurationError, StoreError
from crossmodel.store import fresh, marks, open_store
from crossmodel.store.migration import HEAD, SCRIPTS, migrate, run_migrations
from crossmodel.store.schema import metadata


async def test_it_writes_ahead_and_syncs_every_commit(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")

    def pragmas(tx):
        ask = tx._connection.exec_driver_sql
        return [
            ask(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        ]

    full = 2
    assert await store.transact(pragmas) == ["wal", full, 1, 1]
    assert await store.read(pragmas) == ["wal", full, 1, 1]
    await store.close()


async def test_a_snapshot_stays_as_it_was_while_others_write(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    looked, written = threading.Event(), threading.Event()

    def look_twice(tx):
        first = tx.read_nodes([(1, 0)])
        looked.set()
        assert written.wait(10)
        return first, tx.read_nodes([(1, 0)])

    reading = asyncio.create_task(store.read(look_twice))
    assert await asyncio.to_thread(looked.wait, 10)
    await store.transact(lambda tx: tx.write_nodes({(1, 0): b"x"}))  # does not wait for the reader
    written.set()
    assert await reading == ({}, {})
    assert await store.read(lambda tx: tx.read_nodes([(1, 0)])) == {(1, 0): b"x"}
    await store.close()


async def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path):
    path = tmp_path / "s.db"
    store = await open_store(f"sqlite:///{path}")
    await store.transact(lambda tx: tx.write_nodes({(1, 0): b"kept"}))

    def fill(tx):
        pages = tx._connection.exec_driver_sql("PRAGMA page_count").scalar()
        tx._connection.exec_driver_sql(
            f"PRAGMA max_page_count = {pages + 2}"
        )  # as a full disk does
        tx.write_nodes({(2, 0): b"x" * 100_000})

    with pytest.raises(StoreError, match=r"s\.db: .*full; free some space") as caught:
        await store.transact(fill)
    assert "xxx" not in str(caught.value)
    assert await store.read(lambda tx: tx.read_nodes([(1, 0), (2, 0)])) == {(1, 0): b"kept"}
    await store.transact(lambda tx: tx.write_nodes({(3, 0): b"small"}))
    await store.close()


async def test_a_file_that_another_process_holds_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr("crossmodel.store.sqlite.BUSY_SECONDS", 0.1)
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked; another process holds it"):
        await store.transact(lambda tx: tx.write_nodes({(1, 0): b"x"}))
    other.execute("ROLLBACK")
    other.close()
    await store.transact(lambda tx: tx.write_nodes({(1, 0): b"x"}))
    await store.close()


async def test_a_path_is_taken_as_it_stands(tmp_path):
    await (await open_store(f"sqlite:///{tmp_path}/a?mode=ro&b%20c #.db")).close()
    assert [file.name for file in tmp_path.iterdir()] == ["a?mode=ro&b%20c #.db"]


async def test_the_migrated_schema_is_the_declared_one(tmp_path):
    await (await open_store(f"sqlite:///{tmp_path}/s.db")).close()
    engine = sa.create_engine(f"sqlite:///{tmp_path}/s.db")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        differences = [
            difference
            for difference in compare_metadata(context, metadata)
            if "insights_fts" not in str(difference)
        ]
    engine.dispose()
    assert differences == []


def test_a_new_store_has_what_the_migrations_make_to_the_letter():
    """Where this fails: python -m crossmodel.store.migration.

    But for the mark by which older stores owe a scrub: a new one never held what is to be wiped.
    """
    dumps = []
    for prepare in (run_migrations, migrate):
        engine = sa.create_engine("sqlite://")
        with engine.begin() as connection:
            prepare(connection)
            dumps.append(fresh.script(connection, HEAD))
            connection.exec_driver_sql("DELETE FROM marks WHERE name = 'scrub'")
            dumps.append(list(connection.connection.driver_connection.iterdump()))
        engine.dispose()
    assert fresh.FILE.read_text("utf-8") == dumps[0] == dumps[2]
    assert dumps[1] == dumps[3]


def test_a_file_of_another_revision_and_a_database_with_tables_are_migrated(tmp_path, monkeypatch):
    old = tmp_path / "fresh.sql"
    old.write_text(fresh.FILE.read_text("utf-8").replace(f"'{HEAD}'", "'0001'"))
    for file, before in ((old, "SELECT 1"), (fresh.FILE, "CREATE TABLE mine (x)")):
        monkeypatch.setattr(fresh, "FILE", file)
        engine = sa.create_engine("sqlite://")
        with engine.begin() as connection:
            connection.exec_driver_sql(before)
            migrate(connection)
            assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD
            assert sa.inspect(connection).has_table("mine") == (file != old)
        engine.dispose()


def test_head_is_alembics_own():
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_a_newer_schema_is_not_touched(tmp_path):
    path = tmp_path / "s.db"
    await (await open_store(f"sqlite:///{path}")).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    with pytest.raises(StoreError, match="upgrade crossmodel"):
        await open_store(f"sqlite:///{path}")


async def test_an_older_store_is_brought_up_to_date_and_keeps_its_records(tmp_path):
    path = tmp_path / "s.db"
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            sa.text("INSERT INTO selections VALUES ('t', 'r', 'm', 0.5, '[]', '{}', 0, 1.0)")
        )
    engine.dispose()
    store = await open_store(f"sqlite:///{path}")
    kept = await store.read(lambda tx: tx.get_selection("t", "r"))
    assert (kept.model_id, kept.propensity) == ("m", None)
    await store.close()


async def test_what_cannot_be_opened_is_explained(tmp_path):
    with pytest.raises(StoreError, match="folder does not exist"):
        await open_store(f"sqlite:///{tmp_path}/none/s.db")
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"certainly not a database" * 100)
    with pytest.raises(StoreError, match="names some other file"):
        await open_store(f"sqlite:///{garbage}")
    with pytest.raises(StoreError, match="unable to open"):
        await open_store(f"sqlite:///{tmp_path}")
    with pytest.raises(ConfigurationError, match="sqlite:///FILE"):
        await open_store("mysql://localhost/x")


async def test_a_scrub_settles_nothing_that_was_erased_after_it_began(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    assert await store.read(lambda tx: tx.get_mark(marks.SCRUB)) is None  # opening has scrubbed
    for _ in range(2):  # by two processes, say
        await store.transact(lambda tx: marks.owe_scrub(tx._connection))
    await store.transact(lambda tx: marks.settle_scrub(tx._connection, 1))
    assert await store.read(lambda tx: tx.get_mark(marks.SCRUB)) == 2
    await store.close()
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    assert await store.read(lambda tx: tx.get_mark(marks.SCRUB)) is None
    await store.close()


async def test_what_was_spent_before_there_were_sums_is_summed_up(tmp_path):
    path = tmp_path / "s.db"
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = sa.create_engine(f"sqlite:///{path}")
    day = 86_400_000_000
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        for recorded_at, tenant, cost in (
            (day, "a", 0.5),
            (2 * day - 1, "a", 0.25),
            (2 * day, "b", None),
        ):
            connection.execute(
                sa.text(
                    "INSERT INTO outcomes (tenant, request_id, model_id, success, cost_usd, "
                    "recorded_at, source) VALUES (:t, 'r', 'm', 1, :c, :at, 'engine')"
                ),
                {"t": tenant, "c": cost, "at": recorded_at},
            )
    engine.dispose()
    store = await open_store(f"sqlite:///{path}")
    assert await store.read(lambda tx: tx.spent_usd(date(1970, 1, 2))) == {("a", None): 0.75}
    assert await store.read(lambda tx: tx.spent_usd(date(1970, 1, 3))) == {}
    await store.close()
