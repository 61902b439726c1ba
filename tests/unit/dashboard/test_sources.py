"""Figures and alerts as pages show them, from a real store."""

from datetime import UTC, datetime, timedelta

from crossmodel import CrossModel, HealthCheckResult, TimePeriod
from crossmodel.dashboard.gateway import Gateway
from crossmodel.dashboard.sources import BUCKETS, Sources, requests_over_time
from crossmodel.domain.alerts import Silence
from crossmodel.domain.performance import PerformanceReport, TrafficFigures, TrendPoint
from crossmodel.telemetry.alerts import AlertManager

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def settings_in(folder, **more):
    return {
        "store": {"url": f"sqlite:///{folder / 'store.db'}"},
        "witness": {"key_dir": str(folder / "keys")},
        "providers": [{"id": "echo", "kind": "fake"}],
        "models": [{"id": "m", "provider": "echo", "input_price": 3, "output_price": 15}],
        **more,
    }


def test_requests_fall_into_equal_parts_of_the_period():
    period = TimePeriod(NOW - timedelta(hours=24), NOW)
    trend = tuple(
        TrendPoint(period.start + timedelta(hours=hour), 3600, TrafficFigures(requests=hour + 1))
        for hour in range(24)
    )
    report = PerformanceReport(period, trend=trend)
    assert requests_over_time(report) == list(range(1, BUCKETS + 1))


def test_no_time_at_all_is_one_part():
    point = TrendPoint(NOW, 60, TrafficFigures(requests=3))
    report = PerformanceReport(TimePeriod(NOW, NOW), trend=(point,))
    assert sum(requests_over_time(report)) == 3


async def test_the_traffic_is_that_of_the_tenant(tmp_path):
    async with CrossModel.open(settings_in(tmp_path)) as cm:
        await cm.complete("Which way is up?", model="m")
        sources = Sources(cm, Gateway(cm.settings))
        period = TimePeriod.last_24_hours()
        assert (await sources.traffic("default", period)).total.requests == 1
        assert (await sources.traffic("other", period)).total.requests == 0


async def test_nobody_has_watched_is_not_nothing_is_wrong(tmp_path):
    async with CrossModel.open(settings_in(tmp_path)) as cm:
        assert await Sources(cm, Gateway(cm.settings)).alerts() is None
    async with CrossModel.open(settings_in(tmp_path, health={"enabled": True})) as cm:
        assert await Sources(cm, Gateway(cm.settings)).alerts() == []


async def test_alerts_that_last_come_first_and_silenced_ones_say_so(tmp_path):
    async with CrossModel.open(settings_in(tmp_path)) as cm:
        with AlertManager([], store=cm.engine.store) as manager:
            for name, healthy in (("disk", False), ("disk", True), ("models", False)):
                manager.send_alert(HealthCheckResult(name, healthy, error=f"{name} is in trouble"))
        now = datetime.now(UTC)
        silence = Silence("s", now + timedelta(hours=1), "me", "known", now, check="models")
        await cm.engine.store.transact(lambda tx: tx.put_silence(silence))
        found = await Sources(cm, Gateway(cm.settings)).alerts()
    assert found
    assert [each.is_over for each in found] == sorted(each.is_over for each in found)
    assert {each.name for each in found if each.is_silenced} == {"models"}
