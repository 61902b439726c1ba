"""Transfer: from the insights that there are to a context that helps one model with one question.

``trust`` says how far a source is believed, ``retrieval`` finds and chooses, ``screening`` refuses
what must not be handed over and ``conflicts`` what others say better, ``quality`` says how good the
rest is, ``protocols`` write it down, ``packing`` keeps it within the budget.
"""

from crossmodel.transfer.conflicts import Resolution, resolve
from crossmodel.transfer.protocols.base import TransferProtocol
from crossmodel.transfer.retrieval import search
from crossmodel.transfer.transfer import InsightTransfer
from crossmodel.transfer.trust import trust_of

__all__ = [
    "InsightTransfer",
    "Resolution",
    "TransferProtocol",
    "resolve",
    "search",
    "trust_of",
]
