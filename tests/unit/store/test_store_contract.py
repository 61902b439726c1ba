"""What every store must do; a further adapter joins by a line in ``opened``."""

import asyncio
import math
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.domain.insight import Evidence, Insight
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord, SourceText, TransferRecord
from crossmodel.domain.selection import Outcome
from crossmodel.domain.witness import Commitment, LogLeaf, SignedCheckpoint
from crossmodel.errors import InvalidInputError, NotFoundError, StoreError
from crossmodel.store import open_store

AWKWARD = "CRLF\r\n, NUL \0, e\u0301, \u202ertl, \U0001f9ea, lone \ud800 surrogate"


@pytest.fixture
async def store(store_url):
    opened = await open_store(store_url)
    yield opened
    await opened.close()


def leaf(index, body=b"x", *, about="", tenant="t"):
    return LogLeaf(index, "type", body, bytes([index % 256]) * 32, tenant, about)


def insight(content, **changes):
    return Insight(
        content, evidence=(Evidence(0, 5, "0" * 64), Evidence(7, 9, "1" * 64)), **changes
    )


def selection(request_id, tenant="t"):
    return SelectionRecord(
        request_id, tenant, "m", 0.5, ("a",), {"complexity": 0.5}, utc_now(), 1.5, 0.25
    )


async def test_every_record_comes_back_as_it_was(store):
    source = SourceText(AWKWARD, "m", "t", origin=AWKWARD)
    kept = insight(
        AWKWARD,
        scope=AWKWARD,
        links=("b", "a"),
        metadata={"x": [1, AWKWARD]},
        trust=0.875,
        standing="demoted",
        standing_reason=AWKWARD,
    )
    transfer = TransferRecord("r", "t", "m", "standard", True, (kept.id,), 0.9, 12, "d", utc_now())
    outcomes = [Outcome("r", "m", success=True, latency_ms=3.0), Outcome("r", "m", True, score=0.5)]
    committed = Commitment("d", b"salt", b"value", "t")
    checkpoint = SignedCheckpoint(1, b"r" * 32, "note\n\n— é")

    def write(tx):
        tx.put_models([ModelSpec("m", "p"), ModelSpec("n", "p")])
        tx.put_models([ModelSpec("m", "q")])
        tx.add_selection(selection("r"))
        for outcome in outcomes:
            tx.add_outcome("t", outcome)
        tx.add_source(source)
        tx.add_source(source)
        assert tx.add_insights("t", [kept, kept]) == [kept.id]
        assert tx.add_insights("t", [kept]) == []
        tx.add_transfer(transfer)
        tx.append_leaves([leaf(0, b"\0\xff", about="r")])
        tx.append_leaves([leaf(1, b"later", about="r"), leaf(2, b"other", about="r", tenant="u")])
        tx.write_nodes({(1, 0): b"n" * 32})
        tx.put_commitments({0: [committed]})
        tx.put_signatures(1, {"k": b"s", "l": b"t"})
        tx.add_checkpoint(checkpoint)
        tx.add_checkpoint(checkpoint)

    await store.transact(write)

    def check(tx):
        got = tx.get_selection("t", "r")
        assert (got.request_id, got.alternatives, got.requirement) == (
            "r",
            ("a",),
            {"complexity": 0.5},
        )
        assert got.selected_at.tzinfo is not None
        assert tx.outcomes("t", "r") == outcomes
        assert tx.get_source("t", source.sha256) == source
        assert tx.get_insights("t", ["nobody", kept.id]) == [kept]
        assert tx.list_insights("t") == [kept]
        assert tx.list_insights("t", insight_type="coding") == []
        assert tx.count_insights("t") == 1
        assert tx.get_transfer("t", "r") == transfer
        first, second = leaf(0, b"\0\xff", about="r"), leaf(1, b"later", about="r")
        assert list(tx.leaves(-1, 2)) == [first, second]
        assert tx.leaves_about("t", "r") == [first, second]
        assert tx.leaves_about("t", "R") == []
        assert tx.get_signatures(1) == {"k": b"s", "l": b"t"}
        assert tx.get_signatures(0) == {}
        assert tx.read_nodes([(0, 0), (1, 0), (5, 5)]) == {
            (0, 0): leaf(0).leaf_hash,
            (1, 0): b"n" * 32,
        }
        for of in (0, 1):  # the second is about the same request
            assert tx.get_commitments(of, ["d", "x"]) == {"d": committed}
        assert tx.get_commitments(2, ["d", "x"]) == {}
        assert tx.latest_checkpoint() == checkpoint
        assert list(tx.checkpoints()) == [checkpoint]
        assert list(tx.checkpoints(2)) == []

    await store.read(check)


async def test_tenants_are_hard_partitions(store):
    mine = insight("the ticket code of the north queue")
    source = SourceText("text", "m", "a")

    def write(tx):
        tx.add_insights("a", [mine])
        tx.add_insights("b", [insight("another ticket code")])
        tx.add_source(source)
        tx.add_selection(selection("r", "a"))
        tx.add_outcome("a", Outcome("r", "m", success=True))

    await store.transact(write)

    def check(tx):
        assert tx.get_insights("b", [mine.id]) == []
        assert [hit.insight for hit in tx.search_insights("a", "ticket code")] == [mine]
        assert tx.get_source("b", source.sha256) is None
        assert tx.get_selection("b", "r") is None
        assert tx.outcomes("b", "r") == []
        assert tx.count_insights("c") == 0

    await store.read(check)


async def test_the_same_insight_may_belong_to_two_tenants(store):
    shared = insight("shared")
    for tenant in ("a", "b"):
        assert await store.transact(lambda tx, t=tenant: tx.add_insights(t, [shared])) == [
            shared.id
        ]


async def test_search_finds_codes_by_their_parts_and_ranks_better_matches_first(store):
    texts = [
        "Refunds are written ZX-41",
        "Refunds are slow",
        "Nothing of the kind",
        "Café opens at 9",
    ]
    await store.transact(lambda tx: tx.add_insights("t", [insight(t) for t in texts]))

    def find(query, limit=10):
        return store.read(
            lambda tx: [h.insight.content for h in tx.search_insights("t", query, limit=limit)]
        )

    assert await find("refunds ZX-41") == texts[:2]
    assert await find("zx") == texts[:1]
    assert await find("cafe") == [texts[3]]
    assert await find("cafe\u0301") == [texts[3]]  # the accent on its own
    assert await find("refunds", limit=1) == [texts[1]]
    assert await find("refunds", limit=0) == []
    hits = await store.read(lambda tx: tx.search_insights("t", "refunds ZX-41"))
    assert all(0 <= hit.relevance <= 1 for hit in hits)
    assert hits[0].relevance >= hits[1].relevance


@settings(max_examples=60)
@given(query=st.text() | st.text('"*^:(){}[]-+ANDORNEAR \0', max_size=30))
def test_any_text_is_a_valid_query(query):
    async def work():
        store = await open_store("sqlite:///:memory:")
        try:
            await store.transact(lambda tx: tx.add_insights("t", [insight("a b c")]))
            await store.read(lambda tx: tx.search_insights("t", query))
            await store.read(lambda tx: tx.search_insights("t", query * 10_000, limit=3))
        finally:
            await store.close()

    asyncio.run(work())


async def test_a_standing_is_kept_with_its_reason_and_can_be_taken_back(store):
    kept = [insight(f"number {n}") for n in range(1200)]
    ids = [each.id for each in kept]
    await store.transact(lambda tx: tx.add_insights("t", kept))

    def stand(tenant, of, standing, reason=""):
        return store.transact(lambda tx: tx.set_standing(tenant, of, standing, reason))

    assert await stand("u", ids, "quarantined", "not theirs to say") == []
    assert await store.read(lambda tx: tx.list_insights("t", standing="quarantined")) == []
    changed = await stand("t", [*ids[:1100], "nobody", ids[0]], "quarantined", AWKWARD)
    assert sorted(changed) == sorted(ids[:1100])
    assert await stand("t", ids[:3], "quarantined", "another reason") == []
    [first, other] = await store.read(lambda tx: tx.get_insights("t", [ids[0], ids[5]]))
    assert (first.standing, first.standing_reason) == ("quarantined", "another reason")
    assert other.standing_reason == AWKWARD
    assert await stand("t", ids[:1], "active", "is forgotten") == [ids[0]]
    assert await store.read(lambda tx: tx.get_insights("t", ids[:1])) == kept[:1]
    listed = await store.read(lambda tx: tx.list_insights("t", standing="active", limit=2000))
    assert {each.id for each in listed} == {ids[0], *ids[1100:]}
    assert await store.read(lambda tx: tx.list_insights("u", standing="active")) == []


@pytest.mark.parametrize(
    ("standing", "reason", "message"),
    [("banished", "x", "standing must be one of"), ("quarantined", " ", "reason must be")],
)
async def test_a_standing_that_is_none_or_has_no_reason_is_refused(
    store, standing, reason, message
):
    kept = insight("x")
    await store.transact(lambda tx: tx.add_insights("t", [kept]))
    with pytest.raises(InvalidInputError, match=message):
        await store.transact(lambda tx: tx.set_standing("t", [kept.id], standing, reason))
    with pytest.raises(InvalidInputError, match="standing must be one of"):
        await store.read(lambda tx: tx.list_insights("t", standing="banished"))


async def test_erasing_takes_what_is_there_and_passes_over_the_rest(store):
    mine = insight("the ticket code of the north queue")
    await store.transact(lambda tx: tx.add_insights("t", [mine]))
    for tenant, ids in (("t", []), ("t", ["nobody"]), ("u", [mine.id])):
        erased = await store.transact(lambda tx, t=tenant, i=ids: tx.erase_insights(t, i))
        assert (erased.insight_ids, erased.counts) == ((), {})
    erased = await store.transact(lambda tx: tx.erase_insights("t", ["nobody", mine.id]))
    assert erased.insight_ids == (mine.id,)
    assert await store.scrub()
    assert await store.read(lambda tx: tx.count_insights("t")) == 0
    await store.transact(lambda tx: tx.add_insights("t", [mine]))
    with pytest.raises(StoreError, match="in transact, not in read"):
        await store.read(lambda tx: tx.erase_insights("t", [mine.id]))


async def test_a_failed_transaction_changes_nothing_and_keeps_its_error(store):
    class OwnError(Exception):
        pass

    def work(tx):
        tx.add_insights("t", [insight("lost")])
        tx.append_leaves([leaf(0)])
        raise OwnError

    with pytest.raises(OwnError):
        await store.transact(work)
    assert await store.read(lambda tx: (tx.count_insights("t"), tx.log_size())) == (0, 0)
    await store.transact(lambda tx: tx.append_leaves([leaf(0)]))


@pytest.mark.parametrize("indexes", [[1], [0, 2], [0, 0], [-1]])
async def test_the_log_takes_no_gap_and_no_duplicate(store, indexes):
    with pytest.raises(StoreError, match="next leaf"):
        await store.transact(lambda tx: tx.append_leaves([leaf(i) for i in indexes]))
    assert await store.read(lambda tx: tx.log_size()) == 0


async def test_leaves_come_in_order_over_any_range(store):
    log = [leaf(index, str(index).encode()) for index in range(1234)]
    await store.transact(lambda tx: tx.append_leaves(log))
    for start, stop in (
        (0, 1234),
        (3, 1003),
        (500, 10**15),
        (-5, 2),
        (7, 7),
        (9, 3),
        (9999, 10**9),
    ):
        assert (
            await store.read(lambda tx, a=start, b=stop: list(tx.leaves(a, b)))
            == (log[max(start, 0) : stop])
        )


async def test_a_second_head_of_one_size_is_refused(store):
    await store.transact(lambda tx: tx.add_checkpoint(SignedCheckpoint(3, b"a" * 32, "n")))
    with pytest.raises(StoreError, match="forked"):
        await store.transact(lambda tx: tx.add_checkpoint(SignedCheckpoint(3, b"b" * 32, "n")))


async def test_errors_say_what_the_database_said_but_not_what_rows_held(store):
    await store.transact(lambda tx: tx.add_selection(selection("r")))
    with pytest.raises(StoreError, match=r"(?i)unique") as caught:
        await store.transact(lambda tx: tx.add_selection(selection("r")))
    assert "complexity" not in str(caught.value)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda tx: tx.add_insights("\ud800", [insight("x")]), "surrogate"),
        (lambda tx: tx.add_selection(selection("\udfff")), "surrogate"),
        (lambda tx: tx.add_source(SourceText("x", "m\ud83d", "t")), "surrogate"),
        (lambda tx: tx.append_leaves([LogLeaf(1, "\ud800", b"", b"")]), "surrogate"),
        (lambda tx: tx.add_outcome("t", Outcome("r", "m", True, score=math.nan)), "NaN"),
        (
            lambda tx: tx.add_insights(
                "t", [Insight("x", evidence=(Evidence(0, 2**64, "0" * 64),))]
            ),
            "64 bits",
        ),
        (
            lambda tx: tx.add_outcome(
                "t",
                Outcome("r", "m", True, recorded_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - the point
            ),
            "time zone",
        ),
        (lambda tx: tx.list_insights("t", limit=-1), "limit"),
        (lambda tx: tx.list_insights("t", offset=-1), "offset"),
    ],
)
async def test_what_cannot_be_kept_exactly_is_refused_with_all_that_came_with_it(
    store, work, message
):
    def both(tx):
        tx.append_leaves([leaf(0)])
        work(tx)

    with pytest.raises(InvalidInputError, match=message):
        await store.transact(both)
    assert await store.read(lambda tx: (tx.log_size(), tx.count_insights("t"))) == (0, 0)
    await store.transact(lambda tx: tx.append_leaves([leaf(0)]))


async def test_a_snapshot_cannot_write(store):
    with pytest.raises(StoreError, match="in transact, not in read"):
        await store.read(lambda tx: tx.write_nodes({(1, 0): b"x"}))
    assert await store.read(lambda tx: tx.read_nodes([(1, 0)])) == {}
    await store.transact(lambda tx: tx.write_nodes({(1, 0): b"x"}))
    assert await store.read(lambda tx: tx.read_nodes([(1, 0)])) == {(1, 0): b"x"}


async def test_an_error_that_no_future_can_carry_does_not_hang_its_caller(store):
    for run in (store.read, store.transact):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(run(lambda _tx: next(iter(()))), 10)


async def test_one_row_of_each_model_is_kept_though_it_comes_twice(store):
    for _ in range(2):
        await store.transact(lambda tx: tx.put_models([ModelSpec("m", "p"), ModelSpec("m", "q")]))


async def test_thousands_of_commitments_at_once(store):
    many = [Commitment(f"{n:064x}", bytes([n % 256]) * 32, b"v") for n in range(4000)]
    await store.transact(lambda tx: tx.put_commitments({7: many}))
    digests = [each.digest for each in many]
    found = await store.read(lambda tx: tx.get_commitments(7, digests))
    assert found == {c.digest: c for c in many}


async def test_a_signature_line_is_added_once_and_only_to_a_head_that_there_is(store):
    head = SignedCheckpoint(3, b"r" * 32, "log\n3\nroot\n\n— log AAAA\n")
    await store.transact(lambda tx: tx.add_checkpoint(head))
    for _ in range(2):
        await store.transact(lambda tx: tx.attach_signature(3, "— witness BBBB"))
    kept = await store.read(lambda tx: tx.latest_checkpoint())
    assert kept.note == head.note + "— witness BBBB\n"
    with pytest.raises(NotFoundError, match="size 4"):
        await store.transact(lambda tx: tx.attach_signature(4, "— witness BBBB"))


async def test_many_tasks_at_once_lose_nothing(store):
    async def one(number):
        def work(tx):
            tx.append_leaves([leaf(tx.log_size(), str(number).encode())])
            tx.add_insights("t", [insight(f"insight {number}")])

        await store.transact(work)
        return await store.read(lambda tx: tx.count_insights("t"))

    counts = await asyncio.gather(*(one(number) for number in range(64)))
    assert max(counts) == 64
    bodies = await store.read(lambda tx: [each.statement for each in tx.leaves(0, 64)])
    assert sorted(bodies, key=int) == [str(n).encode() for n in range(64)]


async def test_a_cancelled_caller_leaves_no_half_transaction_and_no_locked_writer(store):
    started, go_on = threading.Event(), threading.Event()

    def slow(tx):
        tx.add_insights("t", [insight("first")])
        started.set()
        go_on.wait(10)
        tx.add_insights("t", [insight("second")])

    task = asyncio.create_task(store.transact(slow))
    await asyncio.to_thread(started.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await store.transact(lambda tx: tx.add_insights("t", [insight("third")]))
    assert await store.read(lambda tx: tx.count_insights("t")) in {1, 3}


async def test_spending_is_summed_by_tenant_and_key_since_a_day(store):
    today = datetime(2026, 3, 1, tzinfo=UTC)
    for at, tenant, key, cost in (
        (today, "a", None, 0.5),
        (today + timedelta(hours=23, minutes=59), "a", "ci", 0.25),
        (today, "a", "ci", 0.25),
        (today, "b", "CI", 0.125),
        (today, "a", None, None),
        (today, "a", None, math.inf),
        (today - timedelta(microseconds=1), "a", "ci", 8.0),
    ):
        outcome = Outcome("r", "m", success=True, cost_usd=cost, recorded_at=at, key=key)
        await store.transact(lambda tx, t=tenant, o=outcome: tx.add_outcomes([(t, o), (t, o)]))
    since = {("a", None): 1.0, ("a", "ci"): 1.0, ("b", "CI"): 0.25}
    assert await store.read(lambda tx: tx.spent_usd(today.date())) == since
    tomorrow = today.date() + timedelta(days=1)
    assert await store.read(lambda tx: tx.spent_usd(tomorrow)) == {}
    yesterday = today.date() - timedelta(days=1)
    assert await store.read(lambda tx: tx.spent_usd(yesterday)) == since | {("a", "ci"): 17.0}
    kept = await store.read(lambda tx: tx.outcomes("b", "r"))
    assert [each.key for each in kept] == ["CI", "CI"]


async def test_what_is_rolled_back_was_not_spent(store):
    def fails(tx):
        tx.add_outcome("t", Outcome("r", "m", success=True, cost_usd=1.0))
        raise InvalidInputError("no")

    with pytest.raises(InvalidInputError):
        await store.transact(fails)
    assert await store.read(lambda tx: tx.spent_usd(utc_now().date())) == {}


async def test_ten_thousand_insights_at_once(store):
    many = [insight(f"number {n}") for n in range(10_000)]
    assert len(await store.transact(lambda tx: tx.add_insights("t", many))) == 10_000
    ids = [each.id for each in many]
    assert await store.read(lambda tx: tx.get_insights("t", ids)) == many


async def test_using_a_closed_store_says_so(store):
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.read(lambda tx: tx.log_size())


async def test_whose_insights_are_of_which_model_is_told_of_new_ones_alone(store):
    def add(tenant, content, model):
        return store.transact(
            lambda tx: tx.add_insights(tenant, [insight(content, source_model=model)])
        )

    def sources(after=0):
        return store.read(lambda tx: tx.insight_sources(after))

    assert await sources() == (0, set())
    await add("t", "one", "m")
    await add("u", "two", "m")
    after, found = await sources()
    assert found == {("t", "m"), ("u", "m")}
    assert await sources(after) == (after, {("u", "m")})
    (newest,) = await add("u", "three", "n")
    later, found = await sources(after)
    assert found == {("u", "m"), ("u", "n")}
    await store.transact(lambda tx: tx.erase_insights("u", [newest]))
    assert await sources(later) == (0, set())
    await add("v", "four", "o")  # takes the row of the one that is gone
    assert ("v", "o") in (await sources(later))[1]
