"""What an evaluation found: every item, and what the items add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crossmodel.evaluation.statistics import Interval, mcnemar_exact, wilson_interval


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One answer. Latency in milliseconds, cost in USD; ``insight_ids`` stood in its context.

    ``adopted_lie`` tells that it is the planted lie, ``context`` is what stood in the
    prompt, ``reason`` why nothing was handed over.
    """

    task_id: str
    family: str
    arm: str
    text: str
    correct: bool
    input_tokens: int = 0
    output_tokens: int = 0
    context_tokens: int = 0
    latency_ms: float = 0.0
    cost_usd: float = 0.0
    insight_ids: tuple[str, ...] = ()
    adopted_lie: bool = False
    context: str = ""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"insight_ids": list(self.insight_ids)}


@dataclass(frozen=True, slots=True)
class Score:
    """Accuracy over ``n`` items with its 95 % interval, and the means of what they took."""

    n: int
    correct: int
    mean_latency_ms: float
    mean_cost_usd: float
    mean_input_tokens: float

    @property
    def accuracy(self) -> float:
        """Share that is right, 0..1; 0 when there are no items."""
        return self.correct / self.n if self.n else 0.0

    @property
    def interval(self) -> Interval:
        """95 % interval of the accuracy."""
        return wilson_interval(self.correct, self.n)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"accuracy": self.accuracy, "interval_95": list(self.interval)}


@dataclass(frozen=True, slots=True)
class InsightUse:
    """How the questions fared for which one insight was handed over.

    ``correct_without`` counts the same questions asked with nothing.
    """

    insight_id: str
    uses: int
    correct_with: int
    correct_without: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All items of a run, in the order in which they were asked."""

    items: tuple[ItemResult, ...]
    model_id: str

    @property
    def arms(self) -> list[str]:
        """The arms, in order."""
        return list(dict.fromkeys(item.arm for item in self.items))

    @property
    def families(self) -> list[str]:
        """The families of questions, in order."""
        return list(dict.fromkeys(item.family for item in self.items))

    def score(self, arm: str, family: str | None = None) -> Score:
        """How one arm did, over all families or one."""
        return _score(
            [i for i in self.items if i.arm == arm and (family is None or i.family == family)]
        )

    def p_value(self, first: str, second: str) -> float:
        """Exact two-sided p-value of the difference between two arms, paired by question."""
        right = {(item.arm, item.task_id): item.correct for item in self.items}
        pairs = [
            (correct, right[second, task])
            for (arm, task), correct in right.items()
            if arm == first and (second, task) in right
        ]
        return mcnemar_exact(pairs.count((True, False)), pairs.count((False, True)))

    def insight_uses(self, arm: str, without: str) -> list[InsightUse]:
        """The insights that ``arm`` handed over, those that helped most first."""
        baseline = {item.task_id: item.correct for item in self.items if item.arm == without}
        used: dict[str, list[ItemResult]] = {}
        for item in self.items:
            if item.arm == arm and item.task_id in baseline:
                for insight_id in item.insight_ids:
                    used.setdefault(insight_id, []).append(item)
        uses = [
            InsightUse(
                insight_id,
                uses=len(items),
                correct_with=sum(item.correct for item in items),
                correct_without=sum(baseline[item.task_id] for item in items),
            )
            for insight_id, items in used.items()
        ]
        return sorted(uses, key=lambda u: (u.correct_without - u.correct_with, u.insight_id))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: the scores, not the items."""
        return {
            "model": self.model_id,
            "arms": {
                arm: self.score(arm).to_dict()
                | {"families": {f: self.score(arm, f).to_dict() for f in self.families}}
                for arm in self.arms
            },
        }


def _score(items: Sequence[ItemResult]) -> Score:
    def mean(value: Callable[[ItemResult], float]) -> float:
        return sum(map(value, items)) / len(items) if items else 0.0

    return Score(
        n=len(items),
        correct=sum(item.correct for item in items),
        mean_latency_ms=mean(lambda item: item.latency_ms),
        mean_cost_usd=mean(lambda item: item.cost_usd),
        mean_input_tokens=mean(lambda item: item.input_tokens),
    )
