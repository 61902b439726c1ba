"""Transfer: from the insights that there are to a context that helps one model with one question.

``trust`` says how far a source is believed. ``retrieval`` finds, ``choosing`` chooses a lesson by
its ``relevance``; ``screening`` refuses what must not be handed over and ``conflicts`` what others
say better, ``quality`` says how good the rest is, ``protocols`` write it down, ``packing`` keeps it
within the budget. ``playbook`` curates what is in use about a topic, ``export`` writes rows to
train on.
"""

from crossmodel.transfer.conflicts import Resolution, resolve
from crossmodel.transfer.handover import PLAYBOOK, Handover, HandoverRequest, Plan
from crossmodel.transfer.learning import learn_from_score
from crossmodel.transfer.playbook import for_question, tend
from crossmodel.transfer.protocols.base import TransferProtocol
from crossmodel.transfer.retrieval import search
from crossmodel.transfer.transfer import InsightTransfer
from crossmodel.transfer.trust import trust_of

__all__ = [
    "PLAYBOOK",
    "Handover",
    "HandoverRequest",
    "InsightTransfer",
    "Plan",
    "Resolution",
    "TransferProtocol",
    "for_question",
    "learn_from_score",
    "resolve",
    "search",
    "tend",
    "trust_of",
]
