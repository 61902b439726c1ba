"""Which protocol a model is handed insights in: the one that seems best, as often as it seems so.

Thompson sampling (Thompson, Biometrika 25, 1933; Chapelle and Li, NeurIPS 2011) over beta
distributions of each protocol's mean score. A score between 0 and 1 counts as that share of a
success; the distribution is then wider than need be, never narrower.

Nothing is drawn from the distributions themselves. The probability that each protocol is the best
is integrated, and one random number chooses by it: the same choices, and the propensity is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossmodel.domain import checks
from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.errors import InvalidInputError
from crossmodel.transfer.uplift.observations import protocol_unit

BORROWED_SHARE: Final = 0.1
"""What a score of another kind of task is worth, in scores of this one."""

MOST_BORROWED: Final = 20.0
"""The most that other kinds of task may be worth together, in scores of this one."""

_POINTS: Final = 65
_REACH: Final = 8.0
"""Points that each distribution is integrated over, out to so many standard deviations."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Belief:
    """A beta distribution of a mean score, as counts of successes and failures, more than 0 each.

    Raises:
        InvalidInputError: naming the count that is wrong.
    """

    successes: float = 1.0
    failures: float = 1.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if checks.not_negative(name, getattr(self, name)) == 0.0:
                raise InvalidInputError(f"{name} must be more than 0")

    @property
    def mean(self) -> float:
        """The expected mean score, 0..1."""
        return self.successes / (self.successes + self.failures)


@dataclass(frozen=True, slots=True)
class Choice:
    """A protocol, the probability that it had of being chosen, and what is believed of each."""

    protocol: str
    propensity: float
    beliefs: Mapping[str, Belief]


@dataclass(frozen=True, slots=True)
class ProtocolChooser:
    """Chooses among protocols.

    Attributes:
        priors: what is believed of each protocol before anything was scored; choices are among
            these.
        borrowed_share: see :data:`BORROWED_SHARE`, 0..1.
        most_borrowed: see :data:`MOST_BORROWED`.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """

    priors: Mapping[str, Belief]
    borrowed_share: float = BORROWED_SHARE
    most_borrowed: float = MOST_BORROWED

    def __post_init__(self) -> None:
        if not self.priors:
            raise InvalidInputError("priors must name at least one protocol")
        checks.unit_interval("borrowed_share", self.borrowed_share)
        checks.not_negative("most_borrowed", self.most_borrowed)

    def choose(
        self,
        tallies: Mapping[UpliftKey, Tally],
        *,
        target_model: str,
        task_type: str,
        random: Random,
    ) -> Choice:
        """Draw a protocol. ``random`` is asked for one number; equal states choose alike."""
        beliefs = self.beliefs(tallies, target_model=target_model, task_type=task_type)
        shares = best_shares(list(beliefs.values()))
        left = random.random()
        chosen, propensity = "", 0.0
        for name, share in zip(beliefs, shares, strict=True):
            if share > 0.0:  # rounding may leave a crumb beyond the last one: it is the last one's
                chosen, propensity = name, share
                left -= share
                if left < 0.0:
                    break
        return Choice(chosen, propensity, beliefs)

    def beliefs(
        self, tallies: Mapping[UpliftKey, Tally], *, target_model: str, task_type: str
    ) -> dict[str, Belief]:
        """What is believed of each protocol's mean score for this model and kind of task.

        Other kinds of task say how far a protocol lies above or below what its model reaches
        there, never how high: some kinds are easier than others, and not every protocol has seen
        the same of them.
        """
        units = {protocol_unit(name): name for name in self.priors}
        kinds: dict[str, dict[str, Tally]] = {}
        for key, tally in tallies.items():
            handed_over = key.arm == Arm.INSIGHTS and key.target_model == target_model
            if handed_over and key.unit in units and tally.n > 0:
                kinds.setdefault(key.task_type, {})[units[key.unit]] = tally
        own = kinds.pop(task_type, {})
        level = self._level(own, kinds)
        return {
            name: self._belief(prior, own.get(name, Tally()), level, _leads(kinds, name))
            for name, prior in self.priors.items()
        }

    def _level(self, own: Mapping[str, Tally], kinds: Mapping[str, Mapping[str, Tally]]) -> float:
        """The mean score that a protocol like the others is expected to reach here, 0..1."""
        here = sum(own.values(), Tally())
        there = sum((each for tallies in kinds.values() for each in tallies.values()), Tally())
        borrowed = min(self.borrowed_share * there.n, self.most_borrowed)
        if there.n == 0 or here.n + borrowed == 0:
            return 0.5  # nobody asks: there is nothing to borrow
        return (here.total + borrowed * there.total / there.n) / (here.n + borrowed)

    def _belief(
        self, prior: Belief, own: Tally, level: float, leads: list[tuple[int, float]]
    ) -> Belief:
        """``leads``: of other kinds of task, how many scores, and how far above their mean."""
        n = sum(count for count, _ in leads)
        borrowed = min(self.borrowed_share * n, self.most_borrowed)
        lead = sum(count * each for count, each in leads) / n if n else 0.0
        expected = min(max(level + lead, 0.0), 1.0)
        return Belief(
            prior.successes + own.total + borrowed * expected,
            prior.failures + max(0.0, own.n - own.total) + borrowed * (1.0 - expected),
        )


def best_shares(beliefs: list[Belief]) -> list[float]:
    """The probability of each that its mean is the highest; they add up to 1.

    Integrated by the trapezoidal rule over the log odds of the mean, where a beta density is smooth
    whatever its counts; good to about 0.001.
    """
    if len(beliefs) == 1:
        return [1.0]
    odds: _Floats = np.unique(np.concatenate([_grid(belief) for belief in beliefs]))
    densities = np.array([_density(belief, odds) for belief in beliefs])
    steps = np.diff(odds)
    pieces = (densities[:, 1:] + densities[:, :-1]) / 2 * steps
    below = np.concatenate([np.zeros((len(beliefs), 1)), pieces.cumsum(axis=1)], axis=1)
    below /= below[:, -1:]
    shares = np.empty(len(beliefs))
    for place in range(len(beliefs)):
        height = densities[place] * np.delete(below, place, axis=0).prod(axis=0)
        shares[place] = ((height[1:] + height[:-1]) / 2 * steps).sum()
    shares /= shares.sum()
    return [float(share) for share in shares]


def _grid(belief: Belief) -> _Floats:
    """Log odds that hold practically all of the distribution.

    The variance of the log odds is a sum of two trigammas; 1/x + 1/x² is never below one.
    """
    a, b = belief.successes, belief.failures
    spread = _REACH * float(np.sqrt(1 / a + 1 / a**2 + 1 / b + 1 / b**2))
    middle = float(np.log(a / b))
    return np.linspace(middle - spread, middle + spread, _POINTS)


def _density(belief: Belief, odds: _Floats) -> _Floats:
    """Of the log odds, up to a factor."""
    a, b = belief.successes, belief.failures
    logs: Any = -a * np.logaddexp(0.0, -odds) - b * np.logaddexp(0.0, odds)
    heights: _Floats = np.exp(logs - logs.max())
    area = float(((heights[1:] + heights[:-1]) / 2 * np.diff(odds)).sum())
    return heights / area


def _mean(tallies: Mapping[str, Tally]) -> float:
    whole = sum(tallies.values(), Tally())
    return whole.total / whole.n


def _leads(kinds: Mapping[str, Mapping[str, Tally]], name: str) -> list[tuple[int, float]]:
    """Of each kind of task that compares it: how many scores, how far above the kind's mean."""
    return [
        (tallies[name].n, tallies[name].total / tallies[name].n - _mean(tallies))
        for tallies in kinds.values()
        if name in tallies and len(tallies) > 1
    ]
