"""Does what one model wrote help another? Planted rules, in all arms, as a table.

Usage: python benchmarks/transfer.py [ROWS OF EACH FAMILY]

Writes ``benchmarks/transfer.md``. The model is the built-in one; rules, answers and distractors are
invented by fixed seeds, so that only the clock differs between runs.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from crossmodel.evaluation.planted.arms import ALL_ARMS, ORACLE, PADDING
from crossmodel.evaluation.planted.benchmark import planted_tasks
from crossmodel.evaluation.planted.figures import is_system, lies, recovered
from crossmodel.evaluation.planted.run import Plan, measure
from crossmodel.evaluation.planted.tasks import PlantedTask
from crossmodel.evaluation.results import Evaluation
from crossmodel.settings import Settings

SEED = 20
FREE_ARMS = ("none", "padding", "oracle", "system-70", "poisoned", "undefended")
COLUMNS = (
    "arm", "right", "95 % CI", "p against padding", "score (95 % CI)", "lies adopted", "tokens in",
    "ms",
)  # fmt: skip


def main() -> None:
    """Run both ways to generate and write the page."""
    per_family = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    tasks = planted_tasks(per_family, SEED)
    parts = [HEAD.format(n=len(tasks), families=", ".join(dict.fromkeys(t.family for t in tasks)))]
    for title, arms, generation in (
        ("Answers bound to four choices by a grammar", ALL_ARMS, "grammar"),
        ("Free answers", FREE_ARMS, "free"),
    ):
        found = asyncio.run(run(tasks, arms, generation))
        parts.append(f"## {title}\n\n{table(found, tasks)}\n\n{families(found)}")
    page = "\n\n".join(parts) + "\n"
    (Path(__file__).parent / "transfer.md").write_text(page, "utf-8")
    sys.stdout.write(page)


async def run(tasks: Sequence[PlantedTask], arms: Sequence[str], generation: str) -> Evaluation:
    """Ask everything."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(tasks, arms, generation=generation)
        return await measure(Settings(), plan, Path(folder))


def table(found: Evaluation, tasks: Sequence[PlantedTask]) -> str:
    """One row an arm."""
    rows = []
    for arm in found.arms:
        score, fooled = found.score(arm), lies(found, arm, tasks)
        low, high = score.interval
        against = "" if arm == PADDING else f"{found.p_value(arm, PADDING):.1g}"
        share = recovered(found, arm) if is_system(arm) and ORACLE in found.arms else None
        said = ""
        if share is not None and share.value is not None:
            said = f"{share.value:.2f} ({share.low:.2f}-{share.high:.2f})"
        rows.append(
            (
                arm,
                f"{score.correct}/{score.n}",
                f"{100 * low:.0f}-{100 * high:.0f} %",
                against,
                said,
                f"{fooled.adopted}/{fooled.n}",
                f"{score.mean_input_tokens:.0f}",
                f"{score.mean_latency_ms:.0f}",
            )
        )
    return markdown(COLUMNS, rows)


def families(found: Evaluation) -> str:
    """Right answers by family."""
    rows = [
        (family, *(str(found.score(arm, family).correct) for arm in found.arms))
        for family in found.families
    ]
    return markdown(("right, by family", *found.arms), rows)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


HEAD = """\
# What one model wrote, in another model's answers

Written by `python benchmarks/transfer.py`. SmolLM2-135M, {n} invented rules ({families}), each told
once in a long, messy answer and asked once. What `system` arms hand over went through extraction,
store, search, choice and packing; `oracle` is the rule by hand, with an example where it has one.
Padding is irrelevant text as long as what the system handed over. The score is
(arm - padding) / (oracle - padding), its interval a bootstrap over questions; p is McNemar's.
`system-N` retrieves beside N other rules of the same families. In `poisoned` a stranger has planted
a lie about every rule; `undefended` is that lie in the rule's place, `rule+lie` both. By chance a
lie is hit too: see the lies of `none` and `padding`, which were told none."""


if __name__ == "__main__":
    main()
