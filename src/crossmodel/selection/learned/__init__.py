"""Quality and cost per prompt, learned from outcomes.

Names load when they are used: most selections are made without a router.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.selection.learned.dial import DialSetting, Traffic, calibrate, settle
    from crossmodel.selection.learned.files import dump_router, load_router, router_sha256
    from crossmodel.selection.learned.outcomes import OutcomeTable, Trial, hashes
    from crossmodel.selection.learned.router import Estimate, LearnedRouter
    from crossmodel.selection.learned.training import train_router

__all__ = [
    "DialSetting",
    "Estimate",
    "LearnedRouter",
    "OutcomeTable",
    "Traffic",
    "Trial",
    "calibrate",
    "dump_router",
    "hashes",
    "load_router",
    "router_sha256",
    "settle",
    "train_router",
]

_MODULE_OF = {
    "DialSetting": "dial",
    "Estimate": "router",
    "LearnedRouter": "router",
    "OutcomeTable": "outcomes",
    "Traffic": "dial",
    "Trial": "outcomes",
    "calibrate": "dial",
    "dump_router": "files",
    "hashes": "outcomes",
    "load_router": "files",
    "router_sha256": "files",
    "settle": "dial",
    "train_router": "training",
}

__getattr__ = loader(__name__, _MODULE_OF)
