"""The benchmarks run: each row has a figure, whatever it is on this machine."""

import runpy
from pathlib import Path

FOUNDATIONS = Path(__file__).parents[2] / "benchmarks" / "foundations.py"


def test_every_foundation_is_measured(tmp_path):
    bench = runpy.run_path(str(FOUNDATIONS))
    settings = bench["main"].__globals__
    settings.update(ROUNDS=1, RECORDS=20, COMMITS=3)
    text = settings["measure"](tmp_path)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 7
    assert all(float(row[-1].rstrip(" |")) > 0 for row in rows)
