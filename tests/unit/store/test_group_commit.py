"""Works that wait share a transaction, and yet each is whole or not at all."""

import asyncio
import threading

import pytest

from crossmodel.domain.insight import Insight
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord
from crossmodel.domain.selection import Outcome
from crossmodel.errors import InvalidInputError, StoreConflictError, StoreError
from crossmodel.store import open_store


def selection(name):
    return SelectionRecord(name, "t", "m", 0.5, (), {}, utc_now(), 1.0)


@pytest.fixture
async def store(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    yield store
    await store.close()


@pytest.fixture
def commits(store):
    """How many transactions there have been."""
    import sqlalchemy as sa

    seen = []
    sa.event.listen(store._writer, "commit", seen.append)
    return seen


async def together(store, works):
    """Run works that all wait while another one runs; what came of each."""
    blocked, go_on = threading.Event(), threading.Event()

    def block(_tx):
        blocked.set()
        assert go_on.wait(10)

    first = asyncio.create_task(store.transact(block))
    await asyncio.to_thread(blocked.wait)
    waiting = [asyncio.create_task(store.transact(work)) for work in works]
    await asyncio.sleep(0)
    go_on.set()
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_works_that_wait_share_a_commit_in_their_order(store, commits):
    def add(name):
        def work(tx):
            seen = [n for n in range(10) if tx.get_selection("t", str(n))]
            tx.add_selection(selection(str(name)))
            return seen

        return work

    found = await together(store, [add(n) for n in range(10)])
    assert found == [list(range(n)) for n in range(10)]
    assert len(commits) == 2


async def test_a_work_that_raises_takes_only_its_own_changes_back(store, commits):
    def good(name):
        return lambda tx: tx.add_selection(selection(name))

    def bad(tx):
        tx.add_selection(selection("bad"))
        tx.add_outcome("t", Outcome("bad", "m", success=True))
        raise InvalidInputError("no")

    def twice(tx):
        tx.add_outcome("t", Outcome("twice", "m", success=True))
        tx.add_selection(selection("a"))  # is there already: the database refuses it

    def stops(_tx):
        raise StopIteration

    found = await together(store, [good("a"), bad, good("b"), twice, stops, good("c")])
    assert [type(each) for each in found] == [
        type(None),
        InvalidInputError,
        type(None),
        StoreConflictError,
        RuntimeError,
        type(None),
    ]
    assert "UNIQUE" in str(found[3])

    def check(tx):
        assert [name for name in ("a", "b", "c", "bad") if tx.get_selection("t", name)] == [
            "a",
            "b",
            "c",
        ]
        assert tx.outcomes("t", "bad") == tx.outcomes("t", "twice") == []

    await store.read(check)
    assert len(commits) == 2


async def test_what_a_work_that_raised_erased_stays_known(store):
    insight = Insight("Ticket 47 goes to the red desk.")
    await store.transact(lambda tx: tx.add_insights("t", [insight]))

    def erase_and_raise(tx):
        tx.erase_insights("t", [insight.id])
        raise InvalidInputError("no")

    other = Insight("Ticket 11 goes to the blue desk.")
    await together(store, [erase_and_raise, lambda tx: tx.add_insights("t", [other])])
    found = await store.read(lambda tx: tx.search_insights("t", "which desk takes ticket 47"))
    assert insight.id in {each.insight.id for each in found}
    await together(store, [lambda tx: tx.erase_insights("t", [insight.id]), lambda _tx: None])
    found = await store.read(lambda tx: tx.search_insights("t", "which desk takes ticket 47"))
    assert insight.id not in {each.insight.id for each in found}


async def test_nobody_is_told_before_all_is_durable(store):
    import sqlalchemy as sa

    told = []
    at_commit = []
    sa.event.listen(store._writer, "commit", lambda _connection: at_commit.append(list(told)))

    async def add(name):
        await store.transact(lambda tx: tx.add_selection(selection(name)))
        told.append(name)

    blocked, go_on = threading.Event(), threading.Event()
    first = asyncio.create_task(store.transact(lambda _tx: [blocked.set(), go_on.wait(10)]))
    await asyncio.to_thread(blocked.wait)
    tasks = [asyncio.create_task(add(str(n))) for n in range(5)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *tasks)
    assert at_commit == [[], []]
    assert len(told) == 5


async def test_a_database_that_takes_all_back_tells_all(store, tmp_path):
    def end_it(tx):
        tx.add_selection(selection("lost"))
        tx._connection.exec_driver_sql("ROLLBACK")  # as SQLite itself does when the disk is full

    works = [lambda tx: tx.add_selection(selection("a")), end_it, lambda _tx: None]
    found = await together(store, works)
    assert [type(each) for each in found] == [StoreError] * 3
    assert await store.read(lambda tx: tx.get_selection("t", "a")) is None
    await store.transact(lambda tx: tx.add_selection(selection("a")))  # and it goes on


async def test_who_has_left_is_not_served(store):
    ran = []
    blocked, go_on = threading.Event(), threading.Event()

    def block(_tx):
        blocked.set()
        assert go_on.wait(10)

    first = asyncio.create_task(store.transact(block))
    await asyncio.to_thread(blocked.wait)
    leaving = asyncio.create_task(store.transact(lambda _tx: ran.append("left")))
    staying = asyncio.create_task(store.transact(lambda _tx: ran.append("stayed")))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, staying)
    assert ran == ["stayed"]


async def test_a_closed_store_refuses_and_finishes_what_it_took(store):
    waiting = [
        asyncio.create_task(store.transact(lambda tx, n=n: tx.add_selection(selection(str(n)))))
        for n in range(20)
    ]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*waiting)
    with pytest.raises(StoreError, match="closed"):
        await store.transact(lambda _tx: None)
