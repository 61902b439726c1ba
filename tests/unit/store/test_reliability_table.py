"""Sums of how often models were right, judgements and snapshots in the store."""

import asyncio
import hashlib
from datetime import date

import pytest

from crossmodel.domain.reliability import Judgement, Observed
from crossmodel.errors import InvalidInputError
from crossmodel.store import open_store

DAY, NEXT = date(2026, 3, 2), date(2026, 3, 3)
ONCE = Observed(1, 0.9, 0.5)


@pytest.fixture
async def store(store_url):
    opened = await open_store(store_url)
    yield opened
    await opened.close()


async def add(store, tenant, model, at, change):
    await store.transact(lambda tx: tx.add_reliability(tenant, model, at, change))


async def test_sums_add_up_by_model_day_and_bin(store):
    for at in ((DAY, 9), (DAY, 9), (NEXT, 9), (NEXT, 2)):
        await add(store, "t", "m", at, ONCE)
    await add(store, "t", "n", (DAY, 0), Observed(2, 0.1, 0.0))
    found = await store.read(lambda tx: tx.reliability("t"))
    assert found == {
        "m": {(DAY, 9): Observed(2, 1.8, 1.0), (NEXT, 9): ONCE, (NEXT, 2): ONCE},
        "n": {(DAY, 0): Observed(2, 0.1, 0.0)},
    }
    assert await store.read(lambda tx: tx.reliability("t", "n")) == {"n": found["n"]}
    assert await store.read(lambda tx: tx.reliability("t", "nobody")) == {}
    bins = await store.read(lambda tx: tx.reliability_bins("t", "m"))
    assert bins == {2: ONCE, 9: Observed(3, pytest.approx(2.7), 1.5)}
    assert await store.read(lambda tx: tx.reliability_bins("t", "nobody")) == {}


async def test_taking_back_makes_no_row_and_leaves_nothing(store):
    await add(store, "t", "m", (DAY, 9), -ONCE)
    await add(store, "t", "m", (DAY, 9), Observed(0, 0.0, 0.5))
    assert await store.read(lambda tx: tx.reliability("t")) == {}
    await add(store, "t", "m", (DAY, 9), ONCE)
    await add(store, "t", "m", (DAY, 9), Observed(0, 0.0, 0.5))
    assert await store.read(lambda tx: tx.reliability("t")) == {
        "m": {(DAY, 9): Observed(1, 0.9, 1)}
    }
    await add(store, "t", "m", (DAY, 9), Observed(-1, -0.9, -1.0))
    assert await store.read(lambda tx: tx.reliability("t")) == {}


async def test_tenants_are_apart(store):
    await add(store, "t", "m", (DAY, 9), ONCE)
    await store.transact(lambda tx: tx.put_judgement("t", "i", Judgement(True, "judged", DAY)))
    assert await store.read(lambda tx: tx.reliability("u")) == {}
    assert await store.read(lambda tx: tx.reliability_bins("u", "m")) == {}
    assert await store.read(lambda tx: tx.get_judgement("u", "i")) is None
    await store.transact(lambda tx: tx.put_judgement("u", "i", None))
    assert await store.read(lambda tx: tx.get_judgement("t", "i")) == Judgement(True, "judged", DAY)


async def test_writers_beside_each_other_lose_nothing(store):
    await asyncio.gather(*(add(store, "t", "m", (DAY, n % 3), ONCE) for n in range(60)))
    bins = await store.read(lambda tx: tx.reliability_bins("t", "m"))
    assert {position: each.n for position, each in bins.items()} == {0: 20, 1: 20, 2: 20}


async def test_the_last_judgement_counts_and_none_forgets_it(store):
    for said in (Judgement(True, "judged", DAY), Judgement(False, "quarantined", NEXT), None):
        await store.transact(lambda tx, said=said: tx.put_judgement("t", "i", said))
        assert await store.read(lambda tx: tx.get_judgement("t", "i")) == said


async def test_what_is_no_number_is_refused_and_nothing_is_kept(store):
    with pytest.raises(InvalidInputError):
        await add(store, "t", "m", (DAY, 9), Observed(1, float("nan"), 0.5))
    assert await store.read(lambda tx: tx.reliability("t")) == {}


async def test_a_snapshot_is_kept_once_and_never_replaced(store):
    bodies = {hashlib.sha256(body).hexdigest(): body for body in (b"one", b"two", b"\xff\0")}
    for _ in range(2):
        await store.transact(lambda tx: tx.put_snapshots(bodies))
    first = next(iter(bodies))
    await store.transact(lambda tx: tx.put_snapshots({first: b"another"}))
    await store.transact(lambda tx: tx.put_snapshots({}))
    for sha256, body in bodies.items():
        assert await store.read(lambda tx, sha256=sha256: tx.get_snapshot(sha256)) == body
    assert await store.read(lambda tx: tx.get_snapshot("0" * 64)) is None
