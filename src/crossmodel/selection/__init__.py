"""Selection: the best model for each task under quality, cost, latency and capability limits."""

from crossmodel.selection.conversation import routing_text
from crossmodel.selection.cost import BudgetAlert, CostOptimizer, Reservation, Standing
from crossmodel.selection.learned import LearnedRouter, dump_router, load_router
from crossmodel.selection.performance import PerformanceTracker
from crossmodel.selection.selector import ModelSelector

__all__ = [
    "BudgetAlert",
    "CostOptimizer",
    "LearnedRouter",
    "ModelSelector",
    "PerformanceTracker",
    "Reservation",
    "Standing",
    "dump_router",
    "load_router",
    "routing_text",
]
