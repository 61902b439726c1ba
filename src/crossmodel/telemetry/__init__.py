"""What is measured of a running system, who watches over it, and who is told.

Names load when they are used: OpenTelemetry, the metrics library and the logging library cost a
start nothing that has no use for them.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.telemetry.alerts.manager import AlertManager
    from crossmodel.telemetry.analyzer import PerformanceAnalyzer
    from crossmodel.telemetry.collector import MetricsCollector
    from crossmodel.telemetry.health.availability import ModelAvailabilityHealthCheck
    from crossmodel.telemetry.health.check import HealthCheck
    from crossmodel.telemetry.health.error_rate import ErrorRateHealthCheck
    from crossmodel.telemetry.health.monitor import CrossModelConsciousnessHealthMonitor
    from crossmodel.telemetry.health.performance import PerformanceHealthCheck
    from crossmodel.telemetry.health.resources import ResourceUtilizationHealthCheck
    from crossmodel.telemetry.health.stored import StoreHealthCheck
    from crossmodel.telemetry.logs import configure_logs
    from crossmodel.telemetry.metrics import CrossModelConsciousnessMetrics
    from crossmodel.telemetry.opentelemetry_hook import OpenTelemetryHook
    from crossmodel.telemetry.prometheus import PrometheusCollector

__all__ = [
    "AlertManager",
    "CrossModelConsciousnessHealthMonitor",
    "CrossModelConsciousnessMetrics",
    "ErrorRateHealthCheck",
    "HealthCheck",
    "MetricsCollector",
    "ModelAvailabilityHealthCheck",
    "OpenTelemetryHook",
    "PerformanceAnalyzer",
    "PerformanceHealthCheck",
    "PrometheusCollector",
    "ResourceUtilizationHealthCheck",
    "StoreHealthCheck",
    "configure_logs",
]

_MODULE_OF = {
    "AlertManager": "alerts.manager",
    "CrossModelConsciousnessHealthMonitor": "health.monitor",
    "CrossModelConsciousnessMetrics": "metrics",
    "ErrorRateHealthCheck": "health.error_rate",
    "HealthCheck": "health.check",
    "MetricsCollector": "collector",
    "ModelAvailabilityHealthCheck": "health.availability",
    "OpenTelemetryHook": "opentelemetry_hook",
    "PerformanceAnalyzer": "analyzer",
    "PerformanceHealthCheck": "health.performance",
    "PrometheusCollector": "prometheus",
    "ResourceUtilizationHealthCheck": "health.resources",
    "StoreHealthCheck": "health.stored",
    "configure_logs": "logs",
}

__getattr__ = loader(__name__, _MODULE_OF)
