"""What the whole loop gives back for one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crossmodel.domain.completion import Usage
from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.selection import ModelSelection
from crossmodel.domain.transfer import TransferResult


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
    """

    id: str
    text: str
    model_id: str
    served_model: str
    selection: ModelSelection
    transfer: TransferResult | None
    extraction: ExtractionResult | None
    usage: Usage
    cost_usd: float
    latency_ms: float
    leaves: tuple[int, ...]

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
