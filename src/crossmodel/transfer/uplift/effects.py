"""How much insights help: the difference of two arms' mean scores, with its interval.

Intervals are those of Agresti and Caffo (The American Statistician 54(4), 2000), who add one
success and one failure to each arm. Here a score of 1 and a score of 0 are added, which is the same
for scores of 0 and 1 and goes on working for scores between; the quantile is Student's with Welch's
degrees of freedom (Biometrika 34, 1947), for arms of very different size. How often such intervals
hold the truth is in ``benchmarks/uplift.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.errors import InvalidInputError

Z_95: Final = 1.959963984540054
"""Standard normal quantile at 0.975."""

_ROUNDING: Final = 1e-9
"""What sums of floats may lack to a whole number."""


class Moments(NamedTuple):
    """Of an arm with a score of 0 and one of 1 added: mean, variance of one score, how many."""

    mean: float
    variance: float
    n: int


def moments(tally: Tally) -> Moments:
    """An arm's mean and variance, kept away from the certainty that few equal scores feign."""
    n = tally.n + 2
    mean = (tally.total + 1.0) / n
    return Moments(mean, max(0.0, (tally.squares + 1.0) / n - mean * mean), n)


@dataclass(frozen=True, slots=True)
class Effect:
    """What an arm's mean score is above that of a control: ``treated`` minus ``control``.

    Attributes:
        treated: scores of the requests that got it.
        control: scores of those that did not.
        difference: of the mean scores, -1..1; 0 while either arm is empty.
        low: lower end of its 95 % interval, -1..1.
        high: upper end of its 95 % interval, -1..1.
    """

    treated: Tally = field(default_factory=Tally)
    control: Tally = field(default_factory=Tally)
    difference: float = 0.0
    low: float = -1.0
    high: float = 1.0

    @property
    def known(self) -> bool:
        """Whether both arms have scores."""
        return self.treated.n > 0 and self.control.n > 0

    @property
    def pairs(self) -> float:
        """How many scores of each arm would tell as much, were there as many of both.

        That is ``2 n m / (n + m)``: the variance of the difference is twice that of a score, over
        it.
        """
        both = self.treated.n + self.control.n
        return 2.0 * self.treated.n * self.control.n / both if both else 0.0

    def __str__(self) -> str:
        if not self.known:
            return f"not measured yet ({self.treated.n} answers with, {self.control.n} without)"
        return (
            f"{100 * self.difference:+.1f} points (95 %: {100 * self.low:+.1f} to "
            f"{100 * self.high:+.1f}; {self.treated.n} answers with, {self.control.n} without)"
        )


def effect_of(treated: Tally, control: Tally) -> Effect:
    """The effect that two sums of scores show."""
    if treated.n <= 0 or control.n <= 0:
        return Effect(treated, control)
    one, other = moments(treated), moments(control)
    shares = one.variance / one.n, other.variance / other.n
    error = math.sqrt(sum(shares))
    half = error * student_95(_welch(shares, (one.n - 1, other.n - 1)))
    middle = one.mean - other.mean
    difference = treated.total / treated.n - control.total / control.n
    # the middle is drawn towards 0; the interval must still hold what was observed
    low, high = min(middle - half, difference), max(middle + half, difference)
    return Effect(treated, control, difference, max(-1.0, low), min(1.0, high))


def measure(tallies: Mapping[UpliftKey, Tally], *, control: str = Arm.HOLDOUT) -> Effect:
    """The effect of one unit: its ``insights`` arm minus ``control``, like compared with like.

    Models and kinds of task differ in how good answers are and, where a gate closes, in how many
    fall into each arm. So arms are compared within each of them, and the differences weighted by
    what they tell (Cochran, Biometrics 10(4), 1954: ``n m / (n + m)``). The two tallies of the
    result are as many scores as tell the same; with one model and kind of task they are the sums
    themselves.

    Raises:
        InvalidInputError: if the keys are of several units, whose requests may be the same.
    """
    units = sorted({key.unit for key in tallies})
    if len(units) > 1:
        raise InvalidInputError(f"an effect is of one unit, not of {', '.join(units)}")
    strata: dict[tuple[str, str], list[Tally]] = {}
    for key, tally in tallies.items():
        if key.arm in {Arm.INSIGHTS, control}:
            arms = strata.setdefault((key.target_model, key.task_type), [Tally(), Tally()])
            arms[key.arm == control] += tally
    return effect_of(*_comparable([(one, other) for one, other in strata.values()]))


def student_95(degrees: float) -> float:
    """Student's t quantile at 0.975, within 1 % from 2 degrees of freedom on.

    The expansion is 26.7.5 of Abramowitz and Stegun, Handbook of Mathematical Functions (1964).
    """
    z, v = Z_95, degrees
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * v**4)
    )


def _welch(shares: tuple[float, float], degrees: tuple[int, int]) -> float:
    """Degrees of freedom of a sum of two estimated variances."""
    return sum(shares) ** 2 / sum(s * s / d for s, d in zip(shares, degrees, strict=True))


def _comparable(strata: list[tuple[Tally, Tally]]) -> tuple[Tally, Tally]:
    """Two tallies that differ as the arms do within the strata."""
    if len(strata) == 1:
        return strata[0]
    both = [(one, other) for one, other in strata if one.n > 0 and other.n > 0]
    if not both:
        none = Tally()
        one, other = (sum((stratum[arm] for stratum in strata), none) for arm in (0, 1))
        return (none, none) if one.n > 0 and other.n > 0 else (one, other)
    weights = [one.n * other.n / (one.n + other.n) for one, other in both]
    return (
        _weighted([one for one, _ in both], weights),
        _weighted([other for _, other in both], weights),
    )


def _weighted(tallies: list[Tally], weights: list[float]) -> Tally:
    """As many scores as the weighted mean is worth (Kish, Survey Sampling, 1965)."""
    whole = sum(weights)
    pairs = list(zip(tallies, weights, strict=True))
    n = math.floor(whole**2 / sum(w * w / each.n for each, w in pairs) + _ROUNDING)
    mean = sum(w * each.total / each.n for each, w in pairs) / whole
    square = sum(w * each.squares / each.n for each, w in pairs) / whole
    return Tally(n, n * mean, n * square)
