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
    tasks: list[Task] = []
    taken: set[str] = set()
    for rule in insights:
        linked = sorted({link for link in rule.links if link in examples} - taken)
        if rule.kind != InsightKind.RULE or len(linked) < HELD_OUT_OF:
            continue
        taken.update(linked)
        tasks += [
            Task(
                id=example.id,
                family=rule.scope or rule.id,
                question=example.metadata["input"],
                answer=example.metadata["output"],
                rule=rule.content,
            )
            for example in (examples[link] for link in linked[HELD_OUT_OF - 1 :: HELD_OUT_OF])
        ]
    return tasks


def without(insights: Iterable[Insight], tasks: Sequence[Task]) -> list[Insight]:
    """The insights that give none of the tasks away.

    Neither the example itself nor a copy of it, nor anything that says both question and answer, as
    a whole table of examples does.
    """
    held = {task.id for task in tasks}
    asked = [(_folded(task.question), _folded(task.answer)) for task in tasks]

    def tells(insight: Insight) -> bool:
        said = _folded(f"{insight.content} {insight.metadata.get('input', '')}")
        return any(question in said and answer in said for question, answer in asked)

    return [insight for insight in insights if insight.id not in held and not tells(insight)]


def _is_usable(example: Insight) -> bool:
    question, answer = example.metadata.get("input"), example.metadata.get("output")
    if not isinstance(question, str) or not isinstance(answer, str):
        return False
    return bool(question.strip() and answer.strip()) and _folded(answer) not in _folded(question)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
