"""How far measured uplift can be believed: ``python benchmarks/uplift.py``.

Simulates traffic whose effect is known and writes ``benchmarks/uplift.md``: how often intervals
hold the truth, how often harm is seen where there is none, and how many uses it takes to see it.
Seeds are fixed, so the figures are the same on every machine.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

from crossmodel.domain.uplift import Tally
from crossmodel.evaluation.uplift import NEVER, Counts, Traffic, coverage, simulate
from crossmodel.transfer.uplift.effects import Z_95, Effect, effect_of

TARGET = Path(__file__).with_suffix(".md")
SIZES = ((5, 5), (20, 5), (50, 5), (10, 10), (50, 10), (20, 20), (50, 50), (90, 10), (200, 20))
RATES = ((0.5, 0.5), (0.7, 0.6), (0.9, 0.9), (0.98, 0.98), (0.02, 0.02), (0.98, 0.5), (0.1, 0.3))
CONCENTRATIONS = (0.5, 2.0, 20.0)
RUNS = 4_000
INSIGHTS = 4_000
LOOKS = 5_000
HARMLESS = (
    Traffic(0.5, 0.5, 0.5),
    Traffic(0.7, 0.7, 0.1),
    Traffic(0.9, 0.9, 0.1),
    Traffic(0.1, 0.1, 0.1),
    Traffic(0.7, 0.7, 0.1, concentration=2.0),
    Traffic(0.5, 0.5, 0.1, watched=True),
    Traffic(0.7, 0.7, 0.1, watched=True),
)
HARMFUL = tuple(
    Traffic(with_insight, 0.7, rate, watched=watched)
    for with_insight in (0.6, 0.4)
    for rate, watched in ((0.1, False), (0.2, False), (0.5, False), (0.1, True))
)


def wald(treated: Tally, control: Tally) -> Effect:
    """The usual normal interval, the baseline."""
    p, q = treated.total / treated.n, control.total / control.n
    half = Z_95 * math.sqrt(p * (1 - p) / treated.n + q * (1 - q) / control.n)
    return Effect(treated, control, p - q, p - q - half, p - q + half)


def coverage_of_ones() -> list[str]:
    """Rows for scores of 0 and 1, exact."""
    rows = []
    for n, m in SIZES:
        ours, usual = (coverage(n, m, RATES, interval) for interval in (effect_of, wald))
        shares = " | ".join(f"{share:.3f}" for share in ours)
        rows.append(f"| {n}, {m} | {shares} | {min(ours):.3f} | {min(usual):.3f} |")
    return rows


def coverage_between() -> list[str]:
    """Rows for beta-distributed scores, simulated."""
    random, rows = np.random.default_rng(1), []
    for n, m in SIZES:
        shares = [
            _share(Traffic(p, q, concentration=c), n, m, random)
            for c in CONCENTRATIONS
            for p, q in RATES
        ]
        rows.append(f"| {n}, {m} | {min(shares):.3f} | {np.mean(shares):.3f} |")
    return rows


def _share(traffic: Traffic, n: int, m: int, random: np.random.Generator) -> float:
    one = traffic.scores(np.ones((RUNS, n), bool), random)
    other = traffic.scores(np.zeros((RUNS, m), bool), random)
    effects = (
        effect_of(Tally(n, a.sum(), a @ a), Tally(m, b.sum(), b @ b))
        for a, b in zip(one, other, strict=True)
    )
    truth = traffic.with_insight - traffic.without
    return float(np.mean([effect.low <= truth <= effect.high for effect in effects]))


def false_alarms() -> list[str]:
    """Rows of harm seen where there is none."""
    random, rows = np.random.default_rng(2), []
    for traffic in HARMLESS:
        run = simulate(traffic, LOOKS, INSIGHTS, random)
        seen = [float(np.mean(each != NEVER)) for each in (run.demoted, run.quarantined)]
        kind = "0 or 1" if traffic.concentration is None else "between"
        rows.append(
            f"| {traffic.without:.2f} | {kind} | {_rate(traffic)} | {seen[0]:.3f} | {seen[1]:.3f} "
            f"| {run.held_out:.3f} |"
        )
    return rows


def uses() -> list[str]:
    """Rows of uses until harm is seen, in the median and for nine in ten."""
    random, rows = np.random.default_rng(3), []
    for traffic in HARMFUL:
        run = simulate(traffic, LOOKS, INSIGHTS, random)
        shown = " | ".join(
            _uses(each, share) for each in (run.demoted, run.quarantined) for share in (0.5, 0.9)
        )
        fall = 100 * (traffic.without - traffic.with_insight)
        once = _once(traffic) if not traffic.watched else ""
        rows.append(f"| {fall:.0f} points | {_rate(traffic)} | {shown} | {once} |")
    return rows


def _uses(found: Counts, share: float) -> str:
    within = int(np.sort(found)[math.ceil(share * len(found)) - 1])
    return f"more than {LOOKS:,}" if within == NEVER else f"{within:,}"


def _once(traffic: Traffic) -> str:
    """Uses that a test at 5 %, looked at once, needs to see it nine times in ten."""
    p, q, rate = traffic.with_insight, traffic.without, traffic.holdout_rate
    variance = p * (1 - p) / (1 - rate) + q * (1 - q) / rate
    return f"{math.ceil((1.6449 + 1.2816) ** 2 * variance / (p - q) ** 2):,}"


def _rate(traffic: Traffic) -> str:
    return f"{traffic.holdout_rate:g}{', suspected 0.5' if traffic.watched else ''}"


def measure() -> str:
    """The page."""
    rates = " | ".join(f"{p:g}, {q:g}" for p, q in RATES)
    lines = [
        "# How far measured uplift can be believed",
        "",
        "Written by `python benchmarks/uplift.py`; seeds are fixed.",
        "",
        "## Intervals",
        "",
        "How often the 95 % interval of an effect holds the truth, for scores of 0 and 1: summed",
        "over all outcomes, so exact. Rows are scores with insights and without, columns the two",
        "true rates; the last two are the least of the row, ours and the usual normal interval's.",
        "",
        f"| n | {rates} | least | usual, least |",
        "|---|" + "---|" * (len(RATES) + 2),
        *coverage_of_ones(),
        "",
        "The same for beta-distributed scores with those means and concentrations of",
        f"{', '.join(f'{c:g}' for c in CONCENTRATIONS)}: least and mean of the cells,",
        f"{RUNS:,} runs each.",
        "",
        "| n | least | mean |",
        "|---|---|---|",
        *coverage_between(),
        "",
        "## Harm that is none",
        "",
        f"Share of {INSIGHTS:,} insights without effect that are ever demoted (at most 0.20 is",
        f"promised) or quarantined (0.05) when one looks after each of {LOOKS:,} uses.",
        "",
        "| mean score | scores | held out | demoted | quarantined | share held out |",
        "|---|---|---|---|---|---|",
        *false_alarms(),
        "",
        "## Uses until harm is seen",
        "",
        "Uses of an insight, held-out ones counted, until a fall of the mean score from 0.70 is",
        "seen when one looks after every use: in the median, and for nine insights in ten.",
        "*Suspected 0.5*: half of the requests are held out while evidence is 1.2 or more. *Once*",
        "is what a test at 5 % needs to see it nine times in ten if it may be looked at only once.",
        "",
        "| harm | held out | demoted, half | 9 in 10 | quarantined, half | 9 in 10 | once |",
        "|---|---|---|---|---|---|---|",
        *uses(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(measure(), encoding="utf-8")
    sys.stdout.write(TARGET.read_text(encoding="utf-8"))
