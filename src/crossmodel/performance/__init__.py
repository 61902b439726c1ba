"""What requests came to: figures from the sums that the store keeps, and the upkeep of those sums.

What the sums are is told in :mod:`crossmodel.domain.traffic`, how they are kept in
:mod:`crossmodel.store.traffic`. Names load when they are used.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.performance.figures import figures_of, percentile_ms, performance_report
    from crossmodel.performance.rolling_up import keep_rolling_up, roll_up

__all__ = ["figures_of", "keep_rolling_up", "percentile_ms", "performance_report", "roll_up"]

_MODULE_OF = {
    "figures_of": "figures",
    "keep_rolling_up": "rolling_up",
    "percentile_ms": "figures",
    "performance_report": "figures",
    "roll_up": "rolling_up",
}

__getattr__ = loader(__name__, _MODULE_OF)
