"""What is recorded so that a request can be replayed, and what comes of replaying it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from crossmodel.domain.selection import SelectionExplanation


@dataclass(frozen=True, slots=True)
class Inputs:
    """The recorded inputs of a selection.

    ``sha256`` is that of the body that names all others; ``bodies`` are those that may not be kept
    yet, by their SHA-256.
    """

    sha256: str
    bodies: Mapping[str, bytes] = field(default_factory=dict, repr=False)


class Part(StrEnum):
    """What is replayed: each stage of the loop, in its order."""

    SELECTION = "selection"
    CHOOSING = "choosing"
    PACKING = "packing"
    ANSWER = "answer"
    EXTRACTION = "extraction"


class Verdict(StrEnum):
    """What came of replaying one part."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_REPLAYABLE = "not replayable"


@dataclass(frozen=True, slots=True)
class ReplayedPart:
    """One part. ``details`` says what was compared, what differs, or why it cannot be replayed."""

    part: Part
    verdict: Verdict
    details: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "part": str(self.part),
            "verdict": str(self.verdict),
            "details": list(self.details),
        }


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay of one request: a verdict on each part that it had."""

    request_id: str
    parts: tuple[ReplayedPart, ...]

    @property
    def replayed(self) -> int:
        """How many parts could be replayed."""
        return sum(each.verdict != Verdict.NOT_REPLAYABLE for each in self.parts)

    @property
    def is_same(self) -> bool:
        """Whether something could be replayed, and all of that is the same."""
        return self.replayed > 0 and not self.differs

    @property
    def differs(self) -> bool:
        """Whether something came out otherwise than the log says."""
        return any(each.verdict == Verdict.DIFFERENT for each in self.parts)

    def part(self, name: str) -> ReplayedPart | None:
        """The part of that name, if the request had it."""
        return next((each for each in self.parts if each.part == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "request_id": self.request_id,
            "same": self.is_same,
            "replayed": self.replayed,
            "parts": [each.to_dict() for each in self.parts],
        }


@dataclass(frozen=True, slots=True)
class ExplainedSelection:
    """A decision as the signed log tells it, and the terms of its scores worked out again.

    Attributes:
        request_id: whose model was chosen.
        leaf: the record of the log that says so.
        model_id: what was chosen; empty if nothing could be.
        score: its suitability then, 0..1.
        alternatives: who would have come next, the best first.
        rejected: the reason of every model that was not considered.
        requirement: what was asked for, by field; what is left out had no limit.
        explanation: every term of every score, from the recorded inputs; ``None`` where there is no
            working it out.
        why_not: why that is so; empty where there is one.
        differs: what comes out otherwise than the log says, in words: then the explanation is not
            that of this decision.
    """

    request_id: str
    leaf: int
    model_id: str
    score: float
    alternatives: tuple[str, ...]
    rejected: Mapping[str, str]
    requirement: Mapping[str, Any]
    explanation: SelectionExplanation | None = None
    why_not: str = ""
    differs: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "request_id": self.request_id,
            "leaf": self.leaf,
            "model_id": self.model_id,
            "score": self.score,
            "alternatives": list(self.alternatives),
            "rejected": dict(self.rejected),
            "requirement": dict(self.requirement),
            "explanation": self.explanation.to_dict() if self.explanation else None,
            "why_not": self.why_not,
            "differs": list(self.differs),
        }
