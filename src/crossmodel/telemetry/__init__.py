"""What is measured of a running system, and who gets to see it.

Names load when they are used: OpenTelemetry, the metrics library and the logging library cost a
start nothing that has no use for them.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.telemetry.analyzer import PerformanceAnalyzer
    from crossmodel.telemetry.collector import MetricsCollector
    from crossmodel.telemetry.logs import configure_logs
    from crossmodel.telemetry.metrics import CrossModelConsciousnessMetrics
    from crossmodel.telemetry.opentelemetry_hook import OpenTelemetryHook
    from crossmodel.telemetry.prometheus import PrometheusCollector

__all__ = [
    "CrossModelConsciousnessMetrics",
    "MetricsCollector",
    "OpenTelemetryHook",
    "PerformanceAnalyzer",
    "PrometheusCollector",
    "configure_logs",
]

_MODULE_OF = {
    "CrossModelConsciousnessMetrics": "metrics",
    "MetricsCollector": "collector",
    "OpenTelemetryHook": "opentelemetry_hook",
    "PerformanceAnalyzer": "analyzer",
    "PrometheusCollector": "prometheus",
    "configure_logs": "logs",
}

__getattr__ = loader(__name__, _MODULE_OF)
