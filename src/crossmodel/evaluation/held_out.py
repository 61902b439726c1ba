"""Questions out of worked examples: some are held back from the insights and asked instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.evaluation.tasks import Task

HELD_OUT_OF: Final = 3
"""One example in this many is asked; a rule needs at least as many to take part."""


def hold_out(insights: Sequence[Insight]) -> list[Task]:
    """A task for every third worked example of each rule; the task's id is the insight's.

    An example without a usable input and output, or whose answer would stand in its own question,
    is never asked.
    """
    examples = {i.id: i for i in insights if i.kind == InsightKind.EXAMPLE and _is_usable(i)}
    tasks: dict[str, Task] = {}
    for rule in insights:
        linked = sorted({link for link in rule.links if link in examples} - tasks.keys())
        if rule.kind != InsightKind.RULE or len(linked) < HELD_OUT_OF:
            continue
        for example in (examples[link] for link in linked[HELD_OUT_OF - 1 :: HELD_OUT_OF]):
            tasks[example.id] = Task(
                id=example.id,
                family=rule.scope or rule.id,
                question=example.metadata["input"],
                answer=example.metadata["output"],
                rule=rule.content,
            )
    return list(tasks.values())


def without(insights: Iterable[Insight], tasks: Sequence[Task]) -> list[Insight]:
    """The insights that give none of the tasks away: not the example itself, and no copy of it."""
    held = {task.id for task in tasks}
    asked = {_folded(task.question) for task in tasks}
    return [
        insight
        for insight in insights
        if insight.id not in held and _folded(str(insight.metadata.get("input", ""))) not in asked
    ]


def _is_usable(example: Insight) -> bool:
    question, answer = example.metadata.get("input"), example.metadata.get("output")
    if not isinstance(question, str) or not isinstance(answer, str):
        return False
    return bool(question.strip() and answer.strip()) and _folded(answer) not in _folded(question)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
