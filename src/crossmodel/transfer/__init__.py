"""Transfer: from the insights that there are to a context that helps one model with one question.

``retrieval`` finds and chooses, ``screening`` refuses what must not be handed over, ``quality``
says how good the rest is, ``protocols`` write it down, ``packing`` keeps it within the budget;
``playbook`` curates what is in use about a topic, ``export`` writes rows to train on.
"""

from crossmodel.transfer.playbook import for_question, tend
from crossmodel.transfer.protocols.base import TransferProtocol
from crossmodel.transfer.retrieval import search
from crossmodel.transfer.transfer import InsightTransfer

__all__ = ["InsightTransfer", "TransferProtocol", "for_question", "search", "tend"]
