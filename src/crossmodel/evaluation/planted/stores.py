"""Answers become stores, through the same extraction, log and database as everybody's.

Each store is a tenant of one database, so that many of them stand side by side and none sees
another's insights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from crossmodel.assembly import CrossModel
from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.records import SourceText
from crossmodel.evaluation.planted.benchmark import distractors
from crossmodel.evaluation.planted.tasks import PlantedTask
from crossmodel.settings import Settings, StoreSettings

TEACHER: Final = "teacher"
"""Who the source answers are by: a model that is trusted."""

STRANGER: Final = "stranger"
"""Who the lies are by: somebody of whom nothing is known."""

TEACHER_TRUST: Final = 0.9

Progress = Callable[[str], None]


def planted_settings(settings: Settings, folder: Path) -> Settings:
    """The user's settings over a store and keys of the evaluation's own; the teacher is trusted."""
    transfer = settings.insight_transfer
    trusted = {TEACHER: TEACHER_TRUST} | transfer.trust.source_trust
    return replace(
        settings,
        store=StoreSettings("sqlite:///:memory:"),
        witness=replace(
            settings.witness, key_dir=str(folder / "keys"), rsa_signer="", ed25519_signer=""
        ),
        insight_transfer=replace(transfer, trust=replace(transfer.trust, source_trust=trusted)),
    )


class Stores:
    """The stores that the arms retrieve from; each is filled when it is first asked for."""

    def __init__(
        self, cm: CrossModel, tasks: Sequence[PlantedTask], progress: Progress = lambda _: None
    ) -> None:
        self._cm = cm
        self._tasks = tasks
        self._progress = progress
        self._extracted: dict[tuple[str, str], ExtractionResult] = {}
        self._filled: set[str] = set()

    async def of_all(self) -> str:
        """The store of all source answers."""
        return await self._filled_with("all", self._tasks)

    async def beside(self, task: PlantedTask, others: int) -> str:
        """A store in which the task's answers stand beside those about ``others`` other rules.

        Tasks share stores: each store holds ``others`` + 1 rules, of other tasks as far as there
        are any, else of invented ones.
        """
        size = others + 1
        group = self._tasks.index(task) // size
        tasks = self._tasks[group * size : (group + 1) * size]
        missing = size - len(tasks)
        name = f"beside-{others}-{group}"
        return await self._filled_with(name, tasks, distractors(missing, seed=1000 + group))

    async def poisoned(self) -> str:
        """The store of all source answers and, from a stranger, every lie."""
        name = await self._filled_with("poisoned", self._tasks)
        if "lies" not in self._filled:
            self._filled.add("lies")
            for task in self._tasks:
                if task.false_rule:
                    await self._learn(name, STRANGER, f"Good to know.\n\n{task.false_rule}")
        return name

    async def _filled_with(
        self, name: str, tasks: Sequence[PlantedTask], invented: Iterable[str] = ()
    ) -> str:
        if name not in self._filled:
            self._filled.add(name)
            self._progress(f"filling store {name}")
            answers = [answer for task in tasks for answer in task.source_answers]
            for answer in dict.fromkeys([*answers, *invented]):
                await self._learn(name, TEACHER, answer)
        return name

    async def _learn(self, tenant: str, model: str, answer: str) -> None:
        if not answer.strip():
            return
        key = model, answer
        if key not in self._extracted:
            self._extracted[key] = await self._cm.engine.extract(answer, model, tenant=tenant)
        source = SourceText(answer, model, tenant)
        await self._cm.engine.ledger.record_insights(source, self._extracted[key])
