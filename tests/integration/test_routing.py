"""Learned selection as users meet it: outcomes in a file, two commands, settings, the loop."""

import json
import os
import random
import subprocess
import sys
import xml.etree.ElementTree as ET

import pyarrow.parquet as pq
import pytest

from crossmodel import (
    BudgetExceededError,
    ConfigurationError,
    CrossModel,
    InvalidInputError,
    NoAvailableModelsError,
)
from crossmodel.providers import FakeProvider
from crossmodel.selection.learned import load_router

SKILL = {  # of dear, of cheap
    "translate": (0.95, 0.9),
    "prove": (0.9, 0.1),
    "refactor": (0.4, 0.9),
    "recipe": (0.9, 0.5),
}
WORDS = [
    "apple",
    "river",
    "stone",
    "window",
    "garden",
    "paper",
    "engine",
    "candle",
    "bridge",
    "orange",
    "silver",
    "winter",
]
PRICE = {"dear": 2e-3, "cheap": 2e-5}


def prompt_of(domain, seed):
    rng = random.Random(seed)
    return f"{domain} the {' '.join(rng.choices(WORDS, k=5))} for {domain}ing, case {seed}"


def rows(count, seed=0, domains=tuple(SKILL)):
    rng = random.Random(seed)
    for number in range(count):
        domain = rng.choice(domains)
        prompt = prompt_of(domain, 1000 * seed + number)
        for model, skill in zip(PRICE, SKILL[domain], strict=True):
            yield {
                "prompt": prompt,
                "model": model,
                "quality": float(rng.random() < skill),
                "cost_usd": PRICE[model],
                "domain": domain,
            }


def write(path, outcomes):
    path.write_text("".join(json.dumps(row) + "\n" for row in outcomes))
    return path


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with outcomes and a router that was trained on them by the command."""
    folder = tmp_path_factory.mktemp("routing")
    write(folder / "outcomes.jsonl", rows(600))
    write(folder / "later.jsonl", rows(200, seed=1))
    trained = crossmodel(folder, "train-router", "outcomes.jsonl", "--embedder", "hashed", "--json")
    (folder / "report.json").write_text(trained.stdout)
    return folder


def crossmodel(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "crossmodel", *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, check=False, timeout=240,
        env=os.environ | {"COLUMNS": "120", "PYTHONWARNINGS": "error"},
    )  # fmt: skip


def document(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- the commands --------------------------------------------------------------------------------


def test_training_reports_what_it_learned_from(workshop):
    report = json.loads((workshop / "report.json").read_text())
    assert (report["queries"], report["models"], report["topics"]) == (600, 2, 4)
    assert report["bytes"] == (workshop / "router.npz").stat().st_size
    assert report["embedder"] == "hashed"
    router = load_router((workshop / "router.npz").read_bytes())
    assert set(router.models) == set(PRICE)
    assert b"candle" not in (workshop / "router.npz").read_bytes()


def test_a_trained_router_is_judged_beside_every_baseline(workshop):
    done = crossmodel(
        workshop, "eval", "selection", "--data", "later.jsonl", "--router", "router.npz",
        "--predictions", "predictions.parquet", "--plot", "plot.svg", "--json",
    )  # fmt: skip
    found = document(done)
    lines = {line["name"]: line for line in found["table"]}
    assert list(lines) == [
        "random", "cheapest", "best single", "static", "domain prior (true label)", "kNN",
        "TF-IDF+logistic", "CrossModel", "oracle",
    ]  # fmt: skip
    assert found["judged_queries"] == 200
    assert lines["static"]["aiq"] < lines["CrossModel"]["aiq"] < lines["oracle"]["aiq"]
    assert lines["CrossModel"]["aiq_low"] < lines["CrossModel"]["aiq"]
    predictions = pq.read_table(workshop / "predictions.parquet").to_pylist()
    assert len(predictions) == 400
    assert {row["model"] for row in predictions} == set(PRICE)
    assert all(0 <= row["predicted_quality"] <= 1 for row in predictions)
    assert all(row["predicted_cost"] >= 0 for row in predictions)
    picture = ET.fromstring((workshop / "plot.svg").read_text())
    assert picture.tag.endswith("svg")


def test_without_a_router_one_is_trained_and_its_limits_are_shown(workshop):
    done = crossmodel(
        workshop, "eval", "selection", "--data", "outcomes.jsonl", "--leave-one-domain-out",
        "--label-curve", "--json",
    )  # fmt: skip
    found = document(done)
    assert 90 < found["judged_queries"] < 150
    assert {each["domain"] for each in found["leave_one_domain_out"]["domains"]} == set(SKILL)
    assert found["leave_one_domain_out"]["worst_difference"] >= -0.05
    assert [each["queries"] for each in found["label_curve"]] == [50, 200]
    shown = crossmodel(workshop, "eval", "selection", "--data", "outcomes.jsonl")
    assert shown.returncode == 0, shown.stderr
    for text in ("CrossModel", "oracle", "95 % CI", "CPT80", "* sees the true domain"):
        assert text in shown.stdout


def test_a_new_model_is_followed_as_it_joins(workshop):
    def three():
        for row in rows(300, seed=2):
            yield row
            if row["model"] == "cheap":
                yield row | {"model": "third", "quality": 1 - row["quality"]}

    write(workshop / "three.jsonl", three())
    data = ("eval", "selection", "--data", "three.jsonl", "--new-model")
    steps = document(crossmodel(workshop, *data, "third", "--json"))["new_model"]["steps"]
    assert [each["outcomes"] for each in steps] == [0, 10, 30, 100]
    shown = crossmodel(workshop, *data, "third")
    assert "third joins" in shown.stdout
    absent = crossmodel(workshop, *data, "absent")
    assert absent.returncode != 0
    assert "'absent' cannot join" in absent.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train-router", "absent.jsonl"), "absent.jsonl"),
        (("train-router", "outcomes.txt"), "parquet, .csv, .jsonl"),
        (("train-router", "bad.jsonl"), "row 2: quality"),
        (("train-router", "few.jsonl"), "number of queries"),
        (("train-router", "outcomes.jsonl", "--embedder", "absent"), "absent"),
        (("train-router", "outcomes.jsonl", "--out", "no/where.npz"), "where.npz"),
        (("eval", "selection", "--data", "absent.csv"), "absent.csv"),
        (("eval", "selection", "--data", "few.jsonl"), "queries"),
        (("eval", "selection", "--data", "later.jsonl", "--router", "later.jsonl"), "router"),
        (("eval", "selection", "--data", "other.jsonl", "--router", "router.npz"), "another"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(workshop, arguments, said):
    (workshop / "outcomes.txt").write_text("x")
    good = {"prompt": "p", "model": "m", "quality": 1, "cost_usd": 0}
    write(workshop / "bad.jsonl", [good, good | {"quality": "NaN"}])
    write(workshop / "few.jsonl", rows(3))
    write(workshop / "other.jsonl", ({**row, "model": "another"} for row in rows(50)))
    before = (workshop / "router.npz").read_bytes()
    done = crossmodel(workshop, *arguments)
    assert done.returncode not in (0, None)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert (workshop / "router.npz").read_bytes() == before
    assert not [file for file in workshop.iterdir() if ".part" in file.name]


def test_a_prompt_is_explained(workshop, tmp_path):
    (tmp_path / "crossmodel.toml").write_text(
        f"""
[store]
url = "sqlite:///state.db"
[[providers]]
id = "echo"
kind = "fake"
[[models]]
id = "dear"
provider = "echo"
quality = 0.9
capabilities = {{ coding = 0.9 }}
[[models]]
id = "cheap"
provider = "echo"
quality = 0.5
capabilities = {{ coding = 0.5 }}
tools = false
[model_selector]
strategy = "learned"
router = "{workshop}/router.npz"
[model_selector.dial]
cost_quality_tradeoff = 0.0
"""
    )
    ask = ("select", "--capability", "coding", "--explain", "--json", "--prompt")
    familiar = document(crossmodel(tmp_path, *ask, prompt_of("refactor", 9000)))
    learned = familiar["explanation"]["learned"]
    assert familiar["model"] == "cheap"
    assert max(learned["topics"], key=learned["topics"].get) == "refactor"
    assert learned["familiarity"] > 0.5
    foreign = document(crossmodel(tmp_path, *ask, "¿Кто 日本 0x7f <<>> ???"))
    assert foreign["explanation"]["learned"]["familiarity"] < 0.1
    for terms in foreign["explanation"]["learned"]["models"].values():
        assert terms["expected_quality"] == pytest.approx(terms["prior"], abs=0.1)
    needy = document(crossmodel(tmp_path, *ask, prompt_of("refactor", 9001), "--need", "tools"))
    assert needy["model"] == "dear"
    assert "tools" in needy["explanation"]["rejected"]["cheap"]
    shown = crossmodel(tmp_path, *ask[:-2], "--prompt", prompt_of("refactor", 9001))
    assert "familiar" in shown.stdout
    assert "on traffic that it was not chosen on" in shown.stdout
    none = crossmodel(tmp_path, "select", "--capability", "coding", "--need", "vision", "--json")
    assert none.returncode == 1
    assert set(json.loads(none.stdout)["rejected"]) == {"dear", "cheap"}


# --- the loop ------------------------------------------------------------------------------------


@pytest.fixture
def settings(workshop, tmp_path, monkeypatch):
    provider = FakeProvider(lambda request: f"{request.model} says so")
    monkeypatch.setattr("crossmodel.assembly.building.create_provider", lambda *_, **__: provider)
    return {
        "store": {"url": f"sqlite:///{tmp_path}/state.db"},
        "witness": {"key_dir": str(tmp_path / "keys")},
        "providers": [{"id": "p", "kind": "fake"}],
        "models": [
            {
                "id": "dear", "provider": "p", "quality": 0.9,
                "input_price": 3, "output_price": 15, "tools": False,
            },
            {"id": "cheap", "provider": "p", "quality": 0.5, "input_price": 0.1, "output_price": 1},
        ],
        "model_selector": {"strategy": "learned", "router": str(workshop / "router.npz")},
    }  # fmt: skip


async def test_the_loop_chooses_by_what_is_asked(settings):
    async with CrossModel.open(settings) as cm:
        code = await cm.complete(prompt_of("refactor", 9000))
        proof = await cm.complete(prompt_of("prove", 9000))
        assert (code.model_id, proof.model_id) == ("cheap", "dear")
        assert proof.selection.explain().learned.familiarity > 0.5
        kept = await cm.engine.store.read(lambda tx: tx.get_selection("default", proof.id))
        assert kept.propensity == 1.0


async def test_the_dial_buys_quality_only_where_it_pays(settings):
    settings["model_selector"]["dial"] = {"most_usd_per_1000": 0.6}
    async with CrossModel.open(settings) as cm:
        prompts = [(d, prompt_of(d, 9000 + n)) for n in range(100) for d in SKILL]
        chosen = [(domain, cm.select(prompt=prompt).model_id) for domain, prompt in prompts]
        dear = [domain for domain, model in chosen if model == "dear"]
        assert 60 < len(dear) < 120  # 0.6 buys the dear model, at 2.0, for 29 %
        assert set(dear) == {"prove"}  # where it gains the most
        learned = cm.select(prompt="x").explain().learned
        assert "0.6" in learned.dial
        assert learned.calibration["met"]
        assert learned.calibration["reported"]["usd_per_1000"] <= 0.6


async def test_a_dial_that_cannot_be_met_is_warned_of_once(settings, caplog):
    settings["model_selector"]["dial"] = {"most_usd_per_1000": 0.001}
    async with CrossModel.open(settings) as cm:
        for _ in range(3):
            assert not cm.select(prompt="x").explain().learned.calibration["met"]
    warned = [record for record in caplog.records if "the dial asks for" in record.message]
    assert len(warned) == 1
    assert "0.001" in warned[0].message


async def test_feedback_teaches_the_router_which_can_be_kept(settings, tmp_path):
    prompt = prompt_of("prove", 9000)
    async with CrossModel.open(settings) as cm:

        def terms():
            return cm.select(prompt=prompt).explain().learned.models

        before = terms()["dear"]
        for _ in range(30):
            answer = await cm.complete(prompt, model="dear")
            await cm.feedback(answer.id, 0.0)
        after = terms()["dear"]
        assert after.evidence > before.evidence + 15
        assert after.expected_quality < before.expected_quality - 0.05
        (tmp_path / "taught.npz").write_bytes(cm.router_bytes())
    settings["model_selector"]["router"] = str(tmp_path / "taught.npz")
    async with CrossModel.open(settings) as cm:
        again = cm.select(prompt=prompt).explain().learned.models["dear"]
        assert again.expected_quality == pytest.approx(after.expected_quality, abs=1e-6)
    del settings["model_selector"]["router"]
    async with CrossModel.open(settings) as cm:
        with pytest.raises(ConfigurationError, match="train-router"):
            cm.router_bytes()


async def test_a_conversation_keeps_its_model_for_a_short_turn(settings):
    settings["model_selector"]["conversation"] = {"margin": 0.05}
    opening = {"role": "user", "content": prompt_of("refactor", 9000)}
    more = [
        opening,
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "go on"},
    ]
    async with CrossModel.open(settings) as cm:
        first = await cm.complete([opening], conversation="c")
        second = await cm.complete(more, conversation="c")
        alone = await cm.complete("go on")
        assert (first.model_id, second.model_id) == ("cheap", "cheap")
        assert alone.model_id == "dear"  # two words say nothing: the prior decides


async def test_a_named_model_is_honoured_or_refused(settings):
    async with CrossModel.open(settings) as cm:
        assert (await cm.complete("Hi", model="cheap", needs=["tools"])).model_id == "cheap"
        with pytest.raises(NoAvailableModelsError, match=r"dear.*cannot do tools"):
            await cm.complete("Hi", model="dear", needs=["tools"])
        with pytest.raises(InvalidInputError, match="telepathy"):
            await cm.complete("Hi", needs=["telepathy"])
        assert (await cm.complete(prompt_of("prove", 9001), needs=["tools"])).model_id == ("cheap")


async def test_tenants_and_keys_have_budgets_of_their_own(settings):
    settings["model_selector"]["cost_optimization"] = {
        "tenant_budgets": {"small": {"daily_budget": 0.0012}},
        "key_budgets": {"*": {"monthly_budget": 0.0025}},
    }

    async def ask(cm, **whose):
        return await cm.complete("Hi", model="cheap", max_tokens=1000, **whose)

    async with CrossModel.open(settings) as cm:
        await ask(cm, tenant="small")  # what it may cost is set aside, what it costs is settled
        for key in ("one", "two"):
            await ask(cm, key=key)
        with pytest.raises(BudgetExceededError, match="small"):
            await cm.complete("Hi", model="cheap", max_tokens=1300, tenant="small")
        with pytest.raises(BudgetExceededError, match="one"):
            await cm.complete("Hi", model="cheap", max_tokens=2600, key="one")
        await cm.complete("Hi", model="cheap", max_tokens=1300, tenant="large")
        spent = cm.engine.selector.cost_optimizer
        # the refused calls gave back what was set aside: what is left is one short answer
        assert 0 < spent.committed("daily_budget", tenant="small") < 0.0001
        assert 0 < spent.committed("monthly_budget", key="one") < 0.0001
        assert spent.committed("monthly_budget", key="three") == 0


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"router": "absent.npz"}, "absent.npz"),
        ({"strategy": "learnt"}, "learn"),
        ({"dial": {"least_quality_share": 2}}, "least_quality_share"),
        ({"dial": {"least_quality_share": 0.9, "most_usd_per_1000": 1}}, "dial"),
        ({"exploration": {"rate": float("nan")}}, "rate"),
        ({"conversation": {"marginn": 1}}, "margin"),
    ],
)
async def test_settings_that_are_wrong_name_their_key(settings, wrong, path):
    settings["model_selector"] |= wrong
    with pytest.raises(ConfigurationError, match=path):
        async with CrossModel.open(settings):
            pass
