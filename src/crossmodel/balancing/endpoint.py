"""What is known of one endpoint: its load, its latency, and from when on it may be asked."""

from __future__ import annotations

import math
import random

from crossmodel.balancing.breaker import NEVER, CircuitBreaker, cooldown_seconds
from crossmodel.balancing.config import LoadBalancerConfig

LARGEST_PENALTY = 60.0  # seconds; failures alone do not make an endpoint look slower than this


class Endpoint:
    """One address that serves the model. Times are seconds on the balancer's clock.

    Attributes:
        id: what the endpoint is called; state is kept over a reload where the id stays.
        in_flight: requests sent and not yet released.
        latency_seconds: peak-sensitive moving average of the time to the first byte; 0 if nothing
            was measured yet.
        measured_at: when ``latency_seconds`` last changed.
        breaker: its circuit.
        held_until: when the time is over that it asked for with ``Retry-After``.
        back_until: until when it stands behind the others for having failed, where circuit
            breakers are off.
        ready_at: the latest of these: from then on it is chosen like any other.
        healthy: what active checks found last; true before the first.
        last_turn: number of the choice that took it last; of two that are equally good the one
            that waited longer is taken.
        requests: how many were sent to it.
        successes: how many it answered.
        failures: how many failed.
        cancelled: how many the caller gave up.
    """

    __slots__ = (
        "_chance", "_config", "back_until", "breaker", "cancelled", "failures", "healthy",
        "held_until", "id", "in_flight", "last_turn", "latency_seconds", "measured_at", "ready_at",
        "requests", "successes",
    )  # fmt: skip

    def __init__(self, id: str, config: LoadBalancerConfig, chance: random.Random) -> None:  # noqa: A002 - the word for it
        self.id = id
        self._config = config
        self._chance = chance
        self.breaker = CircuitBreaker(config, chance)
        self.in_flight = 0
        self.latency_seconds = 0.0
        self.measured_at = NEVER
        self.held_until = NEVER
        self.back_until = NEVER
        self.ready_at = NEVER
        self.healthy = True
        self.last_turn = 0
        self.requests = self.successes = self.failures = self.cancelled = 0

    def __repr__(self) -> str:
        return f"<Endpoint {self.id!r}: {self.in_flight} in flight, {self.requests} requests>"

    def admits_at(self) -> float:
        """From when on it may be asked if nobody better is left."""
        return max(self.held_until, self.breaker.open_until)

    def begin(self, turn: int) -> bool:
        """A request is sent; whether it is the probe of a half-open circuit."""
        self.in_flight += 1
        self.requests += 1
        self.last_turn = turn
        if self.breaker.openings and self.breaker.begin():
            self._refresh()
            return True
        return False

    def succeeded(self, now: float, first_byte_seconds: float, *, probe: bool) -> None:
        """A request was answered; a time that is not finite and positive is not measured."""
        self.in_flight -= 1
        self.successes += 1
        self.observe(now, first_byte_seconds)
        # What failed before this is forgiven. The test spares the usual case four calls.
        if self.breaker.failures:
            self.breaker.succeeded(probe=probe)
            self.back_until = NEVER
            self._refresh()

    def failed(self, now: float, retry_after: float | None, *, probe: bool) -> None:
        """A request failed.

        An endpoint that says when it will be back (``retry_after`` > 0, seconds) is held for so
        long, up to ``max_hold_seconds``. Its own word replaces the guess of the breaker: a short
        rate limit must not become a long cooldown, so the failure does not count towards it.
        Any other failure doubles the latency estimate, since whoever asked must ask again.
        """
        self.in_flight -= 1
        self.failures += 1
        if retry_after is not None and retry_after > 0:
            hold = min(retry_after, self._config.max_hold_seconds)
            self.held_until = max(self.held_until, now + hold)
            self.breaker.abandoned(probe=probe)
        elif self._config.circuit_breaker_enabled:
            self.breaker.failed(now, probe=probe)
            self._penalise(now)
        else:
            # Breakers may have been switched off while this circuit was open.
            failures = self.breaker.failures + 1
            self.breaker.close()
            self.breaker.failures = failures
            self.back_until = now + cooldown_seconds(failures, self._config, self._chance)
            self._penalise(now)
        self._refresh()

    def abandoned(self, now: float, waited_seconds: float | None, *, probe: bool) -> None:
        """The caller gave up, no fault of the endpoint; the wait may still show it slow."""
        self.in_flight -= 1
        self.cancelled += 1
        if waited_seconds is not None and waited_seconds > self.latency_seconds:
            self.observe(now, waited_seconds)
        if probe:
            self.breaker.abandoned(probe=True)
            self._refresh()

    def observe(self, now: float, seconds: float) -> None:
        """Add a latency to the peak-sensitive exponentially weighted moving average.

        As in Finagle's ``PeakEwma`` load metric: a latency above the average replaces it at once;
        one below moves it by the weight ``1 - exp(-dt / latency_decay_seconds)``.
        """
        if not 0.0 < seconds < math.inf:
            return
        if seconds >= self.latency_seconds:
            self.latency_seconds = seconds
        else:
            elapsed = max(0.0, now - self.measured_at)
            kept = math.exp(-elapsed / self._config.latency_decay_seconds)
            self.latency_seconds = seconds + (self.latency_seconds - seconds) * kept
        self.measured_at = now

    def _penalise(self, now: float) -> None:
        if self.latency_seconds:
            doubled = min(2.0 * self.latency_seconds, LARGEST_PENALTY)
            self.latency_seconds = max(self.latency_seconds, doubled)
            self.measured_at = now

    def _refresh(self) -> None:
        self.ready_at = max(self.held_until, self.breaker.open_until, self.back_until)
