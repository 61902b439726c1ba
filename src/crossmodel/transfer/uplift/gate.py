"""Whether insights are worth handing over: only where they are expected to help.

What is expected is the mean of a normal posterior: what was measured for this model, kind of task
and protocol, what the same protocol did for this model elsewhere, and a prior, each weighted by
the pairs of scores that it is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from crossmodel.domain import checks
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.errors import InvalidInputError
from crossmodel.transfer.uplift.choice import BORROWED_SHARE, MOST_BORROWED
from crossmodel.transfer.uplift.effects import Effect, measure, moments
from crossmodel.transfer.uplift.observations import protocol_unit


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to hand over insights.

    Attributes:
        inject: whether to.
        expected: the expected effect, -1..1.
        deviation: its standard deviation.
        reason: why, in one sentence with figures.
        measured: what was measured of exactly this model, kind of task and protocol.
    """

    inject: bool
    expected: float
    deviation: float
    reason: str
    measured: Effect


@dataclass(frozen=True, slots=True)
class Gate:
    """Opens where insights are expected to help.

    Attributes:
        prior_effect: the effect expected of insights that nothing was measured of, -1..1.
        prior_weight: how many pairs of scores (:attr:`Effect.pairs`) that is worth; more than 0.
        least_effect: the gate is open where more than this is expected, -1..1.
        borrowed_share: what a pair of scores of another kind of task is worth, 0..1.
        most_borrowed: the most that those are worth together, in pairs.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """

    prior_effect: float = 0.05
    prior_weight: float = 20.0
    least_effect: float = 0.0
    borrowed_share: float = BORROWED_SHARE
    most_borrowed: float = MOST_BORROWED

    def __post_init__(self) -> None:
        for name in ("prior_effect", "least_effect"):
            if not -1.0 <= checks.number(name, getattr(self, name)) <= 1.0:
                raise InvalidInputError(f"{name} must lie within -1..1, not {getattr(self, name)}")
        if checks.not_negative("prior_weight", self.prior_weight) == 0.0:
            raise InvalidInputError("prior_weight must be more than 0")
        checks.unit_interval("borrowed_share", self.borrowed_share)
        checks.not_negative("most_borrowed", self.most_borrowed)

    def decide(
        self,
        tallies: Mapping[UpliftKey, Tally],
        *,
        target_model: str,
        task_type: str,
        protocol: str,
    ) -> Decision:
        """Whether insights in this form are expected to help that model with such a task.

        ``tallies`` may hold more than is looked at: what counts are those of the protocol's unit
        and of the model.
        """
        unit = protocol_unit(protocol)
        ours = {
            k: t for k, t in tallies.items() if k.unit == unit and k.target_model == target_model
        }
        here = measure({k: t for k, t in ours.items() if k.task_type == task_type})
        elsewhere = measure({k: t for k, t in ours.items() if k.task_type != task_type})
        borrowed = min(self.borrowed_share * elsewhere.pairs, self.most_borrowed)
        weight = self.prior_weight + borrowed + here.pairs
        expected = (
            self.prior_weight * self.prior_effect
            + borrowed * elsewhere.difference
            + here.pairs * here.difference
        ) / weight
        deviation = math.sqrt(2.0 * _variance(here) / weight)
        inject = expected > self.least_effect
        least = (
            f"more than {100 * self.least_effect:+.1f} points" if self.least_effect else "a gain"
        )
        what = "expected" if inject else "not expected"
        reason = (
            f"{least} is {what} of {protocol} insights for {target_model}"
            f"{f' on {task_type}' if task_type else ''}: {100 * expected:+.1f} points, give or "
            f"take {100 * deviation:.1f}; measured here {here}"
        )
        if elsewhere.known:
            reason += f"; on other tasks {elsewhere}"
        return Decision(inject, expected, deviation, reason, here)


def _variance(effect: Effect) -> float:
    """Of one score, within the arms; without any, that of scores that know nothing: 1/4."""
    one, other = moments(effect.treated), moments(effect.control)
    return (one.variance * one.n + other.variance * other.n) / (one.n + other.n)
