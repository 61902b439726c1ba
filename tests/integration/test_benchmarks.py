"""The benchmarks run: each row has a figure, whatever it is on this machine."""

import runpy
from pathlib import Path

import pytest

from crossmodel.settings import load_settings

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FOUNDATIONS = BENCHMARKS / "foundations.py"
SELECTION = BENCHMARKS / "selection.py"
ROUTING = BENCHMARKS / "routing.py"


def test_every_foundation_is_measured(tmp_path):
    bench = runpy.run_path(str(FOUNDATIONS))
    settings = bench["main"].__globals__
    settings.update(ROUNDS=1, RECORDS=20, COMMITS=3)
    text = settings["measure"](tmp_path)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 7
    assert all(float(row[-1].rstrip(" |")) > 0 for row in rows)


def test_every_kind_of_selection_is_measured():
    bench = runpy.run_path(str(SELECTION))
    settings = bench["main"].__globals__
    settings.update(ROUNDS=1, CALLS=20, MODELS=10, MANY=50, peer=lambda: None)
    rows = [line.split(" | ") for line in settings["measure"]().splitlines() if "| " in line][2:]
    assert [int(row[1]) for row in rows] == [10, 10, 50, 10]
    assert all(float(row[2]) > 0 for row in rows)
    with_peer = [*(settings["Row"](row[0], 10, 1.0) for row in rows)]
    with_peer.append(settings["Row"](settings["PEER"], 10, 3.0))
    assert settings["table"](with_peer).count("| 3.0 |") == len(rows) + 1


def test_the_learned_router_is_measured():
    bench = runpy.run_path(str(ROUTING))
    settings = bench["main"].__globals__
    settings.update(SPLITS=1, SIZES=(0, 10))
    text = settings["measure"]([BENCHMARKS.parent / "examples" / "outcomes.csv"])
    for expected in (
        "## outcomes.csv",
        "| CrossModel |",
        "domains left out",
        "| large |",
        "| trained on all |",
    ):
        assert expected in text


def test_extraction_is_measured():
    bench = runpy.run_path(str(BENCHMARKS / "extraction.py"))
    text = bench["measure"]([BENCHMARKS.parent / "examples" / "answers.jsonl"])
    for expected in (
        "answers.jsonl: 13 answers.",
        "## Final answers",
        "| label says right | 2 | 2 |",
        "100.0% grounded.",
        "| markdown-it-py, blocks only |",
    ):
        assert expected in text


async def test_retrieval_is_measured_beside_exact_search(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    bench = runpy.run_path(str(BENCHMARKS / "retrieval.py"))
    settings = bench["main"].__globals__
    settings.update(QUESTIONS=60, SLOW_QUESTIONS=30, FEW=200)
    rows = (await bench["measure"](2_000, tmp_path)).rows
    assert float(rows["recall@10 of vectors against all vectors"]) > 0.99
    assert float(rows["recall@10 of words against FTS5 over all"]) > 0.9
    assert float(rows["**recall@10 of both against both exact**"]) > 0.9
    assert all(figure for figure in rows.values())


async def test_transfer_is_measured():
    bench = runpy.run_path(str(BENCHMARKS / "transfer.py"))
    tasks = bench["planted_tasks"](1, 5)
    settings = load_settings(
        {
            "providers": [{"id": "p", "kind": "fake"}],
            "models": [{"id": "smollm2", "provider": "p", "quality": 0.2}],
        }
    )
    run = bench["run"]
    run.__globals__["Settings"] = lambda: settings
    found = await run(tasks, ("none", "padding", "oracle", "system"), "free")
    assert [f"| {arm} |" in bench["table"](found, tasks) for arm in found.arms] == [True] * 4
    assert bench["families"](found).count("\n") == 1 + len(found.families)


@pytest.mark.slow
def test_the_witness_is_measured_on_both_databases():
    bench = runpy.run_path(str(BENCHMARKS / "witness.py"))
    small = bench["Sizes"](baseline=16, batched=2048, seconds=0.3, few=100, many=3000, verified=500)
    rows = [line.split(" | ") for line in bench["measure"](small).splitlines() if "| " in line]
    told = [row[0] for row in rows if row[0] != "| what"]
    assert len(told) == 7 + 6 + 5 + 7
    for expected in (
        "one RSA signature and commit for each record (baseline)",
        "writer process, 256 wait at once",
        "one inclusion proof of 3,000 leaves",
        "verifying 500 records from the store",
    ):
        assert sum(expected in each for each in told) >= 1


def test_every_start_is_measured():
    bench = runpy.run_path(str(BENCHMARKS / "startup.py"))
    settings = bench["main"].__globals__
    settings.update(ROUNDS=1)
    rows = [line.split(" | ") for line in settings["measure"]().splitlines() if "| " in line][2:]
    assert len(rows) >= 7
    assert all(float(figure.rstrip(" |")) > 0 for row in rows for figure in row[1:])


def test_telemetry_is_measured():
    bench = runpy.run_path(str(BENCHMARKS / "telemetry.py"))
    settings = bench["main"].__globals__
    settings.update(ROUNDS=2, CALLS=20)
    rows = [line.split(" | ") for line in settings["table"]().splitlines() if line.startswith("| ")]
    figures = {row[0].removeprefix("| "): row[1].rstrip(" |") for row in rows}
    assert float(figures["counted, and all traced"]) > float(figures["nothing"])
    assert float(figures["OpenTelemetryHook"]) > float(figures["a hook that does nothing"])
