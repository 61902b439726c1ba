"""Selection: the best model for each task under quality, cost, latency and capability limits.

Names load when they are used.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.selection.conversation import routing_text
    from crossmodel.selection.cost import BudgetAlert, CostOptimizer, Reservation, Standing
    from crossmodel.selection.learned import LearnedRouter, dump_router, load_router
    from crossmodel.selection.performance import PerformanceTracker
    from crossmodel.selection.selector import ModelSelector
    from crossmodel.selection.validation import check_requirement

__all__ = [
    "BudgetAlert",
    "CostOptimizer",
    "LearnedRouter",
    "ModelSelector",
    "PerformanceTracker",
    "Reservation",
    "Standing",
    "check_requirement",
    "dump_router",
    "load_router",
    "routing_text",
]

_MODULE_OF = {
    "BudgetAlert": "cost",
    "CostOptimizer": "cost",
    "LearnedRouter": "learned",
    "ModelSelector": "selector",
    "PerformanceTracker": "performance",
    "Reservation": "cost",
    "Standing": "cost",
    "check_requirement": "validation",
    "dump_router": "learned",
    "load_router": "learned",
    "routing_text": "conversation",
}

__getattr__ = loader(__name__, _MODULE_OF)
