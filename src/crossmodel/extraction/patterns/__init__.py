"""The patterns that come with CrossModel, one file each, and what all patterns are."""

from crossmodel.extraction.patterns.analysis import AnalysisExtractionPattern
from crossmodel.extraction.patterns.base import ExtractionPattern, is_exact
from crossmodel.extraction.patterns.coding import CodingExtractionPattern
from crossmodel.extraction.patterns.creativity import CreativityExtractionPattern
from crossmodel.extraction.patterns.language import LanguageExtractionPattern
from crossmodel.extraction.patterns.math import MathExtractionPattern
from crossmodel.extraction.patterns.reasoning import ReasoningExtractionPattern
from crossmodel.extraction.patterns.registry import PatternRegistry, installed_patterns

__all__ = [
    "AnalysisExtractionPattern",
    "CodingExtractionPattern",
    "CreativityExtractionPattern",
    "ExtractionPattern",
    "LanguageExtractionPattern",
    "MathExtractionPattern",
    "PatternRegistry",
    "ReasoningExtractionPattern",
    "installed_patterns",
    "is_exact",
]
