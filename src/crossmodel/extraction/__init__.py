"""Insights out of models' answers: patterns find them, every one stands on exact evidence."""

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
