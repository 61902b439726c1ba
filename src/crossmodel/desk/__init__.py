"""What people do with a running CrossModel, beside asking it.

Names load when they are used.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.desk.insights import InsightDesk
    from crossmodel.desk.log import LogDesk
    from crossmodel.desk.report import InsightEffect, OperationsReport
    from crossmodel.desk.reports import ReportDesk
    from crossmodel.desk.traffic import Budget, TrafficDesk
    from crossmodel.transfer.export import Exported
    from crossmodel.transfer.uplift.report import EffectOnTarget
    from crossmodel.witness.provenance import Chain, InsightNode, Record, RequestNode

__all__ = [
    "Budget",
    "Chain",
    "EffectOnTarget",
    "Exported",
    "InsightDesk",
    "InsightEffect",
    "InsightNode",
    "LogDesk",
    "OperationsReport",
    "Record",
    "ReportDesk",
    "RequestNode",
    "TrafficDesk",
]

_MODULE_OF = {
    "Budget": "desk.traffic",
    "Chain": "witness.provenance",
    "EffectOnTarget": "transfer.uplift.report",
    "Exported": "transfer.export",
    "InsightDesk": "desk.insights",
    "InsightEffect": "desk.report",
    "InsightNode": "witness.provenance",
    "LogDesk": "desk.log",
    "OperationsReport": "desk.report",
    "Record": "witness.provenance",
    "ReportDesk": "desk.reports",
    "RequestNode": "witness.provenance",
    "TrafficDesk": "desk.traffic",
}

__getattr__ = loader(__name__, _MODULE_OF, within="crossmodel")
