"""What the answers add up to: accuracy, what the system recovers of the oracle's gain, lies."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossmodel.evaluation.planted.arms import ORACLE, PADDING, POISONED, SYSTEM, distractors_of
from crossmodel.evaluation.planted.tasks import PlantedTask
from crossmodel.evaluation.results import Evaluation
from crossmodel.evaluation.statistics import Interval, wilson_interval

RESAMPLES: Final = 2000
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Recovered:
    """``(arm - padding) / (oracle - padding)``: the share of the gain that an arm brings.

    ``low`` and ``high`` are the 95 % interval of a bootstrap over questions (Efron, 1979); the
    value is ``None`` where the oracle gains nothing, so that there is nothing to recover.
    """

    arm: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Lies:
    """How often the planted lie was the answer: 95 % interval by Wilson."""

    arm: str
    n: int
    adopted: int

    @property
    def share(self) -> float:
        """Share of the answers, 0..1."""
        return self.adopted / self.n if self.n else 0.0

    @property
    def interval(self) -> Interval:
        """95 % interval of the share."""
        return wilson_interval(self.adopted, self.n)


def recovered(found: Evaluation, arm: str) -> Recovered:
    """What ``arm`` recovers of the oracle's gain over padding."""
    right: dict[str, dict[str, bool]] = {}
    for item in found.items:
        right.setdefault(item.task_id, {})[item.arm] = item.correct
    rows = [
        (each[arm], each[PADDING], each[ORACLE])
        for each in right.values()
        if {arm, PADDING, ORACLE} <= each.keys()
    ]
    rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    drawn = (_share(rng.choices(rows, k=len(rows))) for _ in range(RESAMPLES if rows else 0))
    shares = sorted(share for share in drawn if share is not None)
    if not shares:
        return Recovered(arm, _share(rows), None, None)
    edge = len(shares) // 40
    return Recovered(arm, _share(rows), shares[edge], shares[-1 - edge])


def lies(found: Evaluation, arm: str, tasks: Sequence[PlantedTask]) -> Lies:
    """How often ``arm`` fell for the lie, over the tasks that have one."""
    lying = {task.id for task in tasks if task.lie}
    items = [item for item in found.items if item.arm == arm and item.task_id in lying]
    return Lies(arm, len(items), sum(item.adopted_lie for item in items))


def is_system(arm: str) -> bool:
    """Whether the arm's insights come from a store."""
    return arm in {SYSTEM, POISONED} or distractors_of(arm) is not None


def document(found: Evaluation, tasks: Sequence[PlantedTask], generation: str) -> dict[str, Any]:
    """Everything, as plain values for JSON."""
    arms = found.to_dict()["arms"]
    for arm, figures in arms.items():
        fooled = lies(found, arm, tasks)
        mine = [item for item in found.items if item.arm == arm]
        figures["mean_context_tokens"] = sum(i.context_tokens for i in mine) / max(len(mine), 1)
        figures["handed_over"] = sum(item.context_tokens > 0 for item in mine)
        figures["lies"] = {
            "n": fooled.n,
            "adopted": fooled.adopted,
            "share": fooled.share,
            "interval_95": list(fooled.interval),
        }
        if PADDING in found.arms and arm != PADDING:
            figures["p_against_padding"] = found.p_value(arm, PADDING)
        if is_system(arm) and {PADDING, ORACLE} <= set(found.arms):
            share = recovered(found, arm)
            figures["score"] = share.value
            figures["score_interval_95"] = [share.low, share.high]
    system = arms.get(SYSTEM, {})
    return {
        "model": found.model_id,
        "tasks": len(tasks),
        "generation": generation,
        "score": system.get("score"),
        "arms": arms,
    }


def _share(rows: Sequence[tuple[bool, bool, bool]]) -> float | None:
    ours, padded, best = (sum(column) for column in zip(*rows, strict=True)) if rows else (0, 0, 0)
    return (ours - padded) / (best - padded) if best > padded else None
