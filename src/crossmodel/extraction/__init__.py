"""Insights out of models' answers: patterns find them, every one stands on exact evidence.

Names load when they are used: what reads texts takes a tenth of a second to load, and whoever only
selects or serves has no text to read yet.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.extraction.assisted import ASSISTANCE, Assistance, ModelAssistedPattern
    from crossmodel.extraction.confidence import ConfidenceCalculator
    from crossmodel.extraction.extractor import InsightExtractor
    from crossmodel.extraction.patterns import ExtractionPattern, PatternRegistry
    from crossmodel.extraction.validation import InsightValidator

__all__ = [
    "ASSISTANCE",
    "Assistance",
    "ConfidenceCalculator",
    "ExtractionPattern",
    "InsightExtractor",
    "InsightValidator",
    "ModelAssistedPattern",
    "PatternRegistry",
]

_MODULE_OF = {
    "ASSISTANCE": "assisted",
    "Assistance": "assisted",
    "ConfidenceCalculator": "confidence",
    "ExtractionPattern": "patterns",
    "InsightExtractor": "extractor",
    "InsightValidator": "validation",
    "ModelAssistedPattern": "assisted",
    "PatternRegistry": "patterns",
}

__getattr__ = loader(__name__, _MODULE_OF)
