"""The benchmark of measured uplift runs, and its page says what the constants promise."""

import re
import runpy
from pathlib import Path

from crossmodel.transfer.uplift.monitor import (
    USES_TO_DEMOTE_TEN_POINTS,
    USES_TO_FIND_TEN_POINTS,
    USES_TO_FIND_TEN_POINTS_WATCHED,
)

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "uplift.py"


def test_every_figure_is_measured():
    bench = runpy.run_path(str(BENCHMARK))
    settings = bench["measure"].__globals__
    settings.update(SIZES=((5, 5),), RUNS=50, INSIGHTS=20, LOOKS=150)
    rows = [line for line in bench["measure"]().splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == 1 + 1 + 7 + 8
    assert "more than 150" in rows[-8]


def test_the_page_says_what_is_promised():
    page = BENCHMARK.with_suffix(".md").read_text("utf-8").replace(",", "")
    rows = re.findall(r"10 points \| ([^|]+) \| \d+ \| (\d+) \| \d+ \| (\d+) \|", page)
    assert len(rows) == 4
    for rate, demoted, quarantined in rows:
        if "suspected" in rate:
            assert int(quarantined) <= USES_TO_FIND_TEN_POINTS_WATCHED
        else:
            assert int(demoted) <= USES_TO_DEMOTE_TEN_POINTS[float(rate)]
            assert int(quarantined) <= USES_TO_FIND_TEN_POINTS[float(rate)]
