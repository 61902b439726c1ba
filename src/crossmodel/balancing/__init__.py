"""Balancing: which endpoint of a model gets a request, and what happens when some fail.

Pure: state in, choice out. Nothing here does I/O, waits or starts threads; time comes from a clock
and chance from a ``random.Random`` that the caller may pass. One event loop owns each object.
"""

from crossmodel.balancing.balancer import Balancer, Lease, Unavailable
from crossmodel.balancing.breaker import CircuitBreaker, CircuitState
from crossmodel.balancing.config import LoadBalancerConfig
from crossmodel.balancing.endpoint import Endpoint
from crossmodel.balancing.health import HealthSchedule
from crossmodel.balancing.limits import ConcurrencyLimiter, Permit, RateLimiter
from crossmodel.balancing.rate import RateLimit
from crossmodel.balancing.retries import RetryBudget, backoff_seconds, may_retry
from crossmodel.balancing.retry_after import retry_after_ms_seconds, retry_after_seconds

__all__ = [
    "Balancer",
    "CircuitBreaker",
    "CircuitState",
    "ConcurrencyLimiter",
    "Endpoint",
    "HealthSchedule",
    "Lease",
    "LoadBalancerConfig",
    "Permit",
    "RateLimit",
    "RateLimiter",
    "RetryBudget",
    "Unavailable",
    "backoff_seconds",
    "may_retry",
    "retry_after_ms_seconds",
    "retry_after_seconds",
]
