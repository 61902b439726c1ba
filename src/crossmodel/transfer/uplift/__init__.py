"""Measured uplift: whether insights help is decided from what came of them.

``assignment`` draws who goes without, ``observations`` says what a score tells of, ``effects`` has
the difference with its interval. From those, ``monitor`` finds the insights that harm, ``choice``
the protocol that serves best, ``gate`` and ``relevance`` where insights are worth handing over.

Names load when they are used.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
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
        protocol_unit,
        topic_unit,
    )
    from crossmodel.transfer.uplift.relevance import RELEVANCE_UNITS, RelevanceBound, relevance_unit
    from crossmodel.transfer.uplift.report import EffectOnTarget, effects_by_name, effects_by_target

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
    "effects_by_name",
    "effects_by_target",
    "evidence",
    "insight_unit",
    "measure",
    "protocol_unit",
    "reason",
    "relevance_unit",
    "suspected_rate",
    "topic_unit",
    "upper_bound",
    "verdict",
]

_MODULE_OF = {
    "Assignment": "assignment",
    "Belief": "choice",
    "Choice": "choice",
    "Decision": "gate",
    "Effect": "effects",
    "EffectOnTarget": "report",
    "Gate": "gate",
    "ProtocolChooser": "choice",
    "RELEVANCE_UNITS": "relevance",
    "RelevanceBound": "relevance",
    "Verdict": "monitor",
    "assign": "assignment",
    "assign_closed": "assignment",
    "effect_of": "effects",
    "effects_by_name": "report",
    "effects_by_target": "report",
    "evidence": "monitor",
    "insight_unit": "observations",
    "measure": "effects",
    "protocol_unit": "observations",
    "reason": "monitor",
    "relevance_unit": "relevance",
    "suspected_rate": "monitor",
    "topic_unit": "observations",
    "upper_bound": "monitor",
    "verdict": "monitor",
}

__getattr__ = loader(__name__, _MODULE_OF)
