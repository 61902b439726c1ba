"""What checks of traffic go by: counts and a percentile over a window of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError

ALL: Final = ""
"""The name under which the figures of all models together stand."""


@dataclass(frozen=True, slots=True)
class RequestFigures:
    """Requests that were answered within a window of time.

    Attributes:
        requests: how many.
        errors: how many of them failed.
        latency_p95_ms: what 95 % of them took no longer than, in milliseconds; infinite if it is
            more than can be measured, ``None`` if there were none.

    Raises:
        InvalidInputError: unless ``0 <= errors <= requests`` and the latency is not negative.
    """

    requests: int
    errors: int
    latency_p95_ms: float | None = None

    def __post_init__(self) -> None:
        checks.at_least("errors", self.errors, 0)
        checks.at_least("requests", self.requests, 0)
        if self.errors > self.requests:
            raise InvalidInputError(f"errors must be at most {self.requests}, not {self.errors}")
        if self.latency_p95_ms is not None:
            checks.number("latency_p95_ms", self.latency_p95_ms)


FiguresSource = Callable[[], Mapping[str, RequestFigures]]
"""Gives the figures of the window up to now, by model; those of all together under :data:`ALL`."""


def no_figures() -> Mapping[str, RequestFigures]:
    """The source where nothing is measured."""
    return {}


def subject_of(model: str) -> str:
    """How a finding names whose figures they are."""
    return model or "all models"
