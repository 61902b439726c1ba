"""From scores to probabilities that come true as often as they say, and how far they do not.

One home for what selection, extraction and evaluation all need; plain numbers, no NumPy.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError

RISE: Final = 1e-6
"""Least rise between two knots, so that no two scores become equal."""

BINS: Final = 10
_STEPS: Final = 50
_DIGITS: Final = 6
"""Of scores that count as different; far above what adding them up gets wrong."""
_CLOSEST: Final = 1e-6
"""How near to 0 and 1 a score may be taken to be, so that its log-odds are finite."""


@dataclass(frozen=True, slots=True)
class RisingMap:
    """A map from scores to probabilities that never falls: straight lines between knots.

    Attributes:
        scores: where the knots are, rising, at least one.
        probabilities: their images, 0..1, never falling. Beyond the knots the ends hold on.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.scores or len(self.scores) != len(self.probabilities):
            raise InvalidInputError("a calibration needs as many probabilities as scores, and one")
        for score in self.scores:
            if math.isinf(checks.number("a score of the calibration", score)):
                raise InvalidInputError("a score of the calibration is infinite")
        for probability in self.probabilities:
            checks.unit_interval("a probability of the calibration", probability)
        rises = all(a < b for a, b in pairwise(self.scores))
        falls = any(a > b for a, b in pairwise(self.probabilities))
        if not rises or falls:
            raise InvalidInputError("scores of a calibration must rise, and its probabilities too")

    def __call__(self, score: float) -> float:
        """The probability that goes with ``score``.

        Raises:
            InvalidInputError: if that is NaN.
        """
        if math.isnan(score):
            raise InvalidInputError("a score is NaN")
        after = bisect_right(self.scores, score)
        if after == 0:
            return self.probabilities[0]
        if after == len(self.scores):
            return self.probabilities[-1]
        low, high = self.scores[after - 1], self.scores[after]
        first, last = self.probabilities[after - 1], self.probabilities[after]
        return first + (last - first) * (score - low) / (high - low)

    def to_dict(self) -> dict[str, list[float]]:
        """Plain numbers, for JSON."""
        return {"scores": list(self.scores), "probabilities": list(self.probabilities)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RisingMap:
        """The map of :meth:`to_dict`.

        Raises:
            InvalidInputError: if the numbers are none, or make no rising map.
        """
        try:
            return cls(tuple(data["scores"]), tuple(data["probabilities"]))
        except (KeyError, TypeError) as error:
            raise InvalidInputError(f"not a calibration: {error!r}") from error


def pooled(pairs: Iterable[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
    """Blocks (mean score, mean outcome, size) whose outcomes rise, from such blocks by score.

    Pools adjacent violators (Ayer et al., Ann. Math. Statist. 26, 1955).
    """
    blocks: list[tuple[float, float, int]] = []
    for block in pairs:
        blocks.append(block)
        while len(blocks) > 1 and blocks[-2][1] >= blocks[-1][1] - RISE:
            (x1, y1, n1), (x2, y2, n2) = blocks.pop(), blocks.pop()
            n = n1 + n2
            blocks.append(((x1 * n1 + x2 * n2) / n, (y1 * n1 + y2 * n2) / n, n))
    return blocks


def fit_isotonic(scores: Sequence[float], outcomes: Sequence[bool], least: int) -> RisingMap:
    """A map of any rising shape, from blocks of at least ``least`` answers of similar score.

    Answers of one score are never parted, so the order in which they come makes no difference.

    Raises:
        InvalidInputError: if there are fewer than that, the lists differ in length, or a score is
            no number within 0..1.
    """
    _check_pairs(scores, outcomes)
    checks.at_least("number of labels", len(scores), least)
    right_of: dict[float, list[bool]] = {}
    for score, outcome in zip(scores, outcomes, strict=True):
        right_of.setdefault(round(score, _DIGITS), []).append(bool(outcome))
    sums: list[tuple[float, int, int]] = []
    for x, ys in sorted(right_of.items()):
        group = x * len(ys), sum(ys), len(ys)
        is_full = not sums or sums[-1][2] >= least
        sums.append(group if is_full else _together(sums.pop(), group))
    if len(sums) > 1 and sums[-1][2] < least:
        sums.append(_together(sums.pop(), sums.pop()))
    blocks = pooled((x / n, right / n, n) for x, right, n in sums)
    knots = {x: (y * n + 1) / (n + 2) for x, y, n in blocks}  # never quite 0 or 1
    rising = list(accumulate(knots.values(), max))
    return RisingMap(tuple(knots), tuple(rising))


def _together(
    first: tuple[float, int, int], second: tuple[float, int, int]
) -> tuple[float, int, int]:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


def fit_rising_map(
    scores: Sequence[float],
    outcomes: Sequence[float],
    prior: float,
    weights: Sequence[float] | None = None,
) -> RisingMap:
    """A map that fits ``outcomes`` to ``scores``, 0..1, of which there are few.

    Log-odds are stretched and shifted (Platt, 1999), which cannot overfit as steps can: each
    parameter is drawn toward its default by as much as ``prior`` answers would, the stretch toward
    1, which leaves scores as they are. The map is kept as knots.

    Outcomes may be shares of what came true, 0..1; ``weights`` says of how many answers each is, 1
    if left out.

    Raises:
        InvalidInputError: if the lists differ in length, a score or outcome is no number within
            0..1, or a weight is negative.
    """
    _check_pairs(scores, outcomes)
    counts = [1.0] * len(scores) if weights is None else list(weights)
    if len(counts) != len(scores):
        raise InvalidInputError(f"{len(scores)} scores, but {len(counts)} weights")
    for each in counts:
        checks.not_negative("a weight", each)
    odds = [log_odds(score) for score in scores]
    total = sum(counts)
    centre = sum(map(operator.mul, odds, counts)) / total if total else 0.0
    stretch, shift = 1.0, 0.0
    for _ in range(_STEPS):  # Newton's method on a convex loss
        slope_a = prior * (stretch - 1.0)
        slope_b = prior * _SHIFT_PRIOR * shift
        bend_aa, bend_ab, bend_bb = prior, 0.0, prior * _SHIFT_PRIOR
        for x, outcome, count in zip(odds, outcomes, counts, strict=True):
            off = x - centre
            p = probability(stretch * off + centre + shift)
            error, weight = count * (p - outcome), count * p * (1 - p)
            slope_a, slope_b = slope_a + error * off, slope_b + error
            bend_aa, bend_ab = bend_aa + weight * off * off, bend_ab + weight * off
            bend_bb += weight
        size = bend_aa * bend_bb - bend_ab * bend_ab
        step_a = (bend_bb * slope_a - bend_ab * slope_b) / size
        step_b = (bend_aa * slope_b - bend_ab * slope_a) / size
        if stretch < step_a:  # scores that tell the wrong way round tell nothing
            step_a, step_b = stretch, slope_b / bend_bb
        longest = max(abs(step_a), abs(step_b), 1.0)
        stretch, shift = stretch - step_a / longest, shift - step_b / longest
        if abs(step_a) + abs(step_b) < _CLOSEST:
            break
    knots = [each / _KNOTS for each in range(_KNOTS + 1)]
    images = [probability(stretch * (log_odds(x) - centre) + centre + shift) for x in knots]
    return RisingMap(tuple(knots), tuple(images))


_KNOTS: Final = 40
_SHIFT_PRIOR: Final = 0.05
"""How firmly the shift is held beside the stretch: base rates differ more than slopes do."""


def log_odds(probability_: float) -> float:
    """The logit, finite also at 0 and 1."""
    p = min(1 - _CLOSEST, max(_CLOSEST, probability_))
    return math.log(p / (1 - p))


def probability(odds: float) -> float:
    """The logistic function, for any finite number."""
    if odds >= 0:
        return 1 / (1 + math.exp(-odds))
    raised = math.exp(odds)
    return raised / (1 + raised)


def expected_calibration_error(
    probabilities: Sequence[float], outcomes: Sequence[float], bins: int = BINS
) -> float:
    """Mean gap between what is said and what comes, over bins of equal width, weighted by size.

    Naeini, Cooper and Hauskrecht, AAAI 2015. Without any it is 0.

    Raises:
        InvalidInputError: if a probability is no number within 0..1.
    """
    off = [0.0] * bins
    for said, came in zip(probabilities, outcomes, strict=True):
        off[bin_of(said, bins)] += said - came
    return error_of_gaps(off, len(probabilities))


def bin_of(probability_: float, bins: int = BINS) -> int:
    """Which of so many bins of equal width over 0..1 a probability falls into; 1 into the last.

    Raises:
        InvalidInputError: if it is no number within 0..1.
    """
    if not 0 <= probability_ <= 1:
        raise InvalidInputError(f"a probability must lie within 0..1, not {probability_}")
    return min(int(probability_ * bins), bins - 1)


def error_of_gaps(gaps: Iterable[float], n: float) -> float:
    """Expected calibration error from the gaps of bins: sums of what was said less what came.

    ``n`` is how many answers there are in all; without any it is 0.
    """
    return sum(map(abs, gaps)) / n if n else 0.0


def brier_score(probabilities: Sequence[float], outcomes: Sequence[float]) -> float:
    """Mean squared error (Brier, Monthly Weather Review 78, 1950). Without any it is 0."""
    pairs = list(zip(probabilities, outcomes, strict=True))
    return sum((said - came) ** 2 for said, came in pairs) / len(pairs) if pairs else 0.0


Z_95: Final = 1.959963984540054
"""Standard normal quantile at 0.975."""


class Interval(NamedTuple):
    """A 95 % confidence interval, both ends within 0..1."""

    low: float
    high: float


def wilson_interval(successes: float, n: int) -> Interval:
    """95 % interval of a proportion (Wilson, J. Amer. Statist. Assoc. 22, 1927).

    It stays within 0..1 and is right for small ``n`` and for proportions near 0 and 1, where the
    usual normal interval is not. With ``n`` of 0 nothing is known: 0..1. Successes that count in
    part vary less than whole ones of the same mean, so that of theirs it is no less than 95 %.

    Raises:
        InvalidInputError: unless ``0 <= successes <= n``.
    """
    if not 0 <= successes <= n:
        raise InvalidInputError(f"successes must lie within 0..{n}, not {successes}")
    if n == 0:
        return Interval(0.0, 1.0)
    share, z2 = successes / n, Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def _check_pairs(scores: Sequence[float], outcomes: Sequence[float]) -> None:
    if len(scores) != len(outcomes):
        raise InvalidInputError(f"{len(scores)} scores, but {len(outcomes)} outcomes")
    for score, outcome in zip(scores, outcomes, strict=True):
        checks.unit_interval("a score", score)
        if not 0 <= outcome <= 1:
            raise InvalidInputError(f"an outcome must lie within 0..1, not {outcome}")
