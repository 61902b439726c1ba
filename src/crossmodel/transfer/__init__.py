"""Transfer: from the insights that there are to a context that helps one model with one question.

``trust`` says how far a source is believed. ``retrieval`` finds, ``choosing`` chooses a lesson by
its ``relevance``; ``screening`` refuses what must not be handed over and ``conflicts`` what others
say better, ``quality`` says how good the rest is, ``protocols`` write it down, ``packing`` keeps it
within the budget. ``playbook`` curates what is in use about a topic, ``export`` writes rows to
train on.

Names load when they are used: where no insight is known, there is nothing to hand over.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.transfer.conflicts import Resolution, resolve
    from crossmodel.transfer.export import Exported, export_insights
    from crossmodel.transfer.handover import PLAYBOOK, Handover, HandoverRequest, Plan
    from crossmodel.transfer.learning import learn_from_score
    from crossmodel.transfer.playbook import for_question, tend
    from crossmodel.transfer.protocols.base import TransferProtocol
    from crossmodel.transfer.retrieval import search
    from crossmodel.transfer.transfer import InsightTransfer
    from crossmodel.transfer.trust import trust_of

__all__ = [
    "PLAYBOOK",
    "Exported",
    "Handover",
    "HandoverRequest",
    "InsightTransfer",
    "Plan",
    "Resolution",
    "TransferProtocol",
    "export_insights",
    "for_question",
    "learn_from_score",
    "resolve",
    "search",
    "tend",
    "trust_of",
]

_MODULE_OF = {
    "Exported": "export",
    "Handover": "handover",
    "HandoverRequest": "handover",
    "InsightTransfer": "transfer",
    "PLAYBOOK": "handover",
    "Plan": "handover",
    "Resolution": "conflicts",
    "TransferProtocol": "protocols.base",
    "export_insights": "export",
    "for_question": "playbook",
    "learn_from_score": "learning",
    "resolve": "conflicts",
    "search": "retrieval",
    "tend": "playbook",
    "trust_of": "trust",
}

__getattr__ = loader(__name__, _MODULE_OF)
