"""Health: checks with time limits, and the monitor that performs them.

Names load when they are used.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.telemetry.health.availability import ModelAvailabilityHealthCheck, ModelProbe
    from crossmodel.telemetry.health.check import HealthCheck
    from crossmodel.telemetry.health.error_rate import ErrorRateHealthCheck
    from crossmodel.telemetry.health.figures import RequestFigures
    from crossmodel.telemetry.health.loop_lag import LoopLag
    from crossmodel.telemetry.health.monitor import CrossModelConsciousnessHealthMonitor
    from crossmodel.telemetry.health.performance import PerformanceHealthCheck
    from crossmodel.telemetry.health.resources import ResourceUtilizationHealthCheck
    from crossmodel.telemetry.health.stored import StoreFigures, StoreHealthCheck

__all__ = [
    "CrossModelConsciousnessHealthMonitor",
    "ErrorRateHealthCheck",
    "HealthCheck",
    "LoopLag",
    "ModelAvailabilityHealthCheck",
    "ModelProbe",
    "PerformanceHealthCheck",
    "RequestFigures",
    "ResourceUtilizationHealthCheck",
    "StoreFigures",
    "StoreHealthCheck",
]

_MODULE_OF = {
    "CrossModelConsciousnessHealthMonitor": "monitor",
    "ErrorRateHealthCheck": "error_rate",
    "HealthCheck": "check",
    "LoopLag": "loop_lag",
    "ModelAvailabilityHealthCheck": "availability",
    "ModelProbe": "availability",
    "PerformanceHealthCheck": "performance",
    "RequestFigures": "figures",
    "ResourceUtilizationHealthCheck": "resources",
    "StoreFigures": "stored",
    "StoreHealthCheck": "stored",
}

__getattr__ = loader(__name__, _MODULE_OF)
