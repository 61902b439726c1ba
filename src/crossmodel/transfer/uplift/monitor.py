"""Whether an insight harms: a test that may be looked at after every outcome, for ever.

A usual test that is repeated until it fires will fire. This one is a mixture of sequential
probability ratios (Robbins, Ann. Math. Statist. 41(5), 1970; Johari et al., "Always valid
inference", Operations Research 70(3), 2022): the evidence for harms of the sizes in ``HARMS``,
against no harm, as a ratio of likelihoods. By Ville's inequality it ever reaches 20 in at most one
of 20 insights that do no harm, and 5 in at most one of five, however long one looks.

The likelihoods are those of a normal difference of means (Waudby-Smith et al., "Time-uniform
central limit theory", Ann. Statist. 52(6), 2024), so the promise is one for many uses. What keeps
it with few is a score of 0 and one of 1 added to each arm, and a variance of the small arm that is
never below that of both. Simulations hold it: ``tests/properties/test_uplift_simulation.py``;
``benchmarks/uplift.md`` has the table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from crossmodel.domain import checks
from crossmodel.transfer.uplift.effects import Effect, moments

HARMS: Final = ((0.075, 0.9), (0.2, 0.1))
"""Sizes of harm that evidence is gathered for, and their weights.

Chosen by simulation for the fewest uses until a harm of 0.10 is found; the second finds large
harms sooner. The best single size lies below the harm sought: what counts is that nine in ten
are found, and most of the time that takes is spent on the unlucky ones.
"""

DEMOTE_EVIDENCE: Final = 5.0
"""Harm is likely: in at most one of 5 insights without effect this is ever reached."""

QUARANTINE_EVIDENCE: Final = 20.0
"""Harm is established: in at most one of 20 insights without effect this is ever reached."""

LEAST_TO_DEMOTE: Final = (10, 5)
"""Least scores with the insight, and without it."""

LEAST_TO_QUARANTINE: Final = (20, 10)
"""Least scores with the insight, and without it."""

SUSPICION: Final = 1.2
"""Evidence from which on an insight is suspected, and more requests go without it."""

SUSPECTED_HOLDOUT_RATE: Final = 0.5
"""The share of its requests that goes without a suspected insight: what tells most per request."""

USES_TO_FIND_TEN_POINTS: Final = {0.1: 3300, 0.2: 1900, 0.5: 1200}
"""By hold-out rate: uses, held-out ones counted, within which a fall from 0.70 to 0.60 is
quarantined with a probability of at least 90 %, for scores of 0 and 1."""

USES_TO_FIND_THIRTY_POINTS: Final = {0.1: 530, 0.2: 300, 0.5: 190}
"""The same for a fall from 0.70 to 0.40."""

USES_TO_DEMOTE_TEN_POINTS: Final = {0.1: 2100, 0.2: 1200, 0.5: 740}
"""The same until a fall from 0.70 to 0.60 is demoted."""

USES_TO_FIND_TEN_POINTS_WATCHED: Final = 1750
"""Uses within which that fall is quarantined where 0.1 go without, and more while it is suspected:
see :func:`suspected_rate`."""

USES_TO_FIND_THIRTY_POINTS_WATCHED: Final = 220
"""The same for a fall from 0.70 to 0.40."""

LARGEST_EXPONENT: Final = 700.0
"""Beyond which a float overflows; such evidence settles anything."""

_HALVINGS: Final = 50


class Verdict(StrEnum):
    """What is to become of an insight, a topic or a protocol."""

    KEEP = "keep"
    DEMOTE = "demote"
    QUARANTINE = "quarantine"


def verdict(effect: Effect) -> Verdict:
    """What the scores so far say; ask after every score, or when you like."""
    found = evidence(effect)
    uses = effect.treated.n, effect.control.n
    if found >= QUARANTINE_EVIDENCE and _reach(uses, LEAST_TO_QUARANTINE):
        return Verdict.QUARANTINE
    if found >= DEMOTE_EVIDENCE and _reach(uses, LEAST_TO_DEMOTE):
        return Verdict.DEMOTE
    return Verdict.KEEP


def suspected_rate(effects: Iterable[Effect], holdout_rate: float) -> float:
    """The share, 0..1, of requests to withhold insights with these effects from.

    It is ``holdout_rate``, and half of the requests while one of the insights is suspected. Few go
    without an insight at the usual rate, so those few are what evidence waits for; this finds harm
    in half of the uses, while insights that do no harm are held out hardly more.

    Raises:
        InvalidInputError: unless the rate lies within 0..1.
    """
    checks.unit_interval("holdout_rate", holdout_rate)
    if any(evidence(effect) >= SUSPICION for effect in effects):
        return max(holdout_rate, SUSPECTED_HOLDOUT_RATE)
    return holdout_rate


def reason(effect: Effect) -> str:
    """Why the verdict is what it is, in one sentence with figures."""
    said = {
        Verdict.KEEP: "no harm is shown",
        Verdict.DEMOTE: "harm is likely",
        Verdict.QUARANTINE: "harm is established",
    }[verdict(effect)]
    return f"{said}: effect {effect}, evidence of harm {evidence(effect):.3g} : 1"


def evidence(effect: Effect, *, above: float = 0.0) -> float:
    """How much likelier the scores are under harm than without: 1 says nothing, 20 settles it.

    With ``above`` the question is whether the effect is less than that: -1..1.
    """
    checks.number("above", above)
    if not effect.known:
        return 1.0
    shortfall, information = _shortfall(effect)
    return sum(
        weight * _exp(harm * (shortfall + above) * information - harm * harm * information / 2)
        for harm, weight in HARMS
    )


def upper_bound(effect: Effect, against: float = QUARANTINE_EVIDENCE) -> float:
    """What the true effect is not above, -1..1, with a confidence of ``1 - 1 / against``.

    The bound holds at all times at once: however often one looks, it is ever wrong with at most
    that probability (Howard, Ramdas et al., Ann. Statist. 49(2), 2021).

    Raises:
        InvalidInputError: unless ``against`` is a finite number of at least 1.
    """
    checks.at_least("against", against, 1.0)
    low, high = -1.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if evidence(effect, above=middle) < against:
            low = middle
        else:
            high = middle
    return high


def _shortfall(effect: Effect) -> tuple[float, float]:
    """By how much the treated arm is worse, and one over the variance of that."""
    one, other = moments(effect.treated), moments(effect.control)
    pooled = (one.variance * one.n + other.variance * other.n) / (one.n + other.n)
    # a few held-out scores that happen to agree must not look like certainty
    small = max(other.variance, pooled) if other.n <= one.n else other.variance
    large = one.variance if other.n <= one.n else max(one.variance, pooled)
    return other.mean - one.mean, 1.0 / (large / one.n + small / other.n)


def _reach(uses: tuple[int, int], least: tuple[int, int]) -> bool:
    return uses[0] >= least[0] and uses[1] >= least[1]


def _exp(exponent: float) -> float:
    return math.exp(min(exponent, LARGEST_EXPONENT))
