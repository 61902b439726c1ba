"""What scrapes read of a real store and a real log, and what they do without."""

import asyncio
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from crossmodel import CrossModel
from crossmodel.balancing import Balancer
from crossmodel.gateway.control import scrape as scraping
from crossmodel.gateway.control.ports import Counts, EndpointState, ModelState
from crossmodel.gateway.control.scrape import Scraper
from crossmodel.gateway.metrics import Metrics


class Idle:
    """The operations of a gateway that does nothing."""

    def __init__(self, cm):
        self._cm = cm

    def models(self):
        balancers = {model.id: Balancer([f"{model.id}@1"]) for model in self._cm.models()}
        return [
            ModelState(model, [EndpointState(each.id) for each in balancers[model.id].endpoints])
            for model in self._cm.models()
        ]

    def counts(self):
        return Counts()


def gauges(text):
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.fixture
async def cm(settings):
    async with CrossModel.open(settings) as opened:
        yield opened


@pytest.fixture
def scraper(cm):
    return Scraper(cm, Idle(cm), Metrics())


async def test_the_log_is_said_as_it_stands(cm, scraper):
    empty = gauges(await scraper.text())
    assert empty["crossmodel_log_records"] == 0
    assert empty["crossmodel_log_checkpoint_age_seconds"] == 0
    answer = await cm.complete("Which code?", model="cheap")
    await cm.engine.ledger.seal()
    found = gauges(await scraper.text())
    assert found["crossmodel_log_records"] == len(answer.leaves)
    assert found["crossmodel_log_signed_records"] == len(answer.leaves)
    assert found["crossmodel_log_unsigned_seconds"] == 0
    assert 0 < found["crossmodel_log_checkpoint_age_seconds"] < 60


async def test_records_without_a_signature_show_for_how_long(settings):
    patient = {"checkpoint_leaves": 1000, "checkpoint_interval_ms": 3_600_000}
    settings["cross_model_vif"] = {"witness_generation": patient}
    async with CrossModel.open(settings) as cm:
        await cm.complete("Which code?", model="cheap")
        await cm.engine.ledger.seal()
        before = len((await cm.complete("Which code?", model="cheap")).leaves)
        await asyncio.sleep(0.05)
        standing = await cm.engine.ledger.standing()
        assert standing.records - standing.signed_records == before
        assert standing.oldest_unsigned_at > standing.newest_signed_at
        found = gauges(await Scraper(cm, Idle(cm), Metrics()).text())
        assert 0.05 <= found["crossmodel_log_unsigned_seconds"] < 60


async def test_a_store_that_hangs_is_asked_once_and_metrics_come_without_the_log(
    cm, scraper, monkeypatch, caplog
):
    monkeypatch.setattr(scraping, "LOG_SECONDS", 0.2)
    held, asked = threading.Event(), []
    reads = cm.engine.store.read

    async def hangs(work):
        asked.append(work)

        def waits(tx):
            held.wait(20)
            return work(tx)

        return await reads(waits)

    monkeypatch.setattr(type(cm.engine.store), "read", lambda _self, work: hangs(work))
    for _ in range(3):
        began = time.monotonic()
        found = gauges(await scraper.text())
        assert time.monotonic() - began < 5
        assert "crossmodel_log_records" not in found
        assert "crossmodel_requests_in_flight" in found
    assert len(asked) == 1, "it is not asked again while it hangs"
    assert "go without the log" in caplog.text
    held.set()
    await scraper.settle()
    assert "crossmodel_log_records" in gauges(await scraper.text())


async def test_a_store_that_fails_costs_the_log_alone(cm, scraper, monkeypatch):
    def fails(_self, _work):
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(cm.engine.store), "read", fails)
        found = gauges(await scraper.text())
        assert "crossmodel_log_records" not in found
    assert "crossmodel_log_records" in gauges(await scraper.text())


async def test_ten_thousand_budgets_show_the_fullest(settings):
    tenants = {f"t{n}": {"daily_budget": 100.0} for n in range(10_000)}
    settings["model_selector"] = {"cost_optimization": {"tenant_budgets": tenants}}
    async with CrossModel.open(settings) as cm:
        optimizer = cm.engine.selector.cost_optimizer
        optimizer.settle(optimizer.reserve(99.0, tenant="t7777"), 99.0)
        text = await Scraper(cm, Idle(cm), Metrics()).text()
    found = gauges(text)
    assert found["crossmodel_budgets_left_out"] >= 10_000 - scraping.MOST_BUDGETS
    shown = [line for line in text.decode().splitlines() if "budget_committed_usd{" in line]
    assert len(shown) == scraping.MOST_BUDGETS
    assert any('owner="t7777"' in line and line.endswith(" 99.0") for line in shown)
