"""Two gateways on one store: they keep to one budget, one rate and the same keys."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
import sqlalchemy as sa
from scripted import Bench, a_key, chat, completion, settings_in

from crossmodel.domain.completion import CompletionRequest, Message
from crossmodel.domain.leases import Wanted
from crossmodel.errors import BudgetExceededError, StoreError
from crossmodel.gateway.keys import create_key
from crossmodel.gateway.opening import open_core
from crossmodel.gateway.sharing import PATIENCE_SECONDS, Sharing
from crossmodel.selection.shared import SharedBudgets
from crossmodel.settings import load_settings
from crossmodel.store import open_store, schema

SHARED = {"insights": False, "learn": False, "sharing": {"enabled": True, "seconds": 0.1}}
ONE_CALL = 0.00004  # USD: what 20 tokens of output cost at 2 USD per million
MODEL = {"id": "cheap", "provider": "p", "output_price": 2.0}


@pytest.fixture
async def gateways(tmp_path):
    """Makes gateways on one store, all in this process."""
    async with AsyncExitStack() as stack:

        async def make(*, keys=(), **more):
            settings = settings_in(tmp_path, **{"gateway": SHARED, "models": [MODEL], **more})
            made = Bench(await open_core(load_settings(settings), stack))
            made.set_up(keys=keys)
            return made

        yield make


def question(**more):
    return chat(max_tokens=20, **more)


async def until(holds, seconds=10.0):
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)


async def asked(made, clear, **more):
    """Ask; wait until it was refused or somebody is asked, who answers."""
    _, listener = made.ask(question(**more), key=clear)
    await until(lambda: listener.end or made.calls())
    for call in made.calls():
        call.answer(completion(usage=(0, 20)))
    await until(lambda: listener.end)
    return listener


async def test_the_first_request_waits_for_a_lease_and_others_do_not(gateways):
    key, clear = a_key("ci", daily_budget=1.0, requests_per_minute=600)
    made = await gateways(keys=[key])
    _, listener = made.ask(question(), key=clear)
    assert listener.end is None
    assert not made.calls(), "nothing is leased yet"
    await until(made.calls)
    made.calls()[0].answer(completion(usage=(0, 20)))
    assert listener.status == 200
    _, listener = made.ask(question(), key=clear)
    assert len(made.calls()) == 1, "it was sent on at once"


async def test_one_budget_is_kept_to_by_all(gateways):
    key, clear = a_key("ci", daily_budget=50.5 * ONE_CALL)
    made = [await gateways(keys=[key]), await gateways(keys=[key])]
    answers = [await asked(made[number % 2], clear) for number in range(60)]
    statuses = [answer.status for answer in answers]
    assert 49 <= statuses.count(200) <= 50
    assert statuses.count(429) == 60 - statuses.count(200)
    refused = next(answer for answer in answers if answer.status == 429)
    assert b"insufficient_quota" in refused.body
    assert refused.header("x-should-retry") == "false"
    standing = made[0].state.admission.budgets.committed("daily_budget", key="ci")
    assert standing == pytest.approx(50 * ONE_CALL, abs=2 * ONE_CALL)


async def test_one_rate_is_kept_to_by_all(gateways):
    key, clear = a_key("ci", requests_per_minute=60, burst=10)
    made = [await gateways(keys=[key]), await gateways(keys=[key])]
    began = time.monotonic()
    answers = [await asked(made[number % 2], clear) for number in range(30)]
    refused = [answer for answer in answers if answer.status == 429]
    assert 8 <= 30 - len(refused) <= 10 + (time.monotonic() - began)
    assert b"rate_limit_exceeded" in refused[0].body
    assert 1 <= int(refused[0].header("retry-after")) <= 60


async def test_requests_that_come_at_once_wait_for_one_renewal(gateways):
    key, clear = a_key("ci", daily_budget=10.5 * ONE_CALL)
    made = await gateways(keys=[key])
    listeners = [made.ask(question(), key=clear)[1] for _ in range(20)]
    await until(lambda: sum(each.end is not None for each in listeners) + len(made.calls()) == 20)
    assert len(made.calls()) == 10
    assert [bool(each.end) for each in listeners] == [False] * 10 + [True] * 10


async def test_a_client_that_leaves_while_it_waits_takes_nothing(gateways):
    key, clear = a_key("ci", daily_budget=ONE_CALL * 1.5)
    made = await gateways(keys=[key])
    exchange, listener = made.ask(question(), key=clear)
    exchange.client_gone()
    assert (await asked(made, clear)).status == 200
    assert listener.status == 0


async def test_without_the_store_what_is_leased_can_be_spent(gateways, monkeypatch):
    key, clear = a_key("ci", daily_budget=1.0)
    made = await gateways(keys=[key])
    await asked(made, clear)
    await asyncio.sleep(0.05)

    async def fails(_work):
        raise StoreError("the disk is full")

    monkeypatch.setattr(made.cm.engine.store, "transact", fails)
    assert (await asked(made, clear)).status == 200
    other, shown = a_key("other", daily_budget=1.0)
    made.set_up(keys=[key, other])
    refused = await asked(made, shown)
    assert refused.status == 503
    assert b"limits_unavailable" in refused.body
    assert refused.header("retry-after") == "1"
    monkeypatch.undo()
    assert (await asked(made, shown)).status == 200


async def test_a_store_that_hangs_is_not_waited_for(gateways, monkeypatch):
    key, clear = a_key("ci", daily_budget=1.0)
    made = await gateways(keys=[key])
    transact, goes_on = made.cm.engine.store.transact, asyncio.Event()

    async def hangs(work):
        await goes_on.wait()
        return await transact(work)

    monkeypatch.setattr(made.cm.engine.store, "transact", hangs)
    began = time.monotonic()
    assert (await asked(made, clear)).status == 503
    assert time.monotonic() - began < PATIENCE_SECONDS + 1.0
    goes_on.set()
    await asyncio.sleep(0.05)
    assert (await asked(made, clear)).status == 200


async def test_an_answer_that_is_given_again_takes_a_request_too(gateways):
    key, clear = a_key("ci", requests_per_minute=1, burst=2)
    shared = {**SHARED, "cache": {"enabled": True}}
    made = await gateways(keys=[key], gateway=shared)
    first = await asked(made, clear, temperature=0)
    again = await asked(made, clear, temperature=0)
    assert again.header("x-crossmodel-cache") == "hit"
    assert again.body == first.body
    assert (await asked(made, clear, temperature=0)).status == 429


async def test_what_is_not_spent_is_given_back_at_the_end(gateways, tmp_path):
    key, clear = a_key("ci", daily_budget=1.0)
    async with AsyncExitStack() as stack:
        settings = settings_in(tmp_path, gateway=SHARED, models=[MODEL])
        made = Bench(await open_core(load_settings(settings), stack))
        made.set_up(keys=[key])
        for _ in range(3):
            await asked(made, clear)
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    day = made.state.admission.budgets.standings()[0].period
    committed = await store.read(lambda tx: tx.leased_budgets("daily_budget", day))
    holders = sa.select(sa.func.count()).select_from(schema.budget_leases)
    assert await store.read(lambda tx: tx._connection.scalar(holders)) == 0
    await store.close()
    assert committed["key", "ci"] == pytest.approx(3 * ONE_CALL * 1e9, abs=3)


async def test_keys_that_one_makes_or_revokes_hold_in_the_other(gateways):
    one, other = await gateways(), await gateways()
    created = create_key("new")
    await one.cm.engine.store.transact(lambda tx: tx.put_client_key(created.key))
    clear = created.clear.encode()
    rings = one.state.keyring, other.state.keyring
    await until(lambda: all(ring.identify(clear) for ring in rings), 1.0)
    assert (await asked(other, clear)).status == 200
    now = created.key.created_at
    await other.cm.engine.store.transact(lambda tx: tx.revoke_client_key("new", now))
    await until(lambda: one.state.keyring.identify(clear) is None, 1.0)
    assert (await asked(one, clear)).status == 401


async def test_calls_of_the_gateway_itself_wait_for_a_lease_as_well(gateways):
    limits = {
        "model_selector": {"cost_optimization": {"budget_constraints": {"daily_budget": 1.0}}}
    }
    models = [{"id": "local", "provider": "f", "output_price": 2.0}]
    made = await gateways(models=models, providers=[{"id": "f", "kind": "fake"}], **limits)
    engine = made.cm.engine
    request = CompletionRequest("local", (Message("user", "How?"),), max_tokens=20)
    with pytest.raises(BudgetExceededError):
        engine.selector.cost_optimizer.reserve(0.1)
    assert (await engine.paid(engine.models["local"], request, "t", None)).text


async def test_one_that_is_closed_lets_nobody_wait(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    sharing = Sharing(store, SharedBudgets())
    sharing.start()
    await sharing.close()
    await asyncio.wait_for(sharing.renewed(Wanted(1.0, "t", None)), 1.0)
    await store.close()
