"""Sums of scores in the store: once for each request, whoever writes beside."""

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.errors import InvalidInputError, StoreError
from crossmodel.store import open_store
from crossmodel.store.uplift import upsert

ONE = UpliftKey("m", "coding", "insight:a", "insights")
TWO = UpliftKey("m", "coding", "topic:a b\r\n\U0001f9ea", "insights")
HELD = UpliftKey("n", "", "insight:a", "holdout")


@pytest.fixture
async def store(store_url):
    opened = await open_store(store_url)
    yield opened
    await opened.close()


def close(tally, n, total, squares):
    assert tally.n == n
    assert (tally.total, tally.squares) == pytest.approx((total, squares))


async def test_scores_add_up_by_key(store):
    await store.transact(lambda tx: tx.add_uplift("t", [ONE, TWO], 0.5))
    await store.transact(lambda tx: tx.add_uplift("t", [ONE], 1.0))
    await store.transact(lambda tx: tx.add_uplift("t", [HELD], 0.0))
    found = await store.read(lambda tx: tx.tallies("t"))
    assert found == {ONE: Tally(2, 1.5, 1.25), TWO: Tally(1, 0.5, 0.25), HELD: Tally(1, 0.0, 0.0)}


async def test_sums_are_found_by_unit_and_by_model(store):
    await store.transact(lambda tx: tx.add_uplift("t", [ONE, TWO, HELD], 0.5))

    async def found(**asked):
        return set(await store.read(lambda tx: tx.tallies("t", **asked)))

    assert await found(unit="insight:a") == {ONE, HELD}
    assert await found(target_model="m") == {ONE, TWO}
    assert await found(unit="insight:a", target_model="n") == {HELD}
    assert await found(units=[TWO.unit, "insight:a", TWO.unit, "none"]) == {ONE, TWO, HELD}
    assert await found(units=["insight:a"], target_model="m") == {ONE}
    assert await found(units=[]) == set()
    assert await found(unit="none") == set()
    assert await found(units=[f"insight:{n}" for n in range(3000)] + ["insight:a"]) == {ONE, HELD}


async def test_tenants_are_apart(store):
    await store.transact(lambda tx: tx.add_uplift("t", [ONE], 0.5))
    await store.transact(lambda tx: tx.add_uplift("u", [ONE], 1.0))
    assert await store.read(lambda tx: tx.tallies("t")) == {ONE: Tally(1, 0.5, 0.25)}
    assert await store.read(lambda tx: tx.tallies("u")) == {ONE: Tally(1, 1.0, 1.0)}
    assert await store.read(lambda tx: tx.tallies("v")) == {}


async def test_a_key_given_twice_and_no_keys_at_all(store):
    await store.transact(lambda tx: tx.add_uplift("t", [ONE, ONE], 1.0))
    await store.transact(lambda tx: tx.add_uplift("t", [], 1.0))
    await store.transact(lambda tx: tx.replace_uplift("t", [], 1.0, 0.0))
    assert await store.read(lambda tx: tx.tallies("t")) == {ONE: Tally(1, 1.0, 1.0)}


async def test_the_last_word_on_a_request_counts_once(store):
    await store.transact(lambda tx: tx.add_uplift("t", [ONE, TWO], 0.5))
    await store.transact(lambda tx: tx.add_uplift("t", [ONE], 0.25))
    await store.transact(lambda tx: tx.replace_uplift("t", [ONE, TWO], 0.5, 1.0))
    found = await store.read(lambda tx: tx.tallies("t"))
    assert found == {ONE: Tally(2, 1.25, 1.0625), TWO: Tally(1, 1.0, 1.0)}
    await store.transact(lambda tx: tx.replace_uplift("t", [ONE, TWO], 1.0, 0.0))
    found = await store.read(lambda tx: tx.tallies("t"))
    assert found == {ONE: Tally(2, 0.25, 0.0625), TWO: Tally(1, 0.0, 0.0)}


async def test_where_no_score_was_counted_the_new_one_is(store):
    await store.transact(lambda tx: tx.replace_uplift("t", [ONE], 0.5, 1.0))
    assert await store.read(lambda tx: tx.tallies("t")) == {ONE: Tally(1, 1.0, 1.0)}


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_any_words_and_last_words_leave_sums_of_scores(words):
    async def work():
        store = await open_store("sqlite:///:memory:")
        try:
            for first, last in words:
                await store.transact(lambda tx, s=first: tx.add_uplift("t", [ONE], s))
                await store.transact(lambda tx, s=(first, last): tx.replace_uplift("t", [ONE], *s))
            tally = (await store.read(lambda tx: tx.tallies("t")))[ONE]
        finally:
            await store.close()
        lasts = [last for _, last in words]
        assert tally.n == len(lasts)
        assert tally.total == pytest.approx(sum(lasts), abs=1e-9)
        assert tally.squares == pytest.approx(sum(x * x for x in lasts), abs=1e-9)
        assert 0.0 <= tally.squares <= tally.total <= tally.n

    asyncio.run(work())


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf, "1", True])
async def test_what_is_no_score_is_refused_and_changes_nothing(store, score):
    await store.transact(lambda tx: tx.add_uplift("t", [ONE], 0.5))
    for work in (
        lambda tx: tx.add_uplift("t", [ONE], score),
        lambda tx: tx.replace_uplift("t", [ONE], 0.5, score),
        lambda tx: tx.replace_uplift("t", [ONE], score, 0.5),
    ):
        with pytest.raises(InvalidInputError, match="score"):
            await store.transact(work)
    assert await store.read(lambda tx: tx.tallies("t")) == {ONE: Tally(1, 0.5, 0.25)}


async def test_reading_writes_nothing(store):
    with pytest.raises(StoreError, match="write in transact"):
        await store.read(lambda tx: tx.add_uplift("t", [ONE], 0.5))
    assert await store.read(lambda tx: tx.tallies("t")) == {}


async def test_no_score_of_several_writers_is_lost(tmp_path):
    stores = [await open_store(f"sqlite:///{tmp_path}/s.db") for _ in range(3)]
    await asyncio.gather(
        *(
            store.transact(lambda tx: tx.add_uplift("t", [ONE, TWO], 0.5))
            for store in stores
            for _ in range(20)
        )
    )
    found = await stores[0].read(lambda tx: tx.tallies("t"))
    close(found[ONE], 60, 30.0, 15.0)
    close(found[TWO], 60, 30.0, 15.0)
    for store in stores:
        await store.close()


async def test_sums_are_there_after_a_restart(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    first = await open_store(url)
    await first.transact(lambda tx: tx.add_uplift("t", [ONE], 0.5))
    await first.close()
    second = await open_store(url)
    assert await second.read(lambda tx: tx.tallies("t")) == {ONE: Tally(1, 0.5, 0.25)}
    await second.close()


@pytest.mark.parametrize("dialect", [postgresql.dialect(), sqlite.dialect()])
def test_every_database_is_told_the_same(dialect):
    said = " ".join(str(upsert(dialect.name, Tally(1, 0.5, 0.25)).compile(dialect=dialect)).split())
    assert "ON CONFLICT (tenant, unit, target_model, task_type, arm) DO UPDATE SET n =" in said
    assert said.count("(uplift.") == 3  # what is there, not what was to be inserted
