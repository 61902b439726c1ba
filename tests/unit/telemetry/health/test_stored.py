"""The store's check: what is slow, what stands still, what waits."""

from dataclasses import replace

import pytest

from crossmodel import StoreHealthCheck
from crossmodel.domain.alerts import Severity
from crossmodel.errors import StoreError
from crossmodel.monitoring import look_at_store
from crossmodel.store import open_store
from crossmodel.telemetry.health.stored import StoreFigures


class Store:
    def __init__(self):
        self.figures, self.now = StoreFigures(write_ms=5, handed_over=0), 0.0

    def check(self):
        return StoreHealthCheck(lambda: self.figures, max_lag_seconds=300, clock=lambda: self.now)


@pytest.fixture
def store():
    return Store()


def subjects(result):
    return [each.subject for each in result.findings]


def test_without_a_store_it_is_healthy():
    assert StoreHealthCheck().check().is_healthy


def test_a_slow_write_is_a_warning(store):
    check = store.check()
    store.figures = replace(store.figures, write_ms=2500.0)
    (finding,) = check.check().findings
    assert (finding.subject, finding.severity) == ("writes", Severity.WARNING)


def test_a_log_that_stands_still_while_records_come_is_a_finding(store):
    check = store.check()
    for minute in range(10):
        store.now = minute * 60.0
        store.figures = replace(store.figures, handed_over=minute, log_size=7, signed_size=7)
        result = check.check()
        stalled_since = 60.0 if minute else None  # it grew in the first
        assert bool(result.findings) is (bool(minute) and store.now - stalled_since > 300)
    store.figures = replace(store.figures, log_size=8, signed_size=8)
    assert check.check().is_healthy


def test_a_log_that_nobody_writes_to_may_stand_still(store):
    check = store.check()
    for minute in range(100):
        store.now = minute * 60.0
        assert check.check().is_healthy


def test_records_that_wait_long_for_a_checkpoint_are_a_finding(store):
    check = store.check()
    for minute in range(10):
        store.now = minute * 60.0
        store.figures = replace(store.figures, log_size=10 + minute, signed_size=10)
        result = check.check()
    assert subjects(result) == ["checkpoint"]
    assert "9 records have waited for a checkpoint for 480 s" in result.findings[0].message
    assert result.is_healthy  # a warning: they are durable
    store.figures = replace(store.figures, signed_size=19)
    assert not check.check().findings


def test_checkpoints_that_follow_a_growing_log_are_well(store):
    check = store.check()
    for minute in range(100):
        store.now = minute * 60.0
        store.figures = replace(store.figures, log_size=10 * minute + 5, signed_size=10 * minute)
        assert check.check().is_healthy, minute


def test_lost_records_are_told_once(store):
    check = store.check()
    store.figures = replace(store.figures, lost=3)
    assert subjects(check.check()) == ["records"]
    assert check.check().is_healthy


def test_what_cannot_be_asked_raises(store):
    def fail():
        raise StoreError("disk is full")

    with pytest.raises(StoreError, match="disk is full"):
        StoreHealthCheck(fail).check()


async def test_a_real_store_is_written_and_read(tmp_path):
    opened = await open_store(f"sqlite:///{tmp_path}/s.db")
    figures = await look_at_store(opened)
    assert figures.write_ms > 0
    assert figures.read_ms > 0
    assert (figures.log_size, figures.signed_size) == (0, 0)
    await opened.close()
    with pytest.raises(StoreError, match="closed"):
        await look_at_store(opened)
