"""How long one selection takes: weighted and learned, beside the pick of ``litellm.Router``.

``make bench`` runs it and writes the table ``benchmarks/selection.md``. Ours and the peer take
turns in one process, so the ratio means something on a noisy machine too; the absolute figures are
that machine's. The peer picks among deployments of one model and looks neither at quality nor at
the prompt: it is what a gateway pays per request today, not a like for like.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from crossmodel import (
    ModelCapabilityProfile,
    ModelSelector,
    ModelSelectorConfig,
    RequestContext,
    TaskRequirement,
)
from crossmodel.domain.models import ModelCapability
from crossmodel.selection.learned import LearnedRouter, OutcomeTable, Trial, train_router
from crossmodel.text.embedding import best_embedder

ROUNDS = 7
CALLS = 2_000
MODELS = 100
MANY = 5_000
PROMPT = (
    "Write a function that takes a list of intervals and returns the smallest set of points that "
    "touches every one of them, and say why the greedy choice is right. "
)
PEER = "litellm.Router, simple-shuffle, 100 deployments"

Decide = Callable[[int], object]


class Row(NamedTuple):
    """One line of the table: microseconds a decision, median over rounds."""

    what: str
    models: int
    microseconds: float


def profiles(count: int, rng: random.Random) -> Iterator[ModelCapabilityProfile]:
    """Models that differ in everything."""
    for number in range(count):
        yield ModelCapabilityProfile(
            model_id=f"model-{number:05d}",
            capabilities={capability: rng.random() for capability in ModelCapability},
            cost_per_token=rng.random() * 1e-4,
            latency_ms=rng.random() * 3000,
            quality_score=rng.random(),
        )


def selector(count: int, *, router: LearnedRouter | None = None) -> ModelSelector:
    """A selector over ``count`` models; learned if there is a router."""
    strategy = "learned" if router else "weighted"
    made = ModelSelector(ModelSelectorConfig(strategy=strategy), router=router)
    for profile in profiles(count, random.Random(0)):  # noqa: S311 - the same models every time
        made.register_model(profile)
    return made


def router(count: int) -> LearnedRouter:
    """A router over ``count`` models, trained on made-up outcomes: only its size matters here."""
    rng = random.Random(0)  # noqa: S311
    words = [f"word{n}" for n in range(400)]
    trials = [
        Trial(f"q{q}", prompt, f"model-{m:05d}", rng.random(), 1e-4, f"topic {q % 20}")
        for q in range(600)
        for prompt in [" ".join(rng.choices(words[20 * (q % 20) :][:20], k=30))]
        for m in range(count)
    ]
    return train_router(OutcomeTable.from_trials(trials), best_embedder())


def requirements(rng: random.Random) -> list[TaskRequirement]:
    """Requirements of which no two are alike."""
    return [
        TaskRequirement(
            [ModelCapability.CODING, ModelCapability.REASONING],
            complexity=rng.random(),
            quality_threshold=rng.uniform(0.1, 0.4),
            cost_constraint=rng.uniform(5e-5, 1e-4),
            latency_constraint=rng.uniform(1000.0, 3000.0),
        )
        for _ in range(CALLS)
    ]


def decisions() -> dict[tuple[str, int], Decide]:
    """What is timed: each takes the number of the call."""
    rng = random.Random(1)  # noqa: S311
    plain = TaskRequirement([ModelCapability.CODING, ModelCapability.REASONING])
    different = requirements(rng)
    few, many = selector(MODELS), selector(MANY)
    learned = selector(MODELS, router=router(MODELS))
    contexts = [RequestContext(prompt=f"{PROMPT}{number}") for number in range(CALLS)]
    return {
        ("weighted, no limits", MODELS): lambda _: few.select_optimal_model(plain),
        ("weighted, every limit, no two alike", MODELS): lambda i: few.select_optimal_model(
            different[i]
        ),
        ("weighted, no limits", MANY): lambda _: many.select_optimal_model(plain),
        (f"learned, prompt of {len(PROMPT)} characters", MODELS): (
            lambda i: learned.select_optimal_model(plain, contexts[i])
        ),
    }


def peer() -> Callable[[], Awaitable[Any]] | None:
    """One pick of the peer, if it is installed here."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # no network at import
    if importlib.util.find_spec("litellm") is None:
        return None
    import litellm  # noqa: PLC0415 - two seconds, and only where it is installed

    deployments = [
        {
            "model_name": "any",
            "litellm_params": {"model": "openai/gpt-4o-mini", "api_key": "none", "rpm": 1000},
            "model_info": {"id": str(number)},
        }
        for number in range(MODELS)
    ]
    made = litellm.Router(model_list=deployments, routing_strategy="simple-shuffle")
    messages = [{"role": "user", "content": PROMPT}]
    return lambda: made.async_get_available_deployment(
        model="any", messages=messages, request_kwargs={}
    )


def measure() -> str:
    """Take turns, and lay the medians out as a table."""
    ours = decisions()
    theirs = peer()
    taken: dict[tuple[str, int], list[float]] = {name: [] for name in ours}
    pick: list[float] = []
    for turn in range(ROUNDS + 1):
        for name, decide in ours.items():
            started = time.perf_counter()
            for number in range(CALLS):
                decide(number)
            if turn:  # the first round warms up
                taken[name].append((time.perf_counter() - started) / CALLS)
        if theirs is not None and (spent := asyncio.run(_timed(theirs))) and turn:
            pick.append(spent)
    rows = [Row(what, n, statistics.median(taken[what, n]) * 1e6) for what, n in ours]
    if pick:
        rows.append(Row(PEER, MODELS, statistics.median(pick) * 1e6))
    return table(rows)


async def _timed(pick: Callable[[], Awaitable[Any]]) -> float:
    calls = max(CALLS // 20, 1)
    started = time.perf_counter()
    for _ in range(calls):
        await pick()
    return (time.perf_counter() - started) / calls


def table(rows: list[Row]) -> str:
    """The rows in Markdown, each beside the peer."""
    theirs = next((row.microseconds for row in rows if row.what == PEER), None)
    python, system = platform.python_version(), f"{platform.system()} {platform.machine()}"
    where = f"Python {python}, {system}, {os.cpu_count()} processors"
    lines = [
        "# One selection",
        "",
        f"Medians of {ROUNDS} rounds of {CALLS:,} calls, in turns, in one process; {where}.",
        "Every selection is whole: checked, filtered, scored, ranked, kept in the history.",
        "",
        "| what | models | µs | decisions/s | peer's time / this |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        ratio = f"{theirs / row.microseconds:.1f}" if theirs else "-"
        lines.append(
            f"| {row.what} | {row.models:,} | {row.microseconds:.1f} | "
            f"{1e6 / row.microseconds:,.0f} | {ratio} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write the table."""
    text = measure()
    print(text)  # noqa: T201
    Path(__file__).with_suffix(".md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
