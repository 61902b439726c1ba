"""Quality and cost per prompt, learned from outcomes."""

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
