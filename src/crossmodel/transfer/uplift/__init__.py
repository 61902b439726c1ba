"""Measured uplift: whether insights help is decided from what came of them.

``assignment`` draws who goes without, ``observations`` says what a score tells of, ``effects`` has
the difference with its interval. From those, ``monitor`` finds the insights that harm, ``choice``
the protocol that serves best, ``gate`` and ``relevance`` where insights are worth handing over.
"""

from crossmodel.transfer.uplift.assignment import Assignment, assign, assign_closed
from crossmodel.transfer.uplift.choice import Belief, Choice, ProtocolChooser
from crossmodel.transfer.uplift.effects import Effect, effect_of, measure
from crossmodel.transfer.uplift.gate import Decision, Gate
from crossmodel.transfer.uplift.monitor import (
    Verdict,
    evidence,
    reason,
    suspected_rate,
    upper_bound,
    verdict,
)
from crossmodel.transfer.uplift.observations import (
    insight_unit,
    observations,
    protocol_unit,
    topic_unit,
)
from crossmodel.transfer.uplift.relevance import RELEVANCE_UNITS, RelevanceBound, relevance_unit
from crossmodel.transfer.uplift.report import EffectOnTarget, effects_by_target

__all__ = [
    "RELEVANCE_UNITS",
    "Assignment",
    "Belief",
    "Choice",
    "Decision",
    "Effect",
    "EffectOnTarget",
    "Gate",
    "ProtocolChooser",
    "RelevanceBound",
    "Verdict",
    "assign",
    "assign_closed",
    "effect_of",
    "effects_by_target",
    "evidence",
    "insight_unit",
    "measure",
    "observations",
    "protocol_unit",
    "reason",
    "relevance_unit",
    "suspected_rate",
    "topic_unit",
    "upper_bound",
    "verdict",
]
