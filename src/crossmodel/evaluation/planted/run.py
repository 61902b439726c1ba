"""Asking every question in every arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from crossmodel.assembly import CrossModel
from crossmodel.domain import checks
from crossmodel.domain.completion import Completion, CompletionRequest, Message
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.transfer import TransferResult
from crossmodel.evaluation.planted.arms import Contexts
from crossmodel.evaluation.planted.judging import judge, said_in
from crossmodel.evaluation.planted.models import LOCAL, with_model
from crossmodel.evaluation.planted.stores import Stores, planted_settings
from crossmodel.evaluation.planted.tasks import PlantedTask, check_tasks
from crossmodel.evaluation.results import Evaluation, ItemResult
from crossmodel.settings import Settings
from crossmodel.transfer import InsightTransfer

LEAD: Final = "A: "
"""What a constrained answer begins with: without it, small models want to say something else."""

GENERATIONS: Final = ("auto", "grammar", "free")

Progress = Callable[[int, str], None]
"""Told how many answers there are, and what is done now."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be asked of whom.

    Attributes:
        tasks: the questions.
        arms: what each is asked with, see :mod:`crossmodel.evaluation.planted.arms`.
        model: a configured model's id, the path of a GGUF file, or ``local``.
        generation: ``free`` lets a model say what it likes; ``grammar`` binds its answer to a
            task's choices, where it has some: by a grammar where the model's runtime takes one,
            else by a sentence after the question; ``auto`` asks freely, and binds the answer only
            where that names no choice, since small models say less well what they must.
        max_tokens: most tokens of an answer.
    """

    tasks: Sequence[PlantedTask]
    arms: Sequence[str]
    model: str = LOCAL
    generation: str = "auto"
    max_tokens: int = 32

    def __post_init__(self) -> None:
        checks.one_of("generation", self.generation, GENERATIONS)


async def measure(
    settings: Settings, plan: Plan, folder: Path, progress: Progress | None = None
) -> Evaluation:
    """Ask every question in every arm at temperature 0, the arms of one question in turn.

    State and keys of the run live in memory and under ``folder``.

    Raises:
        InvalidInputError: if there are no tasks.
        ModelNotFoundError: if the model is not configured.
        ProviderError: if the model cannot answer.
    """
    check_tasks(plan.tasks)
    tell = progress or (lambda _done, _what: None)
    prepared, model_id = with_model(planted_settings(settings, folder), plan.model)
    items: list[ItemResult] = []
    async with CrossModel(prepared) as cm:
        kinds = {row.id: row.kind for row in prepared.providers}
        model = cm.engine.models[model_id]
        stores = Stores(cm, plan.tasks, lambda what: tell(len(items), what))
        asker = _Asker(cm, model, plan, takes_grammar=kinds[model.provider] == LOCAL)
        contexts = Contexts.of(cm, model, stores)
        for task in plan.tasks:
            for arm in plan.arms:
                items.append(await asker.ask(task, arm, contexts))
                tell(len(items), f"asking, {arm}")
    return Evaluation(tuple(items), model_id)


def grammar(choices: Sequence[str]) -> str:
    """A GBNF grammar that lets a model say one of the choices and nothing else."""
    return "root ::= " + " | ".join(_literal(LEAD + choice) for choice in choices)


def _literal(text: str) -> str:
    """GBNF writes strings as JSON does."""
    return msgspec.json.encode(text).decode()


@dataclass(frozen=True, slots=True)
class _Asker:
    cm: CrossModel
    model: ModelSpec
    plan: Plan
    takes_grammar: bool

    async def ask(self, task: PlantedTask, arm: str, contexts: Contexts) -> ItemResult:
        result = await contexts.make(arm, task)
        completion = await self._complete(task, result, contexts)
        usage, judged = completion.usage, judge(completion.text, task)
        given = result is not None and result.success
        return ItemResult(
            task_id=task.id,
            family=task.family,
            arm=arm,
            text=completion.text,
            correct=judged.correct,
            adopted_lie=judged.adopted_lie,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            context_tokens=result.tokens if result and given else 0,
            latency_ms=completion.latency_ms,
            cost_usd=self.model.cost_usd(usage.input_tokens, usage.output_tokens),
            insight_ids=tuple(i.id for i in result.transferred_insights) if result else (),
            context=result.context if result and given else "",
            reason="" if given or result is None else result.error or "",
        )

    async def _complete(
        self, task: PlantedTask, result: TransferResult | None, contexts: Contexts
    ) -> Completion:
        generation = self.plan.generation if task.choices else "free"
        question = task.question
        if generation != "free" and not self.takes_grammar:
            question += f"\nAnswer with exactly one of these: {', '.join(task.choices)}"
            generation = "free"
        messages = self._messages(question, result, contexts.transfer)
        if generation == "grammar":
            return await self._answer(messages, grammar(task.choices))
        free = await self._answer(messages)
        if generation == "free" or said_in(free.text, task):
            return free
        bound = await self._answer(messages, grammar(task.choices))
        return replace(
            bound, usage=free.usage + bound.usage, latency_ms=free.latency_ms + bound.latency_ms
        )

    def _messages(
        self, question: str, result: TransferResult | None, transfer: InsightTransfer
    ) -> tuple[Message, ...]:
        if result is not None and result.success:
            return transfer.place((Message("user", question),), result, self.model.id)
        return (Message("user", transfer.phrased(question, self.model.id)),)

    async def _answer(self, messages: tuple[Message, ...], bound_by: str = "") -> Completion:
        return await self.cm.engine.providers[self.model.provider].complete(
            CompletionRequest(
                model=self.model.name,
                messages=messages,
                max_tokens=self.plan.max_tokens,
                temperature=0.0,
                extra={"grammar": bound_by} if bound_by else {},
            )
        )
