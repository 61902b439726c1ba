"""Where the loop learns how far models are to be believed: feedback, conflicts, people's word."""

import json
import sqlite3
from contextlib import closing

import pytest
from ticket_codes import HANDBOOK, QUESTION

from crossmodel import CrossModel, NotFoundError
from crossmodel.domain.reliability import Observed


async def known(cm, model="strong", **of):
    return (await cm.calibrator(**of)).reliability(model)


async def test_a_score_counts_in_part_for_each_insight_that_the_answer_had(settings):
    async with CrossModel.open(settings) as cm:
        await cm.complete("How are ticket codes made?", model="strong")
        answer = await cm.complete(QUESTION, model="cheap")
        given = answer.transfer.transferred_insights
        assert given
        await cm.feedback(answer.id, 0.25)
        found = await known(cm)
        assert found.n == len(given)
        assert found.accuracy == pytest.approx(0.25)
        said = sum(each.confidence_score for each in given) / len(given)
        assert found.mean_confidence == pytest.approx(said)
        await cm.feedback(answer.id, 1.0)  # somebody changed their mind: the last word, once
        found = await known(cm)
        assert (found.n, found.accuracy) == (len(given), pytest.approx(1.0))
        assert (await known(cm, "cheap")).n == 0


async def test_answers_without_insights_and_other_tenants_tell_nothing(settings):
    async with CrossModel.open(settings) as cm:
        taught = await cm.complete("How are ticket codes made?", model="strong")
        await cm.feedback(taught.id, 0.0)
        assert await cm.reliability() == []
        answer = await cm.complete(QUESTION, model="cheap")
        await cm.feedback(answer.id, 1.0)
        assert (await known(cm)).n > 0
        assert (await known(cm, tenant="other")).n == 0
        with pytest.raises(NotFoundError, match="nothing is known"):
            await cm.reliability("strong", tenant="other")


async def test_held_out_answers_tell_nothing(settings):
    settings["insight_transfer"] = {"uplift": {"holdout_rate": 0.9}}
    async with CrossModel.open(settings) as cm:
        await cm.complete("How are ticket codes made?", model="strong")
        for _ in range(20):
            answer = await cm.complete(QUESTION, model="cheap")
            if answer.transfer.arm == "holdout":
                break
        await cm.feedback(answer.id, 0.0)
        assert (await known(cm)).n == 0


async def test_what_is_quarantined_was_wrong_until_it_is_released(settings):
    async with CrossModel.open(settings) as cm:
        result = await cm.extract(HANDBOOK, source_model="elsewhere")
        first, second = result.insights[:2]
        await cm.quarantine([first.id], "outdated")
        await cm.quarantine([first.id, second.id], "outdated")  # the first is so already
        found = await known(cm, "elsewhere")
        assert (found.n, found.accuracy) == (2, 0.0)
        await cm.release([first.id])
        found = await known(cm, "elsewhere")
        assert found.n == 1
        assert found.mean_confidence == pytest.approx(second.confidence_score)


async def test_what_somebody_says_counts_instead_and_once(settings):
    async with CrossModel.open(settings) as cm:
        result = await cm.extract(HANDBOOK, source_model="elsewhere")
        insight = result.insights[0]
        assert (await cm.judge(insight.id, correct=False)).id == insight.id
        await cm.judge(insight.id, correct=True)
        await cm.judge(insight.id, correct=True)
        found = await known(cm, "elsewhere")
        assert (found.n, found.accuracy) == (1, 1.0)
        await cm.quarantine([insight.id], "by mistake")  # people's word stands
        assert (await known(cm, "elsewhere")).accuracy == 1.0
        await cm.release([insight.id])
        assert (await known(cm, "elsewhere")).n == 1
        again, _ = await cm.insight(insight.id)
        assert again.confidence_score == insight.confidence_score  # it changes no insight
        for stranger, tenant in (("ins_nobody", None), (insight.id, "other")):
            with pytest.raises(NotFoundError):
                await cm.judge(stranger, correct=True, tenant=tenant)


async def test_the_loser_of_a_conflict_was_wrong(settings):
    settings["insight_transfer"]["trust"] = {"source_trust": {"sure": 0.95, "shaky": 0.3}}
    async with CrossModel.open(settings) as cm:
        await cm.extract("The retention period of audit logs is 90 days.", source_model="sure")
        await cm.extract("The retention period of audit logs is 30 days.", source_model="shaky")
        question = "What is the retention period of audit logs?"
        for _ in range(3):
            await cm.complete(question, model="cheap")
        (lost,) = await cm.insights(standing="quarantined")
        assert lost.source_model == "shaky"
        found = await known(cm, "shaky")
        assert (found.n, found.accuracy) == (1, 0.0)
        assert (await known(cm, "sure")).n == 0


async def test_a_new_insights_record_says_what_was_known_of_its_model(settings):
    async with CrossModel.open(settings) as cm:
        result = await cm.extract(HANDBOOK, source_model="elsewhere")
        for insight, correct in zip(result.insights, (True, False), strict=False):
            await cm.judge(insight.id, correct)
        later = await cm.extract(
            "A release tag must always be signed by two people.", source_model="elsewhere"
        )

        async def said(insight_id):
            leaves = await cm.engine.store.read(lambda tx: tx.leaves_about("default", insight_id))
            return json.loads(leaves[0].statement)["predicate"]["reliability"]

        assert await said(result.insights[0].id) is None
        found = await known(cm, "elsewhere")
        assert await said(later.insights[0].id) == {
            "n": 2, "accuracy": 0.5, "ece": found.ece, "mean_confidence": found.mean_confidence,
        }  # fmt: skip
        assert (await cm.verify()).is_valid


async def test_an_erased_insight_leaves_sums_alone(settings, tmp_path):
    async with CrossModel.open(settings) as cm:
        result = await cm.extract(HANDBOOK, source_model="elsewhere")
        insight = result.insights[0]
        await cm.judge(insight.id, correct=True)
        await cm.delete([insight.id], "asked for")
        assert (await known(cm, "elsewhere")).n == 1
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        assert db.execute("SELECT * FROM judgements").fetchall() == []


async def test_a_failed_transaction_counts_nothing(settings, monkeypatch):
    async with CrossModel.open(settings) as cm:
        await cm.complete("How are ticket codes made?", model="strong")
        answer = await cm.complete(QUESTION, model="cheap")

        def fail(*_, **__):
            raise RuntimeError("later in the same transaction")

        monkeypatch.setattr("crossmodel.transfer.learn_from_score", fail, raising=False)
        with pytest.raises(RuntimeError):
            await cm.feedback(answer.id, 1.0)
        assert (await known(cm)).n == 0


async def test_sums_are_of_the_day_of_the_transfer(settings):
    async with CrossModel.open(settings) as cm:
        await cm.complete("How are ticket codes made?", model="strong")
        answer = await cm.complete(QUESTION, model="cheap")
        await cm.feedback(answer.id, 1.0)
        record = await cm.engine.store.read(lambda tx: tx.get_transfer("default", answer.id))
        sums = await cm.engine.store.read(lambda tx: tx.reliability("default"))
        assert {day for day, _ in sums["strong"]} == {record.transferred_at.date()}
        assert sum(sums["strong"].values(), Observed()).n == len(record.insight_ids)


SETTINGS = """
[store]
url = "sqlite:///state.db"
[[providers]]
id = "echo"
kind = "fake"
[[models]]
id = "strong"
provider = "echo"
"""


def test_the_commands(crossmodel_command, tmp_path):
    cli = crossmodel_command
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)
    assert "nothing is known yet" in cli("insights", "reliability").stdout
    assert json.loads(cli("insights", "reliability", "--json").stdout) == []
    assert cli("insights", "reliability", "nobody").returncode == 2
    assert cli("extract", "-", "--source-model", "big", stdin=HANDBOOK).returncode == 0
    insight = json.loads(cli("insights", "list", "--json").stdout)[0]
    judged = cli("insights", "judge", insight["id"], "--wrong", "--json")
    assert json.loads(judged.stdout) == {
        "id": insight["id"], "source_model": "big", "correct": False,
    }  # fmt: skip
    assert "is right" in cli("insights", "judge", insight["id"], "--correct").stdout
    assert cli("insights", "judge", insight["id"]).returncode == 2
    assert cli("insights", "judge", "ins_nobody", "--wrong").returncode == 2
    (document,) = json.loads(cli("insights", "reliability", "big", "--json").stdout)
    assert (document["source_model"], document["n"], document["accuracy"]) == ("big", 1, 1.0)
    assert document["ece"] == pytest.approx(1 - insight["confidence"], abs=1e-4)
    assert len(document["bins"]) == 10
    assert [each["n"] for each in document["by_week"]] == [1]
    assert [each["n"] for each in document["by_month"]] == [1]
    shown = cli("insights", "reliability").stdout
    assert "big, by month" in shown
    assert "by week" in cli("insights", "reliability", "big").stdout
