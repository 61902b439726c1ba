"""Four arms over the same questions: nothing, padding, the rule, the rule with worked examples.

The insights come through the same search, choice and packing as everybody's; no field of a task
but its question is ever shown to the model. All arms ask at temperature 0, one call at a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from crossmodel.domain.completion import CompletionRequest, Message
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.records import RankedInsight
from crossmodel.domain.transfer import TransferResult, TransferTarget, utf8_bytes
from crossmodel.domain.transfer_config import InsightTransferConfig, TransferProtocolsConfig
from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.grading import is_correct
from crossmodel.evaluation.results import Evaluation, ItemResult
from crossmodel.evaluation.tasks import Task
from crossmodel.ports import Provider, TokenCounter
from crossmodel.transfer import InsightTransfer
from crossmodel.transfer.padding import padding

Find = Callable[[str], Awaitable[Sequence[RankedInsight]]]
"""Searches all the insights there are for a question."""

Progress = Callable[[int, int], None]
"""Told how many calls of how many are done."""

NO_LIMIT: Final = 1_000_000_000
"""Tokens: padding is as long as what it stands in for, which kept to the budget."""


class Arm(StrEnum):
    """What a question is asked with."""

    NONE = "none"
    PADDING = "padding"
    RULE = "rule"
    EXAMPLES = "rule+examples"


@dataclass(frozen=True, slots=True)
class Subject:
    """The model whose answers are measured.

    Attributes:
        provider: who runs it.
        model: its row: name, prices, whether it follows system prompts.
        token_budget: most tokens that insights may take in a prompt.
        max_tokens: most tokens of an answer.
    """

    provider: Provider
    model: ModelSpec
    token_budget: int = 256
    max_tokens: int = 24

    @property
    def count_tokens(self) -> TokenCounter:
        """The model's own count, or a bound."""
        return self.provider.token_counter(self.model.name) or utf8_bytes


async def run_arms(
    tasks: Sequence[Task],
    subject: Subject,
    find: Find,
    *,
    arms: Sequence[Arm] = tuple(Arm),
    config: InsightTransferConfig | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Ask every question in every arm, the arms of one question after each other.

    Raises:
        InvalidInputError: if there are no tasks or no arms.
        ProviderError: if the model cannot answer.
    """
    if not tasks or not arms:
        raise InvalidInputError("there must be at least one task and one arm")
    contexts = _Contexts(subject, find, config or InsightTransferConfig())
    items: list[ItemResult] = []
    for task in tasks:
        for arm in arms:
            items.append(await _ask(task, arm, subject, contexts))
            if progress is not None:
                progress(len(items), len(tasks) * len(arms))
    return Evaluation(tuple(items), subject.model.id)


async def _ask(task: Task, arm: Arm, subject: Subject, contexts: _Contexts) -> ItemResult:
    messages: tuple[Message, ...] = (Message("user", task.question),)
    transfer, result = await contexts.of(arm, task.question)
    if transfer is not None and result is not None:
        messages = transfer.place(messages, result, subject.model.id)
    completion = await subject.provider.complete(
        CompletionRequest(
            model=subject.model.name,
            messages=messages,
            max_tokens=subject.max_tokens,
            temperature=0.0,
        )
    )
    usage = completion.usage
    return ItemResult(
        task_id=task.id,
        family=task.family,
        arm=arm,
        text=completion.text,
        correct=is_correct(completion.text, task.answer),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        context_tokens=result.tokens if result else 0,
        latency_ms=completion.latency_ms,
        cost_usd=subject.model.cost_usd(usage.input_tokens, usage.output_tokens),
        insight_ids=tuple(i.id for i in result.transferred_insights) if result else (),
    )


class _Contexts:
    """What each arm hands over for a question."""

    def __init__(self, subject: Subject, find: Find, config: InsightTransferConfig) -> None:
        self._model = subject.model.id
        self._find = find
        self._transfers = {
            Arm.PADDING: _transfer(subject, config, "exemplar", NO_LIMIT),
            Arm.RULE: _transfer(subject, config, "standard", subject.token_budget),
            Arm.EXAMPLES: _transfer(subject, config, "exemplar", subject.token_budget),
        }
        self._padding: dict[int, TransferResult] = {}

    async def of(
        self, arm: Arm, question: str
    ) -> tuple[InsightTransfer | None, TransferResult | None]:
        """The transfer that places the context, and the context; twice nothing if there is none."""
        if arm is Arm.NONE:
            return None, None
        if arm is not Arm.PADDING:
            return self._transfers[arm], await self._insights(arm, question)
        replaced = await self._insights(Arm.EXAMPLES, question)
        if replaced.tokens not in self._padding:
            self._padding[replaced.tokens] = self._pad(replaced.tokens)
        padded = self._padding[replaced.tokens]
        return self._transfers[arm], replace(padded, transferred_insights=[])

    async def _insights(self, arm: Arm, question: str) -> TransferResult:
        transfer = self._transfers[arm]
        chosen = transfer.select_insights(question, await self._find(question), self._model)
        return transfer.transfer_insights("", self._model, chosen)

    def _pad(self, tokens: int) -> TransferResult:
        transfer = self._transfers[Arm.PADDING]
        prose = padding(
            tokens, lambda some: transfer.transfer_insights("padding", self._model, some).tokens
        )
        return transfer.transfer_insights("padding", self._model, prose)


def _transfer(
    subject: Subject, config: InsightTransferConfig, protocol: str, budget: int
) -> InsightTransfer:
    """A transfer that differs from the user's own in nothing but protocol and budget."""
    protocols = TransferProtocolsConfig(protocol, config.transfer_protocols.custom_protocols)
    transfer = InsightTransfer(replace(config, transfer_protocols=protocols, token_budget=budget))
    transfer.register_target(
        TransferTarget(
            model_id=subject.model.id,
            token_budget=budget,
            follows_system_prompt=subject.model.follows_system_prompt,
            count_tokens=subject.count_tokens,
        )
    )
    return transfer
