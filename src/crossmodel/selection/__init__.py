"""Selection: the best model for each task under quality, cost, latency and capability limits."""

from crossmodel.selection.cost import BudgetAlert, CostOptimizer, Reservation
from crossmodel.selection.performance import PerformanceTracker
from crossmodel.selection.selector import ModelSelector

__all__ = ["BudgetAlert", "CostOptimizer", "ModelSelector", "PerformanceTracker", "Reservation"]
