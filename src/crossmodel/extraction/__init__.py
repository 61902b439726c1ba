"""Insights out of models' answers: patterns find them, every one stands on exact evidence."""

from crossmodel.extraction.confidence import ConfidenceCalculator
from crossmodel.extraction.extractor import InsightExtractor
from crossmodel.extraction.patterns import ExtractionPattern, PatternRegistry
from crossmodel.extraction.validation import InsightValidator

__all__ = [
    "ConfidenceCalculator",
    "ExtractionPattern",
    "InsightExtractor",
    "InsightValidator",
    "PatternRegistry",
]
