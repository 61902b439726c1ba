"""How far models are to be believed: whether what each said came true as often as it claimed.

There is one calibration of *scores*, the extractor's
(:class:`~crossmodel.extraction.ConfidenceCalculator`): it turns the signs that an insight carries
into the confidence that it is given out with. This package never changes that confidence. It
watches what came of it, model by model: a model whose insights come true less often than their
confidence says is over-confident even where scores are right on the whole. What it offers beside
the figures, :meth:`CrossModelConfidenceCalibrator.calibrated`, is advice on top of a confidence.
"""

from crossmodel.reliability.calibrator import CrossModelConfidenceCalibrator
from crossmodel.reliability.figures import brief, reliability_of
from crossmodel.reliability.observing import judge, observe_score, set_standing

__all__ = [
    "CrossModelConfidenceCalibrator",
    "brief",
    "judge",
    "observe_score",
    "reliability_of",
    "set_standing",
]
