"""Client keys are kept by their hash, and a name that was used once is never free again."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.client_key import MOST_PER_MINUTE, ClientKey, digest_of
from crossmodel.errors import InvalidInputError, NotFoundError, StoreConflictError
from crossmodel.store import open_store

NOON = datetime(2026, 5, 1, 12, 0, 0, 7, tzinfo=UTC)
names = st.text(min_size=1, max_size=20).filter(
    lambda name: name.isprintable() and name == name.strip() != ""
)
counts = st.none() | st.integers(1, MOST_PER_MINUTE)
usd = st.none() | st.floats(0, allow_infinity=False)
moments = st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is added
client_keys = st.builds(
    ClientKey,
    name=names,
    digest=st.binary(max_size=8).map(digest_of),
    tenant=names,
    models=st.lists(names, unique=True, max_size=3).map(tuple),
    requests_per_minute=st.integers(1, MOST_PER_MINUTE),
    tokens_per_minute=counts,
    burst=counts,
    concurrent=counts,
    daily_budget=usd,
    monthly_budget=usd,
    expires_at=st.none() | moments,
    created_at=moments,
)


@pytest.fixture
async def store(store_url):
    opened = await open_store(store_url)
    yield opened
    await opened.close()


def key(name="ci", clear=b"clear-key-of-ci-0123", **changes):
    return ClientKey(name, digest_of(clear), created_at=NOON, **changes)


@given(client_keys)
async def test_every_key_comes_back_as_it_was(made):
    store = await open_store("sqlite:///:memory:")
    await store.transact(lambda tx: tx.put_client_key(made))
    assert await store.read(lambda tx: tx.client_keys()) == [made]
    await store.close()


async def test_a_live_key_gets_other_limits(store):
    limited = key(daily_budget=1.0, models=("m",), expires_at=NOON + timedelta(days=1))
    await store.transact(lambda tx: tx.put_client_key(key()))
    await store.transact(lambda tx: tx.put_client_key(limited))
    assert await store.read(lambda tx: tx.client_keys()) == [limited]


async def test_a_name_or_a_key_is_taken_once(store):
    await store.transact(lambda tx: tx.put_client_key(key()))
    for other, message in (
        (key(clear=b"another key altogether"), "revoke it, and take another name"),
        (key("app"), "key 'app' is the same as 'ci'"),
    ):
        with pytest.raises(StoreConflictError, match=message):
            await store.transact(lambda tx, other=other: tx.put_client_key(other))
    await store.transact(lambda tx: tx.put_client_key(key("CI", b"names differ by their case")))
    assert len(await store.read(lambda tx: tx.client_keys())) == 2


async def test_what_is_revoked_stays_so(store):
    await store.transact(lambda tx: tx.put_client_key(key()))
    later = NOON + timedelta(hours=1)
    revoked = await store.transact(lambda tx: tx.revoke_client_key("ci", NOON))
    assert revoked == replace(key(), revoked_at=NOON)
    assert await store.transact(lambda tx: tx.revoke_client_key("ci", later)) == revoked
    for again in (key(), key(clear=b"another key altogether")):
        with pytest.raises(StoreConflictError, match="'ci' was revoked at 2026-05-01 12:00 UTC"):
            await store.transact(lambda tx, again=again: tx.put_client_key(again))
    with pytest.raises(StoreConflictError, match="the same as 'ci'"):  # nor under another name
        await store.transact(lambda tx: tx.put_client_key(key("new")))
    assert await store.read(lambda tx: tx.client_keys()) == [revoked]


async def test_nobody_can_revoke_what_is_not_there(store):
    for name in ("", "ci", "' OR 1=1 --", "%"):
        with pytest.raises(NotFoundError):
            await store.transact(lambda tx, name=name: tx.revoke_client_key(name, NOON))


async def test_hostile_names_are_names(store):
    hostile = ["'; DROP TABLE client_keys; --", "%s %(x)s :n ?", "{0}", "../..", "ключ 🔑", "null"]
    for number, name in enumerate(hostile):
        made = key(name, str(number).encode())
        await store.transact(lambda tx, made=made: tx.put_client_key(made))
    kept = await store.read(lambda tx: tx.client_keys())
    assert sorted(each.name for each in kept) == sorted(hostile)


async def test_the_clear_key_is_nowhere_in_the_file(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    await store.transact(lambda tx: tx.put_client_key(key()))
    await store.close()
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert digest_of(b"clear-key-of-ci-0123").encode() in written
    assert b"clear-key-of-ci" not in written


def test_a_moment_without_a_zone_is_never_kept():
    with pytest.raises(InvalidInputError, match="expires_at has no time zone"):
        key(expires_at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


async def test_who_waits_hears_of_what_another_process_changes(durable_url):
    waiting, other = await open_store(durable_url), await open_store(durable_url)

    async def heard():
        seen = await waiting.read(lambda tx: tx.client_keys_version())
        while await waiting.read(lambda tx: tx.client_keys_version()) == seen:
            await waiting.wait_for_change(60)

    for change in (
        lambda tx: tx.put_client_key(key()),
        lambda tx: tx.put_client_key(key(tenant="another")),
        lambda tx: tx.revoke_client_key("ci", NOON),
    ):
        task = asyncio.create_task(heard())
        await asyncio.sleep(0.3)
        assert not task.done()
        await other.transact(change)
        await asyncio.wait_for(task, 2)
    idle = asyncio.create_task(waiting.wait_for_change(60))
    await asyncio.sleep(0.1)
    idle.cancel()  # as a gateway does when it ends
    await asyncio.gather(idle, return_exceptions=True)
    for store in (waiting, other):
        await store.close()


async def test_without_a_change_the_wait_ends_in_its_time(store):
    await store.wait_for_change(0.05)
    start = asyncio.get_running_loop().time()
    await store.wait_for_change(0.05)
    assert asyncio.get_running_loop().time() - start < 2
