"""One turn of the loop: what was asked, what became of it, and what the caller gets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from crossmodel.domain import checks
from crossmodel.domain.completion import Completion, Message, Usage
from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.records import DEFAULT_TENANT
from crossmodel.domain.replay import Inputs
from crossmodel.domain.selection import ModelSelection, TaskRequirement
from crossmodel.domain.traffic import Prices
from crossmodel.domain.transfer import TransferResult
from crossmodel.errors import InvalidInputError

TRACE_ID: Final = re.compile("(?!0{32})[0-9a-f]{32}")
"""A trace's id as W3C Trace Context (3.2.2.3) has it."""

ANSWER_ATTRIBUTE: Final = "crossmodel.answer.id"
"""The attribute of a span by which a trace leads to its answers, and so to their chains."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to the loop.

    Attributes:
        messages: the conversation; the last turn is the one to answer.
        task: what it needs of a model; anything will do if ``None``.
        model: the model to ask; the best one for the task if ``None``.
        tenant: whose insights are read and written.
        max_tokens: most tokens of the answer.
        temperature: 0 for the likeliest answer; the provider's own default if ``None``.
        seed: for providers that offer one.
        needs: features that the model must have, such as ``tools``.
        conversation: which conversation this is a turn of.
        key: name of the client key that is charged.
        trace_id: the caller's trace, 32 hex digits (W3C Trace Context), for the log.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """

    messages: tuple[Message, ...]
    task: TaskRequirement | None = None
    model: str | None = None
    tenant: str = DEFAULT_TENANT
    max_tokens: int = 1024
    temperature: float | None = None
    seed: int | None = None
    needs: frozenset[str] = frozenset()
    conversation: str | None = None
    key: str | None = None
    trace_id: str | None = None

    def __post_init__(self) -> None:
        if not any(message.content.strip() for message in self.messages):
            raise InvalidInputError("messages must say something")
        checks.text("tenant", self.tenant)
        checks.at_least("max_tokens", self.max_tokens, 1)
        if self.trace_id is not None and not TRACE_ID.fullmatch(self.trace_id):
            raise InvalidInputError("trace_id must be 32 lower-case hex digits, not all zero")

    @property
    def question(self) -> str:
        """The last thing that the user said."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")


@dataclass(slots=True)
class Turn:
    """What has happened so far to one request; each stage fills in its part, and when it was done.

    Times that nobody fills in are those at which the turn is recorded.
    """

    id: str
    ask: Ask
    selection: ModelSelection
    model: ModelSpec
    transfer: TransferResult | None = None
    completion: Completion | None = None
    extraction: ExtractionResult | None = None
    handed_over_at: datetime | None = None
    answered_at: datetime | None = None
    inputs: Inputs | None = None
    dearest: Prices | None = None

    @property
    def cost_usd(self) -> float:
        """What the call cost by the prices of the model's row; 0 if there was no answer."""
        if self.completion is None:
            return 0.0
        usage = self.completion.usage
        return self.model.cost_usd(usage.input_tokens, usage.output_tokens)


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer, and everything that led to it and came of it.

    Attributes:
        id: what feedback, traces and proofs refer to.
        text: the answer.
        model_id: who answered.
        served_model: who answered, as the provider says.
        selection: why that model.
        transfer: which insights it was given; ``None`` when there was nothing to give.
        extraction: what was learned from the answer; ``None`` when its model is no teacher.
        usage: tokens as the provider counted them.
        cost_usd: what the call cost, by the prices of the model's row.
        latency_ms: how long the call took.
        leaves: where the log holds its statements.
        question: the last thing that the user said.
    """

    id: str
    text: str
    model_id: str
    served_model: str
    selection: ModelSelection
    transfer: TransferResult | None = None
    extraction: ExtractionResult | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0
    latency_ms: float = 0.0
    leaves: tuple[int, ...] = ()
    question: str = field(default="", repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "id": self.id,
            "text": self.text,
            "model": self.model_id,
            "served_model": self.served_model,
            "suitability_score": self.selection.suitability_score,
            "alternatives": self.selection.alternative_models,
            "transfer": self.transfer.to_dict() if self.transfer else None,
            "insights": [i.id for i in self.extraction.insights] if self.extraction else [],
            "usage": {
                "input_tokens": self.usage.input_tokens,
                "output_tokens": self.usage.output_tokens,
            },
            "cost_usd": self.cost_usd,
            "latency_ms": self.latency_ms,
            "leaves": list(self.leaves),
        }
