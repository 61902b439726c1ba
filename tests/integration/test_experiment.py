"""Live traffic as an experiment: arms, scores, harm that is found, and what a person can undo."""

import json
import random

import pytest

from crossmodel import CrossModel, InvalidInputError
from crossmodel.domain.transfer import Arm
from crossmodel.providers import FakeProvider
from crossmodel.transfer.uplift.monitor import USES_TO_FIND_THIRTY_POINTS_WATCHED

HANDBOOK = (
    "The relay code of the Tavor depot is 47. Parcels for the Nelvik office go through gate Q."
)
QUESTION = "What is the relay code of the Tavor depot?"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    seen = []
    provider = FakeProvider(lambda request: seen.append(request.messages[-1].content) or "47")
    monkeypatch.setattr("crossmodel.assembly.building.create_provider", lambda *_, **__: provider)
    return seen, {
        "store": {"url": f"sqlite:///{tmp_path}/state.db"},
        "witness": {"key_dir": str(tmp_path / "keys")},
        "providers": [{"id": "p", "kind": "fake"}],
        "models": [
            {"id": "cheap", "provider": "p", "quality": 0.3, "follows_system_prompt": False}
        ],
        "insight_transfer": {"uplift": {"holdout_rate": 0.3, "padding_rate": 0.2}},
    }


async def test_requests_fall_into_arms_and_scores_are_summed_by_them(settings):
    seen, config = settings
    async with CrossModel.open(config) as cm:
        await cm.extract(HANDBOOK, source_model="elsewhere")
        answers = [await cm.complete(QUESTION) for _ in range(60)]
        arms = {arm: [a for a in answers if a.transfer.arm == arm] for arm in Arm}
        assert all(arms[arm] for arm in (Arm.INSIGHTS, Arm.HOLDOUT, Arm.PADDING))
        assert not arms[Arm.GATED]
        for answer, prompt in zip(answers, seen, strict=True):
            given = answer.transfer
            assert ("47" in prompt) == (given.arm == Arm.INSIGHTS)
            assert given.propensity == pytest.approx(
                {Arm.INSIGHTS: 0.5, Arm.HOLDOUT: 0.3, Arm.PADDING: 0.2}[given.arm]
            )
            if given.arm != Arm.INSIGHTS:
                assert given.error
                assert [i.content for i in given.withheld] == [HANDBOOK[:40]]
                assert not given.transferred_insights
        usual = arms[Arm.INSIGHTS][0].transfer.tokens
        assert all(usual - 8 <= a.transfer.tokens <= usual for a in arms[Arm.PADDING])
        insight_id = arms[Arm.INSIGHTS][0].transfer.transferred_insights[0].id

        for answer in answers:
            await cm.feedback(answer.id, 0.0)  # the last word counts, once
            await cm.feedback(answer.id, float(answer.transfer.arm == Arm.INSIGHTS))
        (effect,) = await cm.effects(insight_id)
        assert effect.target_model == "cheap"
        assert effect.over_nothing.difference == effect.over_padding.difference == 1.0
        assert effect.over_nothing.treated.n == len(arms[Arm.INSIGHTS])
        assert effect.over_nothing.control.n == len(arms[Arm.HOLDOUT])
        assert effect.over_padding.control.n == len(arms[Arm.PADDING])
        assert effect.over_nothing.low > 0.5
        for kind in ("topic", "protocol", "insight"):
            ((_, (same,)),) = (await cm.effects_by(kind)).items()
            assert same.over_nothing == effect.over_nothing
        with pytest.raises(InvalidInputError, match="kind"):
            await cm.effects_by("weather")

        held = arms[Arm.HOLDOUT][0]
        statements = await cm.engine.store.read(
            lambda tx: [json.loads(leaf.statement) for leaf in tx.leaves(0, tx.log_size())]
        )
        (said,) = [
            s["predicate"]
            for s in statements
            if s["predicateType"].endswith("/transfer/v1")
            and s["predicate"]["request_id"] == held.id
        ]
        assert (said["arm"], said["insights"], said["success"]) == ("holdout", [], False)
        assert (await cm.verify()).is_valid


async def test_what_harms_is_demoted_then_quarantined_until_somebody_releases_it(settings):
    _, config = settings
    config["insight_transfer"]["uplift"] = {"holdout_rate": 0.1, "retry_rate": 0.5}
    chance = random.Random(4)
    async with CrossModel.open(config) as cm:
        (insight, *_) = (await cm.extract(HANDBOOK, source_model="elsewhere")).insights
        standings = ["active"]
        uses = 0
        while standings[-1] != "quarantined":
            answer = await cm.complete(QUESTION)
            uses += 1
            assert uses <= 2 * USES_TO_FIND_THIRTY_POINTS_WATCHED
            share = 0.2 if answer.transfer.success else 0.9
            await cm.feedback(answer.id, float(chance.random() < share))
            (kept, _) = await cm.insight(insight.id)
            if kept.standing != standings[-1]:
                standings.append(kept.standing)
        assert standings in (["active", "demoted", "quarantined"], ["active", "quarantined"])
        assert "harm" in kept.standing_reason
        answer = await cm.complete(QUESTION)
        assert answer.transfer is None or not answer.transfer.success
        assert await cm.search_insights("relay code") == []

        assert await cm.release([insight.id]) == [insight.id]
        assert await cm.effects(insight.id) == []
        (kept, _) = await cm.insight(insight.id)
        assert kept.standing == "active"


async def test_what_a_trusted_source_speaks_against_is_set_aside(settings):
    seen, config = settings
    config["insight_transfer"] = {
        "uplift": {"enable": False}, "trust": {"source_trust": {"teacher": 0.9}}
    }  # fmt: skip
    async with CrossModel.open(config) as cm:
        lie = (await cm.extract(HANDBOOK.replace("47", "83"), source_model="stranger")).insights
        await cm.extract(HANDBOOK, source_model="teacher")
        answer = await cm.complete(QUESTION)
        assert answer.transfer.success
        assert "47" in seen[-1]
        assert "83" not in seen[-1]
        (kept, _) = await cm.insight(next(i.id for i in lie if "83" in i.content))
        assert kept.standing == "quarantined"
        assert "conflict" in kept.standing_reason

        await cm.release([kept.id])  # a person's word holds, though the lie still loses
        answer = await cm.complete(QUESTION)
        assert "47" in seen[-1]
        assert "83" not in seen[-1]
        assert any("conflict" in each.reason for each in answer.transfer.rejected)
        assert (await cm.insight(kept.id))[0].standing == "active"


async def test_what_is_erased_while_a_model_answers_costs_no_answer(settings, monkeypatch):
    _, config = settings
    config["insight_transfer"] = {
        "uplift": {"enable": False}, "trust": {"source_trust": {"teacher": 0.9}}
    }  # fmt: skip
    async with CrossModel.open(config) as cm:
        lie = (await cm.extract(HANDBOOK.replace("47", "83"), source_model="stranger")).insights
        await cm.extract(HANDBOOK, source_model="teacher")
        ask = cm.engine.providers["p"].complete

        async def slowly(request):
            await cm.delete([i.id for i in lie if "83" in i.content], "it is wrong")
            return await ask(request)

        monkeypatch.setattr(cm.engine.providers["p"], "complete", slowly)
        assert (await cm.complete(QUESTION)).text == "47"


async def test_that_nothing_fits_is_said_and_leaves_no_record(settings):
    _, config = settings
    async with CrossModel.open(config) as cm:
        await cm.extract(HANDBOOK, source_model="elsewhere")
        answer = await cm.complete("Which depot sells bread, and at which hour?")
        assert answer.transfer is not None
        assert answer.transfer.arm == Arm.GATED
        assert answer.transfer.error
        assert len(answer.leaves) == 2  # selection and outcome


async def test_ten_rounds_of_the_loop_teach_nothing_new(tmp_path, monkeypatch):
    """A teacher that is handed its own lessons repeats them in many ways; none is a new one."""
    rounds = iter(range(1000))

    def parrot(request):
        prompt = request.messages[-1].content
        said = prompt.partition("]\n")[2].partition("\n[/")[0]
        forms = (
            prompt,
            f"Sure! As the notes say: {said}",
            "\n".join(f"- {line}" for line in said.splitlines()),
            f"> {said}\n\nHope that helps!",
            said,
        )
        return forms[next(rounds) % len(forms)] or "I do not know."

    provider = FakeProvider(parrot)
    monkeypatch.setattr("crossmodel.assembly.building.create_provider", lambda *_, **__: provider)
    config = {
        "store": {"url": f"sqlite:///{tmp_path}/state.db"},
        "witness": {"key_dir": str(tmp_path / "keys")},
        "providers": [{"id": "p", "kind": "fake"}],
        "models": [{"id": "mid", "provider": "p", "quality": 0.85, "follows_system_prompt": False}],
        "insight_transfer": {"uplift": {"enable": False}},
    }
    questions = [QUESTION, "Through which gate do parcels for the Nelvik office go?"]
    async with CrossModel.open(config) as cm:
        await cm.extract(HANDBOOK, source_model="elsewhere")
        before = {i.id for i in await cm.insights(limit=1000)}
        for _ in range(10):
            for question in questions:
                answer = await cm.complete(question)
                assert answer.transfer.success
                assert answer.extraction is not None
        grown = [i.content for i in await cm.insights(limit=1000) if i.id not in before]
        assert grown == []
