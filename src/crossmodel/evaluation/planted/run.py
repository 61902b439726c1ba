"""Asking every question in every arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from crossmodel.assembly import CrossModel
from crossmodel.domain.completion import CompletionRequest, Message
from crossmodel.domain.models import ModelSpec
from crossmodel.errors import ModelNotFoundError
from crossmodel.evaluation.planted.arms import Contexts
from crossmodel.evaluation.planted.judging import judge
from crossmodel.evaluation.planted.stores import Stores
from crossmodel.evaluation.planted.tasks import PlantedTask, check_tasks
from crossmodel.evaluation.results import Evaluation, ItemResult

LEAD: Final = "A: "
"""What a constrained answer begins with: without it, small models want to say something else."""

MAX_TOKENS: Final = 32

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Generation:
    """How answers are generated.

    ``constrained`` binds them to a task's choices by a grammar, where there are choices and the
    model's runtime takes grammars (``takes_grammar``); ``max_tokens`` is the most of an answer.
    """

    constrained: bool = True
    takes_grammar: bool = False
    max_tokens: int = MAX_TOKENS


async def run(
    cm: CrossModel,
    model_id: str,
    tasks: Sequence[PlantedTask],
    arms: Sequence[str],
    *,
    generation: Generation,
    stores: Stores,
    progress: Progress | None = None,
) -> Evaluation:
    """Ask every question in every arm at temperature 0, the arms of one question in turn.

    Raises:
        InvalidInputError: if there are no tasks.
        ModelNotFoundError: if the model is not configured.
        ProviderError: if the model cannot answer.
    """
    check_tasks(tasks)
    model = _model(cm, model_id)
    contexts = Contexts.of(cm, model, stores)
    items: list[ItemResult] = []
    for task in tasks:
        for arm in arms:
            items.append(await _ask(cm, model, task, arm, contexts, generation))
            if progress is not None:
                progress(len(items), len(tasks) * len(arms))
    return Evaluation(tuple(items), model.id)


def grammar(choices: Sequence[str]) -> str:
    """A GBNF grammar that lets a model say one of the choices and nothing else."""
    return "root ::= " + " | ".join(_literal(LEAD + choice) for choice in choices)


def _literal(text: str) -> str:
    """GBNF writes strings as JSON does."""
    return msgspec.json.encode(text).decode()


def _model(cm: CrossModel, model_id: str) -> ModelSpec:
    models = cm.engine.models
    if model_id not in models:
        known = ", ".join(sorted(models))
        raise ModelNotFoundError(f"model not found: {model_id!r} (known: {known})")
    return models[model_id]


async def _ask(
    cm: CrossModel,
    model: ModelSpec,
    task: PlantedTask,
    arm: str,
    contexts: Contexts,
    generation: Generation,
) -> ItemResult:
    result = await contexts.make(arm, task)
    transfer = contexts.transfer
    constrained = bool(generation.constrained and task.choices)
    question = task.question
    if constrained and not generation.takes_grammar:
        question += f"\nAnswer with exactly one of these: {', '.join(task.choices)}"
    messages: tuple[Message, ...] = (Message("user", transfer.phrased(question, model.id)),)
    if result is not None and result.success:
        messages = transfer.place((Message("user", question),), result, model.id)
    bound = constrained and generation.takes_grammar
    completion = await cm.engine.providers[model.provider].complete(
        CompletionRequest(
            model=model.name,
            messages=messages,
            max_tokens=generation.max_tokens,
            temperature=0.0,
            extra={"grammar": grammar(task.choices)} if bound else {},
        )
    )
    usage, judged = completion.usage, judge(completion.text, task)
    return ItemResult(
        task_id=task.id,
        family=task.family,
        arm=arm,
        text=completion.text,
        correct=judged.correct,
        adopted_lie=judged.adopted_lie,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        context_tokens=result.tokens if result else 0,
        latency_ms=completion.latency_ms,
        cost_usd=model.cost_usd(usage.input_tokens, usage.output_tokens),
        insight_ids=tuple(i.id for i in result.transferred_insights) if result else (),
        reason=(result.error or "") if result is not None and not result.success else "",
    )
