"""Why past requests went to their models, and what people look at beside that."""

import sqlite3
from dataclasses import replace

import pytest

from crossmodel import (
    CrossModel,
    NotFoundError,
    TaskRequirement,
    VerificationError,
)


async def test_a_decision_is_explained_as_it_was_made(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding")
        before = cm.select("coding").explain()
        for model in cm.models():  # what is known of them now is not what was known then
            cm.replace_model(replace(model, quality=0.5, capabilities={}))
        told = await cm.explain(answer.id)
        assert told.model_id == answer.model_id == "strong"
        assert told.alternatives == ("cheap",)
        assert told.requirement["required_capabilities"] == ["coding"]
        assert told.explanation is not None
        assert told.explanation.scores == before.scores
        assert told.explanation.scores["strong"].total == pytest.approx(told.score)
        assert told.differs == ()
        assert told.to_dict()["explanation"]["model_id"] == "strong"


async def test_who_was_rejected_is_what_the_log_says(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task=TaskRequirement(["coding"], quality_threshold=0.8))
        told = await cm.explain(answer.id)
        assert "cheap" in told.rejected
        assert told.explanation is not None
        assert told.explanation.rejected == told.rejected


async def test_a_named_model_was_not_compared_with_others(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", model="cheap")
        told = await cm.explain(answer.id)
        assert told.explanation is None
        assert "named the model" in told.why_not


async def test_what_was_required_explains_a_request_that_was_erased(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding")
        kept = await cm.explain(answer.id)
        await cm.erase_request(answer.id, "they asked for it")
        told = await cm.explain(answer.id)
        assert told.explanation == kept.explanation


async def test_a_decision_is_its_tenants(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding", tenant="acme")
        assert (await cm.explain(answer.id, tenant="acme")).model_id == "strong"
        for wrong in ({}, {"tenant": "other"}):
            with pytest.raises(NotFoundError):
                await cm.explain(answer.id, **wrong)
        with pytest.raises(NotFoundError):
            await cm.explain("req_none", tenant="acme")
        assert await cm.page_of_selections() == ([], None)


async def test_an_edited_record_explains_nothing(settings, tmp_path):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding")
        await cm.verify()
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.execute(
            "UPDATE log_leaves SET statement = "
            "CAST(replace(CAST(statement AS TEXT), 'cheap', 'sheep') AS BLOB)"
        )
    async with CrossModel.open(settings, with_models=False) as cm:
        with pytest.raises(VerificationError):
            await cm.explain(answer.id)


async def test_budgets_are_those_of_who_asks(settings):
    settings = settings | {
        "model_selector": {
            "cost_optimization": {
                "budget_constraints": {"daily_budget": 10.0},
                "tenant_budgets": {"*": {"monthly_budget": 3.0}, "acme": {"monthly_budget": 5.0}},
            }
        }
    }
    async with CrossModel.open(settings) as cm:
        await cm.complete("Hello", task="coding", tenant="acme")
        await cm.complete("Hello", task="coding", tenant="other")
        mine = await cm.budgets(tenant="acme")
        assert {each.owner for each in mine} == {"tenant acme"}
        day, month = mine
        assert day.spent_usd == month.spent_usd > 0
        assert (day.limit_usd, month.limit_usd) == (None, 5.0)
        assert (await cm.budgets(tenant="third"))[1].limit_usd == 3.0
        everyone = (await cm.budgets(everyones=True))[0]
        assert everyone.owner == "everyone"
        assert everyone.limit_usd == 10.0
        assert everyone.spent_usd == pytest.approx(2 * day.spent_usd)
