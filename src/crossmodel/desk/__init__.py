"""What people do with a running CrossModel, beside asking it."""

from crossmodel.desk.insights import EffectOnTarget, Exported, InsightDesk
from crossmodel.desk.log import LogDesk
from crossmodel.witness.provenance import Chain, InsightNode, Record, RequestNode

__all__ = [
    "Chain",
    "EffectOnTarget",
    "Exported",
    "InsightDesk",
    "InsightNode",
    "LogDesk",
    "Record",
    "RequestNode",
]
