"""Pages of insights, decisions and uses: whole, in order, each as quick as the first."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.insight import Insight, Standing
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord, TransferRecord
from crossmodel.errors import InvalidInputError
from crossmodel.store import open_store, pages


@pytest.fixture
async def store(durable_url):
    opened = await open_store(durable_url)
    yield opened
    await opened.close()


def insight(number, **more):
    return Insight(content=f"Fact {number} of {number * 7919 % 1000003}.", **more)


def selection(tenant="t", model="m"):
    return SelectionRecord(time_ordered_id("req_"), tenant, model, 0.5, ("n",), {}, utc_now(), 1.0)


def transfer(*ids, tenant="t"):
    return TransferRecord(
        time_ordered_id("req_"), tenant, "m", "standard", True, ids, 0.5, 3, "", utc_now()
    )


async def walk(store, method, tenant="t", limit=7, **asked):
    """All of it, page by page, and how many pages."""
    found, before, count = [], None, 0
    while True:
        page, before = await store.read(
            lambda tx, b=before: getattr(tx, method)(tenant, before=b, limit=limit, **asked)
        )
        found += page
        count += 1
        if before is None:
            return found, count


@pytest.mark.parametrize("limit", [1, 7, 25, 26, 1000])
async def test_pages_give_what_the_list_gives(store, limit):
    made = [insight(n, insight_type="math" if n % 5 else "coding") for n in range(25)]
    await store.transact(lambda tx: tx.add_insights("t", made))
    await store.transact(lambda tx: tx.add_insights("u", [insight(n) for n in range(100, 140)]))
    await store.transact(lambda tx: tx.set_standing("t", [made[3].id], Standing.QUARANTINED, "why"))
    for asked in ({}, {"insight_type": "coding"}, {"standing": "active"}, {"standing": "quarantined"},
                  {"standing": "demoted"}, {"standing": "active", "insight_type": "math"}):  # fmt: skip
        listed = await store.read(lambda tx, a=asked: tx.list_insights("t", limit=1000, **a))
        walked, _ = await walk(store, "page_of_insights", limit=limit, **asked)
        assert [each.id for each in walked] == [each.id for each in listed], asked


async def test_decisions_come_newest_first_and_of_their_tenant(store):
    made = [selection(model="a" if n % 3 else "b") for n in range(20)]
    await store.transact(lambda tx: tx.add_selections([*made, selection("u"), selection("u")]))
    walked, count = await walk(store, "page_of_selections", limit=6)
    assert walked == sorted(made, key=lambda each: each.request_id, reverse=True)
    assert count == 4
    of_b, _ = await walk(store, "page_of_selections", model_id="b")
    assert {each.model_id for each in of_b} == {"b"}
    assert len(of_b) == 7


async def test_a_page_looks_at_so_many_and_says_where_to_go_on(store, monkeypatch):
    monkeypatch.setattr(pages, "LOOKED_AT", 10)
    ids = sorted(time_ordered_id("req_") for _ in range(45))  # of one millisecond, in any order
    made = [
        replace(selection(model="rare" if n in {0, 1, 33} else "m"), request_id=each)
        for n, each in enumerate(ids)
    ]
    await store.transact(lambda tx: tx.add_selections(made))
    page, before = await store.read(lambda tx: tx.page_of_selections("t", model_id="rare"))
    assert page == []
    assert before == sorted((each.request_id for each in made), reverse=True)[9]
    walked, count = await walk(store, "page_of_selections", model_id="rare")
    assert len(walked) == 3
    assert count == 5
    insights = [insight(n, insight_type="coding" if n == 0 else "math") for n in range(45)]
    await store.transact(lambda tx: tx.add_insights("t", insights))
    walked, count = await walk(store, "page_of_insights", insight_type="coding")
    assert [each.id for each in walked] == [insights[0].id]
    assert count == 5
    await store.transact(lambda tx: tx.set_standing("t", [insights[0].id], "demoted", "why"))
    aside, count = await walk(store, "page_of_insights", standing="demoted")
    assert (len(aside), count) == (1, 1), "an index knows those"


async def test_uses_are_found_by_the_whole_id(store):
    one = [transfer("ins_a", "ins_b"), transfer("ins_ab"), transfer("ins_a", tenant="u")]
    await store.transact(lambda tx: tx.add_transfers(one))
    assert await store.read(lambda tx: tx.uses_of_insight("t", "ins_a")) == [one[0]]
    for strange in ("%", "_", "ins__", 'ins_a","ins_b', "", "\\"):
        assert await store.read(lambda tx, s=strange: tx.uses_of_insight("t", s)) == []


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": -1}, {"standing": "gone"}])
async def test_what_is_out_of_range_is_refused(store, asked):
    with pytest.raises(InvalidInputError):
        await store.read(lambda tx: tx.page_of_insights("t", **asked))


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "ix_insights_tenant_seq"),
        ({"standing": "quarantined"}, "ix_insights_tenant_standing_seq"),
    ],
)
async def test_an_index_knows_what_comes_next(tmp_path, asked, index):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    said = []
    with sa.create_engine(store._reader.url).connect() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *a: said.append((a[2], a[3])))
        of = {"before": 5, "limit": 3, "insight_type": None, "standing": None} | asked
        pages.Pages(connection).insights("t", **of)
        statement, values = said[-1]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    await store.close()
    told = " ".join(row[3] for row in plan)
    assert index in told
    assert "TEMP B-TREE" not in told


async def test_effects_of_a_kind_are_read_alone(store):
    from crossmodel.domain.uplift import UpliftKey

    keys = [
        UpliftKey("m", "", unit, "insights")
        for unit in ("topic:a", "topics:b", "insight:c", "topic:")
    ]
    await store.transact(lambda tx: tx.add_uplift("t", keys, 1.0))
    found = await store.read(lambda tx: tx.tallies("t", kind="topic"))
    assert {key.unit for key in found} == {"topic:a", "topic:"}


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["a", "b"]), max_size=30), st.integers(1, 9), st.integers(1, 12))
async def test_no_decision_is_missed_or_shown_twice(models, limit, looked_at):
    opened = await open_store("sqlite:///:memory:")
    made = [selection(model=model) for model in models]
    try:
        await opened.transact(lambda tx: tx.add_selections(made))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pages, "LOOKED_AT", looked_at)
            found, _ = await walk(opened, "page_of_selections", limit=limit, model_id="a")
        ids = [each.request_id for each in found]
        wanted = sorted((s.request_id for s in made if s.model_id == "a"), reverse=True)
        assert ids == wanted
    finally:
        await opened.close()
