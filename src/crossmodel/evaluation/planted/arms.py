"""What each arm hands over for a question.

``none`` nothing; ``padding`` irrelevant text as long as what ``system`` hands over;
``oracle-rule`` the rule by hand; ``oracle`` the rule with its worked example; ``system`` what
extraction, search and packing make of everybody's source answers; ``system-N`` the same beside N
other rules; ``poisoned`` what they make of a store in which a stranger has planted each lie;
``undefended`` the lie in the rule's place, as a system without defences can hand it over;
``rule+lie`` both by hand.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossmodel.assembly import CrossModel
from crossmodel.domain.insight import Insight
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.transfer import TransferResult
from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.planted.stores import Stores
from crossmodel.evaluation.planted.tasks import PlantedTask
from crossmodel.transfer import InsightTransfer
from crossmodel.transfer.padding import padded

NONE: Final = "none"
PADDING: Final = "padding"
ORACLE_RULE: Final = "oracle-rule"
ORACLE: Final = "oracle"
SYSTEM: Final = "system"
POISONED: Final = "poisoned"
UNDEFENDED: Final = "undefended"
RULE_AND_LIE: Final = "rule+lie"
ALL_ARMS: Final = (
    NONE, PADDING, ORACLE_RULE, ORACLE, SYSTEM, f"{SYSTEM}-7", f"{SYSTEM}-70", f"{SYSTEM}-700",
    POISONED, UNDEFENDED, RULE_AND_LIE,
)  # fmt: skip
"""What ``--arms all`` stands for."""

MOST_DISTRACTORS: Final = 100_000

_WITH_DISTRACTORS: Final = re.compile(rf"{SYSTEM}-([1-9]\d{{0,5}})")


def parse_arms(names: str) -> tuple[str, ...]:
    """Arms out of a list with commas, in its order.

    Raises:
        InvalidInputError: naming the one that there is not.
    """
    listed = [name.strip() for name in names.split(",") if name.strip()]
    if listed == ["all"]:
        return ALL_ARMS
    for name in listed:
        if name not in ALL_ARMS and distractors_of(name) is None:
            known = ", ".join(ALL_ARMS)
            raise InvalidInputError(f"there is no arm {name!r} (known: {known}, {SYSTEM}-N, all)")
    if not listed:
        raise InvalidInputError("name at least one arm")
    return tuple(dict.fromkeys(listed))


def distractors_of(arm: str) -> int | None:
    """The N of ``system-N``; ``None`` for other arms."""
    match = _WITH_DISTRACTORS.fullmatch(arm)
    count = int(match.group(1)) if match else None
    return count if count is None or count <= MOST_DISTRACTORS else None


@dataclass(slots=True)
class Contexts:
    """Makes the contexts of all arms for one model."""

    cm: CrossModel
    model: ModelSpec
    stores: Stores
    _padded: dict[int, TransferResult]

    @classmethod
    def of(cls, cm: CrossModel, model: ModelSpec, stores: Stores) -> Contexts:
        """For a model of an open CrossModel."""
        return cls(cm, model, stores, {})

    @property
    def transfer(self) -> InsightTransfer:
        """What places every arm's context: the loop's own."""
        return self.cm.engine.transfer

    async def make(self, arm: str, task: PlantedTask) -> TransferResult | None:
        """The context of an arm, or why there is none; ``None`` where nothing is to be said."""
        others = distractors_of(arm)
        if others is not None:
            return await self._retrieved(task, await self.stores.beside(task, others))
        if arm == SYSTEM:
            return await self._retrieved(task, await self.stores.of_all())
        if arm == POISONED:
            return await self._retrieved(task, await self.stores.poisoned())
        if arm == PADDING:
            system = await self._retrieved(task, await self.stores.of_all())
            tokens = system.tokens or (await self._by_hand(task.oracle(with_example=True))).tokens
            return await self._padding(tokens)
        if arm == NONE:
            return None
        return await self._by_hand(_hand_made(arm, task))

    async def _retrieved(self, task: PlantedTask, tenant: str) -> TransferResult:
        return await self.cm.engine.prepare(task.question, self.model, tenant)

    async def _by_hand(self, insights: Sequence[Insight]) -> TransferResult:
        """The insights as they are: no screening, no conflicts, no budget."""
        if not insights:
            return TransferResult(success=False, error="the task holds no lie")
        context = self.transfer.write(insights, self.model.id)
        return await self._given(context, insights)

    async def _padding(self, tokens: int) -> TransferResult:
        if tokens not in self._padded:
            context, _ = await asyncio.to_thread(
                padded,
                tokens,
                lambda some: self.transfer.write(some, self.model.id),
                self.transfer.target(self.model.id).count_tokens,
            )
            self._padded[tokens] = await self._given(context, ())
        return self._padded[tokens]

    async def _given(self, context: str, insights: Sequence[Insight]) -> TransferResult:
        count = self.transfer.target(self.model.id).count_tokens
        return TransferResult(
            success=bool(context),
            transferred_insights=list(insights),
            context=context,
            tokens=await asyncio.to_thread(count, context),
            protocol=self.transfer.protocol_of(self.model.id),
        )


def _hand_made(arm: str, task: PlantedTask) -> list[Insight]:
    if arm in {ORACLE, ORACLE_RULE}:
        return task.oracle(with_example=arm == ORACLE)
    if not task.false_rule:
        return []
    truth = task.oracle(with_example=False)
    lie = replace(truth[0], content=task.false_rule, id=f"oracle_{task.id}_lie", links=())
    return [lie] if arm == UNDEFENDED else [*truth, lie]
