"""The optional pattern that asks a model: it proposes, and the text itself has the last word."""

from crossmodel.extraction.assisted.assistance import (
    ASSISTANCE,
    MODEL_ASSISTED,
    REPORT,
    Assistance,
)
from crossmodel.extraction.assisted.pattern import Complete, ModelAssistedPattern

__all__ = [
    "ASSISTANCE",
    "MODEL_ASSISTED",
    "REPORT",
    "Assistance",
    "Complete",
    "ModelAssistedPattern",
]
