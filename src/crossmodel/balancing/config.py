"""How requests are spread over the endpoints of one model, and what happens when some fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError

STRATEGIES = ("round_robin", "least_connections", "fastest_response")


def _strategy(name: str, value: object) -> None:
    if value not in STRATEGIES:
        nearest = checks.nearest(str(value)[:100], STRATEGIES)
        raise InvalidInputError(
            f"{name} must be one of {', '.join(STRATEGIES)}, not {value!r:.100}; "
            f"did you mean {nearest!r}?"
        )


def _flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name} must be True or False, not {type(value).__name__}")


def _count(name: str, value: object) -> None:
    if not isinstance(value, int):
        raise InvalidInputError(f"{name} must be a whole number, not {type(value).__name__}")
    checks.at_least(name, value, 1)


def _duration(name: str, value: object) -> None:
    if math.isinf(checks.limit(name, value)):
        raise InvalidInputError(f"{name} must be a finite number of seconds")


def _optional_duration(name: str, value: object) -> None:
    if value is not None:
        _duration(name, value)


def _path(name: str, value: object) -> None:
    # It goes into a request line: a space or a line break would make another request of it.
    if not isinstance(value, str) or not value.startswith("/"):
        raise InvalidInputError(f"{name} must be a path that starts with '/'")
    if not all("!" <= character <= "~" for character in value):
        raise InvalidInputError(f"{name} may hold visible ASCII only; percent-encode the rest")


@dataclass(slots=True)
class LoadBalancerConfig:
    """Each value is checked when it is assigned, and takes effect from the next decision on.

    Attributes:
        load_balancing_strategy: ``round_robin``, ``least_connections`` or ``fastest_response``.
        health_check_interval: seconds between two active checks of one endpoint; more than 0.
        failover_threshold: failures in a row that open the circuit of an endpoint; at least 1.
        circuit_breaker_enabled: without it no circuit opens: an endpoint that failed only goes to
            the back of the order for its cooldown.
        cooldown_seconds: how long a circuit stays open the first time; twice as long each time
            that the probe fails.
        max_cooldown_seconds: the longest cooldown before jitter; it also bounds the first.
        cooldown_jitter: a cooldown is longer by up to this share, 0..1, by chance, so that
            gateways do not probe together.
        max_hold_seconds: the longest ``Retry-After`` of an endpoint that is believed.
        retry_budget: retries allowed per request, 0..1, counted over about ten seconds.
        min_retries_per_second: retries allowed besides, so that quiet systems can retry; >= 0.
        max_attempts: tries of one request, the first included; at least 1.
        retry_wait_seconds: mean of the wait before the first retry is half of this; it doubles.
        max_retry_wait_seconds: the longest wait before a retry.
        latency_decay_seconds: after this time a measured latency counts 1/e of what it did.
        hedge_after_seconds: a second endpoint is asked too if the first has sent nothing for this
            long; ``None`` never asks.
        health_check_path: what an active check asks for.
        health_check_timeout: seconds after which an active check has failed.
        healthy_after: checks passed in a row that make an unhealthy endpoint healthy.
        unhealthy_after: checks failed in a row that make an endpoint unhealthy.

    Raises:
        InvalidInputError: a value is out of range or of the wrong type; the message names it.
    """

    load_balancing_strategy: str = "round_robin"
    health_check_interval: float = 30
    failover_threshold: int = 3
    circuit_breaker_enabled: bool = True
    cooldown_seconds: float = 5.0
    max_cooldown_seconds: float = 120.0
    cooldown_jitter: float = 0.1
    max_hold_seconds: float = 600.0
    retry_budget: float = 0.2
    min_retries_per_second: float = 1.0
    max_attempts: int = 3
    retry_wait_seconds: float = 0.1
    max_retry_wait_seconds: float = 2.0
    latency_decay_seconds: float = 10.0
    hedge_after_seconds: float | None = None
    health_check_path: str = "/health"
    health_check_timeout: float = 5.0
    healthy_after: int = 2
    unhealthy_after: int = 3

    def __post_init__(self) -> None:
        """Check what came in past assignment, as decoders have it."""
        for name, check in _CHECKS.items():
            check(name, getattr(self, name))

    def __setattr__(self, name: str, value: object) -> None:
        """Check the value, then assign it."""
        check = _CHECKS.get(name)
        if check is not None:
            check(name, value)
        object.__setattr__(self, name, value)

    def configure_for_high_throughput(self) -> None:
        """Spread by open connections, check often, fail over early."""
        self.load_balancing_strategy = "least_connections"
        self.health_check_interval = 10
        self.failover_threshold = 2

    def configure_for_low_latency(self) -> None:
        """Prefer whoever answers fastest; no breaker in the way."""
        self.load_balancing_strategy = "fastest_response"
        self.health_check_interval = 5
        self.circuit_breaker_enabled = False


_CHECKS: dict[str, Callable[[str, object], object]] = {
    "load_balancing_strategy": _strategy,
    "health_check_interval": _duration,
    "failover_threshold": _count,
    "circuit_breaker_enabled": _flag,
    "cooldown_seconds": _duration,
    "max_cooldown_seconds": _duration,
    "cooldown_jitter": checks.unit_interval,
    "max_hold_seconds": _duration,
    "retry_budget": checks.unit_interval,
    "min_retries_per_second": checks.not_negative,
    "max_attempts": _count,
    "retry_wait_seconds": _duration,
    "max_retry_wait_seconds": _duration,
    "latency_decay_seconds": _duration,
    "hedge_after_seconds": _optional_duration,
    "health_check_path": _path,
    "health_check_timeout": _duration,
    "healthy_after": _count,
    "unhealthy_after": _count,
}
