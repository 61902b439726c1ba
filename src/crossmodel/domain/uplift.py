"""What is counted of the effect of insights: sums that intervals and choices are made of."""

from __future__ import annotations

from dataclasses import dataclass

from crossmodel.domain import checks


@dataclass(frozen=True, slots=True)
class UpliftKey:
    """What a sum is about.

    Attributes:
        target_model: the model that answered.
        task_type: what kind of task it was; empty if nothing is known.
        unit: ``insight:ID``, ``topic:NAME`` or ``protocol:NAME``.
        arm: one of :class:`~crossmodel.domain.transfer.Arm`.
    """

    target_model: str
    task_type: str
    unit: str
    arm: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Scores that were seen, each 0..1: how many, their sum, the sum of their squares."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def plus(self, score: float) -> Tally:
        """With one score more.

        Raises:
            InvalidInputError: unless it lies within 0..1.
        """
        checks.unit_interval("score", score)
        return Tally(self.n + 1, self.total + score, self.squares + score * score)

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def __sub__(self, other: Tally) -> Tally:
        return Tally(self.n - other.n, self.total - other.total, self.squares - other.squares)
