"""What people do with a running CrossModel, beside asking it.

Names load when they are used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossmodel.desk.insights import InsightDesk
    from crossmodel.desk.log import LogDesk
    from crossmodel.transfer.export import Exported
    from crossmodel.transfer.uplift.report import EffectOnTarget
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

_MODULE_OF = {
    "Chain": "witness.provenance",
    "EffectOnTarget": "transfer.uplift.report",
    "Exported": "transfer.export",
    "InsightDesk": "desk.insights",
    "InsightNode": "witness.provenance",
    "LogDesk": "desk.log",
    "Record": "witness.provenance",
    "RequestNode": "witness.provenance",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"crossmodel.{_MODULE_OF[name]}"), name)
