"""Our own benchmark: rows drawn from the families by a seed, each rule told in a messy answer."""

from __future__ import annotations

import random
from collections.abc import Iterator

from crossmodel.domain import checks
from crossmodel.evaluation.planted.families import FAMILIES, Invented
from crossmodel.evaluation.planted.prose import messy_answer
from crossmodel.evaluation.planted.tasks import PlantedTask
from crossmodel.evaluation.planted.words import Words


def planted_tasks(per_family: int, seed: int = 1) -> list[PlantedTask]:
    """``per_family`` rows of each family, in turns.

    Raises:
        InvalidInputError: if there would be none.
    """
    checks.at_least("per_family", per_family, 1)
    rng = random.Random(seed)  # noqa: S311 - a benchmark is repeatable, not secret
    words = Words(rng)
    tasks = []
    for number in range(1, per_family + 1):
        for name, family in FAMILIES.items():
            invented = family(rng, words)
            tasks.append(_task(f"{name}-{number}", name, invented, rng))
    return tasks


def distractors(count: int, seed: int = 2) -> Iterator[str]:
    """Messy answers about other rules of the same families: names differ, forms do not."""
    rng = random.Random(seed)  # noqa: S311 - likewise
    words = Words(rng)
    families = list(FAMILIES.values())
    for number in range(count):
        yield messy_answer(families[number % len(families)](rng, words), rng)


def _task(task_id: str, family: str, invented: Invented, rng: random.Random) -> PlantedTask:
    return PlantedTask(
        id=task_id,
        family=family,
        source_answers=(messy_answer(invented, rng),),
        rule=" ".join(invented.sayings),
        question=invented.question,
        answer=invented.answer,
        example=" ".join(invented.examples[0]) if invented.examples else "",
        choices=invented.choices,
        lie=invented.lie,
    )
