"""Circuit breaker of one endpoint: stop asking what keeps failing, then ask whether it is back.

Closed, open and half-open as M. Nygard has them (Release It!, "Circuit Breaker").
"""

from __future__ import annotations

import enum
import math
import random

from crossmodel.balancing.config import LoadBalancerConfig

NEVER = -math.inf
MOST_DOUBLINGS = 60  # 2.0 ** 60 cooldowns is beyond any maximum, and no float overflows


class CircuitState(enum.Enum):
    """Whether requests pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def cooldown_seconds(times: int, config: LoadBalancerConfig, chance: random.Random) -> float:
    """How long an endpoint rests when it failed for the ``times``-th time, counted from 1.

    ``min(cooldown * 2^(times - 1), maximum)``, longer by up to ``cooldown_jitter`` of it by chance.
    """
    doubled = config.cooldown_seconds * 2.0 ** min(times - 1, MOST_DOUBLINGS)
    rest = min(doubled, config.max_cooldown_seconds)
    return rest * (1.0 + config.cooldown_jitter * chance.random())


class CircuitBreaker:
    """Counts failures in a row and says from when on requests may pass.

    Only the probe of a half-open circuit moves a circuit that is not closed: answers to requests
    sent before it opened are old news, good or bad.

    Attributes:
        failures: failures in a row; whoever owns the breaker may set it to 0 on a success.
        openings: how often it opened since it was last closed; 0 means that it is closed.
        open_until: when requests may pass again, on the balancer's clock; infinite while a probe
            is out, since nothing passes beside a probe.
    """

    __slots__ = ("_chance", "_config", "failures", "open_until", "openings")

    def __init__(self, config: LoadBalancerConfig, chance: random.Random) -> None:
        self._config = config
        self._chance = chance
        self.failures = 0
        self.openings = 0
        self.open_until = NEVER

    def state(self, now: float) -> CircuitState:
        """What the circuit is at this time; a probe that is out leaves it half-open."""
        if not self.openings:
            return CircuitState.CLOSED
        if now < self.open_until < math.inf:
            return CircuitState.OPEN
        return CircuitState.HALF_OPEN

    def admits(self, now: float) -> bool:
        """Whether a request may pass now."""
        return self.open_until <= now

    def begin(self) -> bool:
        """Tell the breaker that a request which it admits is sent; whether that is the probe."""
        if not self.openings:
            return False
        self.open_until = math.inf
        return True

    def succeeded(self, *, probe: bool) -> None:
        """A request got its answer: a closed circuit forgets its failures, a probe closes it."""
        if probe or not self.openings:
            self.close()

    def failed(self, now: float, *, probe: bool) -> None:
        """A request failed: the last that is borne opens the circuit, and so does a probe."""
        self.failures += 1
        if probe or (not self.openings and self.failures >= self._config.failover_threshold):
            self.openings += 1
            self.open_until = now + cooldown_seconds(self.openings, self._config, self._chance)

    def abandoned(self, *, probe: bool) -> None:
        """A request ended without telling anything: if it was the probe, the next may be it."""
        if probe and self.openings:
            self.open_until = NEVER

    def close(self) -> None:
        """Let requests pass and forget what was."""
        self.failures = 0
        self.openings = 0
        self.open_until = NEVER
