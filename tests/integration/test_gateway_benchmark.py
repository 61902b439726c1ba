"""The benchmark of the gateway runs: its load generator counts right, each row has its figures."""

import importlib
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """The modules of the benchmark by name, and a bench of a tenth of a second."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    modules = {
        name: importlib.import_module(f"gateway_peers.{name}")
        for name in ("measuring", "processes", "systems")
    }
    here = modules["systems"].HERE
    modules["bench"] = modules["measuring"].Bench(
        [sys.executable, str(here / "load.py")],
        [sys.executable, str(here / "upstream.py")],
        modules["processes"].Cores.of_this_machine(),
        1.0,
        tmp_path,
    )
    modules["script"] = runpy.run_path(str(BENCHMARKS / "gateway.py"))
    return modules


def test_the_load_generator_counts_what_the_upstream_saw(tmp_path, upstream):
    load = BENCHMARKS / "gateway_peers" / "load.py"
    body = tmp_path / "body.json"

    def asked(model, **more):
        told = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
        body.write_text(json.dumps(told), "utf-8")
        upstream.reset()
        done = subprocess.run(
            [sys.executable, load, str(upstream.port), "/v1/chat/completions", "4", "0.5", body],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return json.loads(done.stdout), upstream.idle()

    told, seen = asked("text")
    assert 0 <= seen["total"] - told["n"] <= 4  # those that ended after the time
    assert (told["err"], told["non200"], told["dones"]) == (0, 0, 0)
    assert 0 < told["ttfb50"] <= told["p50"] <= told["p90"] <= told["p99"]
    assert told["rps"] == pytest.approx(told["n"] / 0.5)

    told, seen = asked("text", stream=True)
    assert told["dones"] == seen["total"]
    told, seen = asked("status-500")
    assert told["non200"] == seen["total"]
    told, seen = asked("long-20+cut-5", stream=True)
    assert (told["n"], told["err"]) == (0, seen["total"])


@pytest.mark.slow
def test_ours_is_measured(bench):
    script = bench["script"]
    ours = next(each for each in bench["systems"].systems() if each.name == "CrossModel")
    found = script["run"](bench["bench"], 1, [ours])
    assert not found.missing
    assert list(found.rows) == [script["DIRECT"], "CrossModel, named model", "CrossModel, `auto`"]
    for turns in found.rows.values():
        assert [turn.failures for turn in turns] == [0]
        assert turns[0].many.rate > 0
        assert turns[0].one.whole[0] > 0
        assert turns[0].streams.rate > 0
    measured = found.rows["CrossModel, `auto`"][0]
    assert measured.cpu > 0
    assert 0 < measured.start < bench["measuring"].START_SECONDS
    assert min(measured.memory) > 10
    text = script["report"](found)
    assert all(text.count(f"| {row}") == 3 for row in list(found.rows)[1:])


@pytest.mark.slow
def test_who_cannot_be_measured_is_left_out_and_named(bench):
    script, systems = bench["script"], bench["systems"]

    class Broken(systems.System):
        def start(self, *_):
            return systems.Start([sys.executable, "-c", "raise SystemExit('no wheels')"])

    found = script["run"](
        bench["bench"], 1, [Broken("broken"), systems.Nginx("absent", missing="not installed")]
    )
    assert list(found.rows) == [script["DIRECT"]]
    assert found.missing["absent"] == "not installed"
    assert "ended: 1" in found.missing["broken"]
    assert "Not measured: absent (not installed)" in script["report"](found)
