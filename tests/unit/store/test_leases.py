"""Leases on each database: what transactions of several processes leave behind."""

import asyncio
from datetime import date

import pytest

from crossmodel.domain.leases import BudgetAsk, RateAsk
from crossmodel.store import open_store

DAY = date(2026, 5, 1)


@pytest.fixture
async def store(store_url):
    made = await open_store(store_url)
    yield made
    await made.close()


def ask(limit=1000, hold=0, *needs, want=0, unused=0, period="2026-05-01", owner="ci"):
    return BudgetAsk("key", owner, "daily_budget", period, DAY, limit, hold, unused, needs, want)


def rate(used=0.0, hold=0.0, *needs, want=0.0, what="requests"):
    return RateAsk("ci", what, 1e-6, 16.0, used, hold, needs, want)


async def lease(store, holder, budgets=(), rates=()):
    granted = await store.transact(lambda tx: tx.lease(holder, budgets, rates))
    return granted.budgets, granted.rates


async def test_a_budget_is_divided_and_given_back(store):
    (first,), _ = await lease(store, "a", [ask(1000, 0, 600)])
    assert (first.granted, first.committed_before, first.committed) == (600, 0, 600)
    (second,), _ = await lease(store, "b", [ask(1000, 0, 600)])
    assert (second.granted, second.committed) == (0, 600)
    (third,), _ = await lease(store, "b", [ask(1000, 0, 500, 300)])
    assert third.granted == 300, "the first is too large, the second is not"
    await lease(store, "a", [ask(1000, 100)])
    (fourth,), _ = await lease(store, "b", [ask(1000, 300, want=400)])
    assert fourth.granted == 300 + (1000 - 400) // 8
    committed = await store.read(lambda tx: tx.leased_budgets("daily_budget", "2026-05-01"))
    assert committed == {("key", "ci"): 100 + fourth.granted}


async def test_to_ask_again_changes_nothing(store):
    """As where nobody knows whether an answer that did not arrive was durable."""
    for _ in range(3):
        (granted,), (units,) = await lease(store, "a", [ask(1000, 0, 600)], [rate(0.0, 0.0, 5.0)])
        assert (granted.granted, granted.committed) == (600, 600)
        assert units.held == 5.0
        assert units.left == pytest.approx(11.0, abs=1e-3)


async def test_who_ends_leaves_what_it_has_committed(store):
    await lease(store, "a", [ask(1000, 0, 600)])
    await lease(store, "a", [ask(1000, 50)])
    await store.transact(lambda tx: tx.end_leases("a"))
    (granted,), _ = await lease(store, "b", [ask(1000, 0, 950)])
    assert (granted.granted, granted.committed_before) == (950, 50)


async def test_more_than_there_is_can_be_held_but_not_granted(store):
    """Answers may be longer than anything that was set aside; limits may be lowered."""
    (granted,), _ = await lease(store, "a", [ask(1000, 1200, 1, want=100)])
    assert granted.granted == granted.committed == 1200
    (granted,), _ = await lease(store, "b", [ask(500, 0, 1)])
    assert granted.granted == 0


async def test_units_are_in_the_bucket_or_leased(store):
    _, (one,) = await lease(store, "a", rates=[rate(0.0, 0.0, *[1.0] * 10)])
    assert one.held == 10.0
    _, (other,) = await lease(store, "b", rates=[rate(0.0, 0.0, *[1.0] * 10)])
    assert other.held == 6.0
    _, (one,) = await lease(store, "a", rates=[rate(4.0, 2.0)])
    assert (one.held, one.left) == (2.0, pytest.approx(4.0, abs=1e-3))
    _, (one,) = await lease(store, "a", rates=[rate(9.0, 0.0)])
    assert one.left == pytest.approx(1.0, abs=1e-3), "more was used than was leased"


async def test_old_periods_are_forgotten(store):
    await lease(store, "a", [ask(1000, 0, 600), ask(1000, 0, 600, period="2026-04-01")])
    await store.transact(lambda tx: tx.forget_leases("daily_budget", "2026-04-20"))
    for period, kept in (("2026-05-01", 1), ("2026-04-01", 0)):
        committed = await store.read(lambda tx, at=period: tx.leased_budgets("daily_budget", at))
        assert len(committed) == kept


async def test_processes_that_ask_at_once_get_no_more_than_there_is(durable_url):
    stores = [await open_store(durable_url) for _ in range(4)]

    async def spend(store, holder):
        hold = 0
        for _ in range(20):
            budgets, _ = await lease(
                store, holder, [ask(1000, hold, 30), ask(700, 0, 9, owner="x")]
            )
            hold = budgets[0].granted
        return hold

    held = await asyncio.gather(*(spend(each, f"r{n}") for n, each in enumerate(stores)))
    assert sum(held) == 990
    committed = await stores[0].read(lambda tx: tx.leased_budgets("daily_budget", "2026-05-01"))
    assert committed["key", "ci"] == 990
    for each in stores:
        await each.close()
