"""Which arm a request falls into: by chance, and the same one whenever it is asked again.

The chance is a number that SHA-256 makes of the request's id: uniform over ids, so arms are as
good as drawn, and a replay of the same request finds it in the same arm.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from crossmodel.domain import checks
from crossmodel.domain.transfer import Arm
from crossmodel.errors import InvalidInputError

_LABEL: Final = b"crossmodel uplift arm\x00"
"""Keeps these numbers apart from whatever else is drawn by a request's id."""

_BITS: Final = 53
"""As many as a float holds exactly."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """An arm, and the probability, 0..1, that the request had of falling into it."""

    arm: Arm
    propensity: float


def uniform(request_id: str) -> float:
    """A number within 0..1, 1 excluded, that belongs to this id for ever."""
    digest = hashlib.sha256(_LABEL + request_id.encode("utf-8", "surrogatepass")).digest()
    return float((int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / 2**_BITS)


def assign(request_id: str, *, holdout_rate: float, padding_rate: float = 0.0) -> Assignment:
    """The arm of an eligible request: one for which insights were found that fit.

    Raises:
        InvalidInputError: unless both rates lie within 0..1 and add up to less than 1.
    """
    check_rates(holdout_rate, padding_rate)
    drawn = uniform(request_id)
    if drawn < holdout_rate:
        return Assignment(Arm.HOLDOUT, holdout_rate)
    if drawn < holdout_rate + padding_rate:
        return Assignment(Arm.PADDING, padding_rate)
    return Assignment(Arm.INSIGHTS, 1.0 - (holdout_rate + padding_rate))


def assign_closed(request_id: str, *, retry_rate: float) -> Assignment:
    """The arm of a request for which the gate is closed.

    What is never tried again can never prove itself, so a share of such requests gets insights
    all the same and the others count as held out. With a rate of 0 it is no experiment: ``gated``.

    Raises:
        InvalidInputError: unless the rate lies within 0..1.
    """
    checks.unit_interval("retry_rate", retry_rate)
    if retry_rate == 0.0:
        return Assignment(Arm.GATED, 1.0)
    if uniform(request_id) >= 1.0 - retry_rate:
        return Assignment(Arm.INSIGHTS, retry_rate)
    return Assignment(Arm.HOLDOUT, 1.0 - retry_rate)


def check_rates(holdout_rate: float, padding_rate: float) -> None:
    """Both within 0..1, and something left for the insights.

    Raises:
        InvalidInputError: if they are not.
    """
    checks.unit_interval("holdout_rate", holdout_rate)
    checks.unit_interval("padding_rate", padding_rate)
    if holdout_rate + padding_rate >= 1.0:
        raise InvalidInputError(
            f"holdout_rate {holdout_rate} and padding_rate {padding_rate} must add up to less "
            "than 1: nothing would be left for the insights"
        )
