"""What is measured, watched and told: health, alerts and their sinks.

Names load when they are used.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.telemetry.alerts.manager import AlertManager
    from crossmodel.telemetry.health.availability import ModelAvailabilityHealthCheck
    from crossmodel.telemetry.health.check import HealthCheck
    from crossmodel.telemetry.health.error_rate import ErrorRateHealthCheck
    from crossmodel.telemetry.health.monitor import CrossModelConsciousnessHealthMonitor
    from crossmodel.telemetry.health.performance import PerformanceHealthCheck
    from crossmodel.telemetry.health.resources import ResourceUtilizationHealthCheck
    from crossmodel.telemetry.health.stored import StoreHealthCheck

__all__ = [
    "AlertManager",
    "CrossModelConsciousnessHealthMonitor",
    "ErrorRateHealthCheck",
    "HealthCheck",
    "ModelAvailabilityHealthCheck",
    "PerformanceHealthCheck",
    "ResourceUtilizationHealthCheck",
    "StoreHealthCheck",
]

_MODULE_OF = {
    "AlertManager": "alerts.manager",
    "CrossModelConsciousnessHealthMonitor": "health.monitor",
    "ErrorRateHealthCheck": "health.error_rate",
    "HealthCheck": "health.check",
    "ModelAvailabilityHealthCheck": "health.availability",
    "PerformanceHealthCheck": "health.performance",
    "ResourceUtilizationHealthCheck": "health.resources",
    "StoreHealthCheck": "health.stored",
}

__getattr__ = loader(__name__, _MODULE_OF)
