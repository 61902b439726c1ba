"""Retention and erasure as users meet them: by themselves once a day, and by a command."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from crossmodel import CrossModel, InvalidInputError, NotFoundError
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord
from crossmodel.domain.selection import Outcome
from crossmodel.store import open_store
from crossmodel.witness import CrossModelVIF, load_or_create_keys
from crossmodel.witness.turns import TurnRecord, write_turn

SETTINGS = """
[store]
url = "sqlite:///state.db"
[cross_model_vif.provenance_tracking]
retention_period_days = 30
[[providers]]
id = "echo"
kind = "fake"
[[models]]
id = "strong"
provider = "echo"
quality = 0.9
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def remember(folder, **days_ago):
    """Put turns on record that many days ago."""
    store = await open_store(f"sqlite:///{folder}/state.db")
    for name, days in days_ago.items():
        moment = utc_now() - timedelta(days=days)
        keys = load_or_create_keys(folder / "crossmodel-keys")
        vif = CrossModelVIF(keys=keys, clock=lambda moment=moment: moment)
        turn = TurnRecord(
            SelectionRecord(name, "default", "strong", 0.5, (), {}, moment, 1.0),
            Outcome(name, "strong", success=True, recorded_at=moment),
            json.dumps({"messages": [{"role": "user", "content": f"asked-{name}-"}]}).encode(),
            answer=f"answered-{name}-",
        )
        await store.transact(lambda tx, vif=vif, turn=turn: write_turn(tx, vif, turn))
    await store.close()


def holds(folder, word):
    return any(word.encode() in path.read_bytes() for path in folder.glob("state.db*"))


async def test_open_with_models_it_runs_by_itself_and_ends_with_it(folder):
    await remember(folder, old=40, new=1)
    async with CrossModel.open("crossmodel.toml", with_models=False) as cm:
        assert (await cm.apply_retention(dry_run=True)).records == 2
        await asyncio.sleep(0.2)
    assert holds(folder, "asked-old-")  # who only looks changes nothing
    before = asyncio.all_tasks()
    async with CrossModel.open("crossmodel.toml") as cm:
        for _ in range(1000):
            if not holds(folder, "asked-old-"):
                break
            await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == len(before) + 2  # the other rolls traffic up
        report = await cm.verify()
        assert report.is_valid
        assert report.records == 5
    assert asyncio.all_tasks() == before
    assert not holds(folder, "asked-old-")
    assert not holds(folder, "answered-old-")
    assert holds(folder, "asked-new-")


async def test_what_a_crash_left_unsigned_is_signed_on_opening(folder):
    await remember(folder, one=2)  # ends without signing, as what is killed does
    for _ in range(2):  # the second time there is nothing to sign
        async with CrossModel.open("crossmodel.toml", with_models=False) as cm:
            vif = cm.engine.ledger.vif
            heads = await cm.engine.store.read(lambda tx: [h.size for h in tx.checkpoints()])
            assert heads == [2]
            report = await cm.engine.store.read(vif.verify_log)
            assert (report.records, report.details["unsigned"]) == (2, 0)


async def test_closing_at_once_waits_for_no_day(folder):
    for _ in range(3):
        async with CrossModel.open("crossmodel.toml"):
            pass


async def test_a_request_is_erased_with_evidence(folder):
    async with CrossModel.open("crossmodel.toml") as cm:
        answer = await cm.complete("My name is Qzxwvoplian, who are you?")
        other = await cm.complete("Who else is there?")
        with pytest.raises(NotFoundError):
            await cm.erase_request("req_none", "asked for")
        with pytest.raises(InvalidInputError):
            await cm.erase_request(answer.id, "")
        receipt = await cm.erase_request(answer.id, "asked for", with_insights=True)
        assert receipt.leaf is not None
        evidence = await cm.witness(receipt.leaf, disclose=receipt.disclosed)
        vif = cm.engine.ledger.vif
        assert vif.verify_witness(evidence).is_valid
        assert (await cm.verify()).is_valid
        assert not holds(folder, "Qzxwvoplian")
        assert holds(folder, "Who else is there?")
        assert await cm.witness(other.leaves[0])


@pytest.mark.slow
def test_the_commands(folder, crossmodel_command):
    asyncio.run(remember(folder, old=40, older=50, new=1))

    def document(*arguments):
        done = crossmodel_command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    planned = document("retention", "--dry-run")
    assert (planned["records"], planned["values"], planned["dry_run"]) == (4, 4, True)
    assert planned["oldest"] <= planned["newest"] < planned["cutoff"]
    shown = crossmodel_command("retention", "--dry-run")
    assert "would erase 4 hidden values of 4 records" in shown.stdout
    assert holds(folder, "asked-old-")
    done = crossmodel_command("retention")
    assert done.returncode == 0, done.stderr
    assert "erased 4 hidden values of 4 records" in done.stdout
    assert "record" in done.stdout.splitlines()[-1]
    assert not holds(folder, "asked-old-")
    assert document("retention")["values"] == 0

    refused = crossmodel_command("erase", "new", "--reason", "asked for", stdin="")
    assert refused.returncode == 2
    assert "say --yes" in refused.stderr
    unknown = crossmodel_command("erase", "req_none", "--reason", "asked for", "--yes")
    assert unknown.returncode == 2
    receipt = document("erase", "new", "--reason", "asked for", "--yes", "--receipt", "r.json")
    assert receipt["counts"]["commitments"] == 2
    assert receipt["records"] == [[4, 5]]
    assert receipt["scrubbed"]
    assert not holds(folder, "answered-new-")
    assert document("verify")["valid"]
    again = crossmodel_command("erase", "new", "--reason", "asked for", "--yes")
    assert "0 hidden values; the log says so in record" in again.stdout
    evidence = json.loads(Path("r.json").read_text("utf-8"))
    assert len(evidence["disclosed"]) == 2  # the ids and the reason


def test_a_receipt_that_cannot_be_written_erases_nothing(folder, crossmodel_command):
    asyncio.run(remember(folder, new=1))
    done = crossmodel_command(
        "erase", "new", "--reason", "asked for", "--yes", "--receipt", "nowhere/r.json"
    )
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert holds(folder, "answered-new-")
