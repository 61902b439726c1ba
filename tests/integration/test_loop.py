"""The whole loop over a real store, real keys and a real log; only the models are scripted."""

import asyncio
import sqlite3

import pytest
from ticket_codes import HANDBOOK

from crossmodel import (
    BudgetExceededError,
    ConfigurationError,
    CrossModel,
    InvalidInputError,
    ModelNotFoundError,
    NoAvailableModelsError,
    NotFoundError,
    ProviderResponseError,
    WitnessError,
)
from crossmodel.providers import ProviderKind, register_provider


async def test_what_the_strong_model_said_helps_the_cheap_one(settings, script):
    prompts = []

    def cheap(request):
        prompts.append("\n".join(message.content for message in request.messages))
        return "BIL-7"

    script["cheap"] = cheap
    async with CrossModel.open(settings) as cm:
        taught = await cm.complete("How are ticket codes made?", model="strong")
        assert taught.extraction is not None
        kinds = {insight.kind for insight in taught.extraction.insights}
        assert {"rule", "example"} <= kinds
        for insight in taught.extraction.insights:
            assert all(e.span.of(HANDBOOK) for e in insight.evidence)

        answer = await cm.complete("Which ticket code has billing on floor 7?", model="cheap")
        assert answer.extraction is None
        assert answer.transfer is not None
        assert answer.transfer.success
        assert answer.transfer.context in prompts[0]
        assert answer.transfer.tokens <= cm.settings.insight_transfer.token_budget
        assert answer.cost_usd > 0

        report = await cm.verify()
        assert report.is_valid
        assert report.records == len(taught.leaves) + len(answer.leaves)
        assert set(taught.leaves).isdisjoint(answer.leaves)


async def test_an_insight_is_witnessed_once_however_it_comes_again(settings):
    async with CrossModel.open(settings) as cm:
        first = await cm.complete("How are ticket codes made?", model="strong")
        again = await cm.complete("How are ticket codes made?", model="strong")
        assert first.extraction is not None
        assert len(first.leaves) == len(first.extraction.insights) + 2  # selection, outcome
        repeated = {i.id for i in first.extraction.insights}
        assert again.extraction is not None
        new = [i for i in again.extraction.insights if i.id not in repeated]
        assert len(again.leaves) == len(new) + 2 + (again.transfer is not None)
        await cm.extract(HANDBOOK, source_model="strong")
        report = await cm.verify()
        assert report.is_valid
        assert report.records == len(first.leaves) + len(again.leaves)


async def test_what_was_injected_is_not_learned_again(settings, script):
    async with CrossModel.open(settings) as cm:
        await cm.extract(HANDBOOK, source_model="elsewhere")
        before = await cm.insights()
        script["strong"] = lambda request: request.messages[-1].content + "\n" + HANDBOOK
        for _ in range(3):
            answer = await cm.complete("Which ticket code has billing on floor 7?", model="strong")
            assert answer.transfer is not None
            assert answer.extraction is not None
            given = {i.content for i in answer.transfer.transferred_insights}
            assert given
            assert given.isdisjoint(i.content for i in answer.extraction.insights)
        assert {i.id for i in before} <= {i.id for i in await cm.insights(limit=500)}


async def test_selection_decides_when_no_model_is_named(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", task="coding")
        assert answer.model_id == cm.select("coding").model_id == "strong"
        with pytest.raises(ModelNotFoundError, match="known: cheap, strong"):
            await cm.complete("Hello", model="gone")


async def test_a_conversation_may_be_messages_or_dictionaries(settings, script):
    seen = []
    script["cheap"] = lambda request: seen.append([m.role for m in request.messages]) or "ok"
    async with CrossModel.open(settings) as cm:
        turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
        await cm.complete(turns, model="cheap")
        assert seen == [["system", "user"]]
        for bad in ("", "  ", [], [{"role": "user"}], [{"role": "robot", "content": "x"}], [3]):
            with pytest.raises(InvalidInputError):
                await cm.complete(bad)  # type: ignore[arg-type]


async def test_a_failed_call_is_kept_as_evidence_and_costs_nothing(settings, script):
    def fail(_request):
        raise ProviderResponseError("broken", provider="p", model="cheap", status=500)

    script["cheap"] = fail
    async with CrossModel.open(settings) as cm:
        with pytest.raises(ProviderResponseError):
            await cm.complete("Hello", model="cheap")
        assert (await cm.verify()).records > 0
        performance = cm.engine.selector.get_model_performance("cheap")
        assert performance.success_rate == 0.0


async def test_feedback_reaches_the_selector_and_the_log(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", model="cheap")
        before = (await cm.verify()).records
        await cm.feedback(answer.id, 0.5)
        assert (await cm.verify()).records == before + 1
        assert cm.engine.selector.get_model_performance("cheap").average_score == 0.5
        for score in (-0.1, 1.1, float("nan")):
            with pytest.raises(InvalidInputError):
                await cm.feedback(answer.id, score)
        with pytest.raises(NotFoundError):
            await cm.feedback("req_nobody", 1.0)
        with pytest.raises(NotFoundError):
            await cm.feedback(answer.id, 1.0, tenant="somebody-else")


async def test_tenants_never_see_each_others_insights(settings):
    async with CrossModel.open(settings) as cm:
        result = await cm.extract(HANDBOOK, source_model="elsewhere", tenant="a")
        assert await cm.insights(tenant="a")
        assert await cm.insights(tenant="b") == []
        assert await cm.search_insights("ticket code", tenant="b") == []
        with pytest.raises(NotFoundError):
            await cm.insight(result.insights[0].id, tenant="b")
        answer = await cm.complete("Which ticket code?", model="cheap", tenant="b")
        assert answer.transfer is None


async def test_state_survives_a_restart(settings):
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("How are ticket codes made?", model="strong")
        insight = (await cm.insights())[0]
        trust = cm.trust_file()
        pinned = await cm.engine.store.read(lambda tx: tx.latest_checkpoint())
    async with CrossModel.open(settings) as cm:
        assert cm.trust_file() == trust
        again, source = await cm.insight(insight.id)
        assert again == insight
        assert source is not None
        assert source.text == HANDBOOK
        await cm.feedback(answer.id, 1.0)
        if pinned is not None:
            report = await cm.verify(against=pinned.note)
            assert report.verdict == "valid"


async def test_a_budget_holds_for_concurrent_callers_and_after_a_restart(settings, script):
    script["cheap"] = lambda _request: "word " * 900
    settings["model_selector"] = {
        "cost_optimization": {"budget_constraints": {"daily_budget": 0.01}}
    }

    async def call(cm):
        try:
            return (await cm.complete("Hi", model="cheap", max_tokens=1000)).cost_usd
        except BudgetExceededError:
            return None

    async with CrossModel.open(settings) as cm:
        costs = await asyncio.gather(*(call(cm) for _ in range(30)))
        spent = sum(cost for cost in costs if cost is not None)
        assert None in costs
        assert 0 < spent <= 0.01
        assert cm.engine.selector.cost_optimizer.committed("daily_budget") == pytest.approx(spent)
    async with CrossModel.open(settings) as cm:
        assert cm.engine.selector.cost_optimizer.committed("daily_budget") == pytest.approx(spent)


async def test_budgets_of_keys_and_tenants_go_on_after_a_restart(settings):
    settings["model_selector"] = {
        "cost_optimization": {
            "key_budgets": {"*": {"monthly_budget": 1.0}},
            "tenant_budgets": {"*": {"daily_budget": 1.0}},
        }
    }
    spent = {}
    async with CrossModel.open(settings) as cm:
        for key, tenant in (("ключ", "red"), ("ci", "red"), ("ci", "blue"), (None, "red")):
            answer = await cm.complete("Hi", model="strong", key=key, tenant=tenant)
            for of in ("key", key), ("tenant", tenant):
                spent[of] = spent.get(of, 0.0) + answer.cost_usd
    assert spent.pop(("key", None)) > 0
    async with CrossModel.open(settings) as cm:
        budgets = cm.engine.selector.cost_optimizer
        for (scope, name), usd in spent.items():
            for budget in ("daily_budget", "monthly_budget"):
                assert budgets.committed(budget, **{scope: name}) == pytest.approx(usd)
        # a key that was given a budget only now has spent what it has spent
        budgets.set_key_budgets("ci", {"daily_budget": spent["key", "ci"]})
        with pytest.raises(BudgetExceededError, match="of key 'ci'"):
            await cm.complete("Hi", model="strong", key="ci")


async def test_what_a_key_spent_through_the_writer_process_is_on_its_account(settings):
    settings["witness"]["writer"] = "process"
    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hi", model="cheap", key="ci", tenant="red")
    async with CrossModel.open(settings) as cm:
        committed = cm.engine.selector.cost_optimizer.committed("daily_budget", key="ci")
        assert committed == pytest.approx(answer.cost_usd)
        assert (await cm.engine.store.read(lambda tx: tx.outcomes("red", answer.id)))[0].key == "ci"


async def test_witnessing_can_be_switched_off(settings):
    settings["cross_model_vif"] = {"witness_generation": {"enable_witness_generation": False}}
    async with CrossModel.open(settings) as cm:
        assert (await cm.complete("Hello", model="cheap")).leaves == ()
        assert not (await cm.verify()).is_valid


async def test_evidence_of_one_record_verifies_offline(settings):
    from crossmodel.auditing import verify_evidence

    async with CrossModel.open(settings) as cm:
        answer = await cm.complete("Hello", model="cheap")
        evidence, trust = await cm.witness(answer.leaves[0]), cm.trust_file()
    report = verify_evidence(evidence, trust=trust)
    assert report.is_valid
    assert b"Hello" not in evidence
    tampered = evidence.replace(b'"index', b'"indey') if b'"index' in evidence else evidence[:-40]
    assert not verify_evidence(tampered, trust=trust).is_valid


async def test_secrets_stay_out_of_the_store(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("HOUSE_KEY", "sk-very-secret-value-123456")
    settings["providers"][0]["api_key_env"] = "HOUSE_KEY"
    async with CrossModel.open(settings) as cm:
        await cm.complete("Hello", model="cheap")
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"sk-very-secret-value" not in file.read_bytes()


async def test_a_missing_key_is_one_clear_error_and_nothing_starts(settings, tmp_path, monkeypatch):
    monkeypatch.delenv("HOUSE_KEY", raising=False)
    settings["providers"][0]["api_key_env"] = "HOUSE_KEY"
    with pytest.raises(ConfigurationError, match="HOUSE_KEY is not set") as caught:
        async with CrossModel.open(settings):
            pass
    assert caught.value.path == "providers[0].api_key_env"
    assert list(tmp_path.iterdir()) == []


async def test_without_models_the_error_says_what_to_add(settings):
    settings["models"] = []
    async with CrossModel.open(settings) as cm:
        with pytest.raises(NoAvailableModelsError, match=r"\[\[models\]\]"):
            await cm.complete("Hello")


async def test_the_store_holds_no_conversation_outside_the_commitments(settings, tmp_path):
    async with CrossModel.open(settings) as cm:
        await cm.complete("a very peculiar question", model="cheap")
    with sqlite3.connect(f"{tmp_path}/state.db") as db:
        tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        holding = {
            table
            for table in tables
            for row in db.execute(f'SELECT * FROM "{table}"')
            if "peculiar" in repr(row)
        }
    assert holding <= {"commitments"}


def test_a_users_own_provider_can_be_registered():
    register_provider(ProviderKind(kind="mine", adapter="crossmodel.providers.fake:FakeProvider"))


async def test_an_edited_log_is_reported_and_never_signed_again(settings, tmp_path, caplog):
    settings["cross_model_vif"] = {
        "witness_generation": {"checkpoint_leaves": 1000, "checkpoint_interval_ms": 3_600_000}
    }
    async with CrossModel.open(settings) as cm:
        await cm.complete("Hello", model="cheap")
        assert (await cm.verify()).is_valid
        await cm.complete("Hello again", model="cheap")
        signed = await cm.engine.store.read(lambda tx: tx.latest_checkpoint())
        with sqlite3.connect(f"{tmp_path}/state.db") as db:
            db.execute("UPDATE log_leaves SET leaf_hash = zeroblob(32)")
        db.close()
        report = await cm.verify()
        assert not report.is_valid
        assert report.steps[-1].number == 12
        with pytest.raises(WitnessError, match="does not extend"):
            await cm.witness(0)
    assert "crossmodel verify says what is wrong" in caplog.text
    async with CrossModel.open(settings) as cm:
        assert await cm.engine.store.read(lambda tx: tx.latest_checkpoint()) == signed
