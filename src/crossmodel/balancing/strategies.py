"""Which of the endpoints that are ready gets the next request.

Up to ``MOST_SCANNED`` endpoints are all looked at. Of more, two taken by chance are compared, which
spreads nearly as well and costs the same for any number (M. Mitzenmacher, "The Power of Two Choices
in Randomized Load Balancing", 2001). Of equals the one that waited longer is taken, never "the
first": that is how one endpoint of four comes to carry nearly everything.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from crossmodel.balancing.config import LoadBalancerConfig
from crossmodel.balancing.endpoint import Endpoint

MOST_SCANNED = 16
DRAWS = 8  # to find two that are ready; all are looked at if that fails
UNMEASURED = 1e9  # seconds; the cost of an endpoint whose first answer is still awaited


class Strategy(Protocol):
    """A way to choose."""

    def choose(
        self, endpoints: Sequence[Endpoint], now: float, tried: Collection[str]
    ) -> Endpoint | None:
        """One that is ready (``ready_at <= now``) and not ``tried``; ``None`` if there is none."""
        ...


class RoundRobin:
    """One after the other, without those that are not ready."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def choose(
        self, endpoints: Sequence[Endpoint], now: float, tried: Collection[str]
    ) -> Endpoint | None:
        """The first that is ready, from the one after the last choice on."""
        count = len(endpoints)
        position = self._next
        for _ in range(count):
            if position >= count:
                position = 0
            endpoint = endpoints[position]
            position += 1
            if endpoint.ready_at <= now and (not tried or endpoint.id not in tried):
                self._next = position
                return endpoint
        return None


class LeastConnections:
    """The one with the fewest requests in flight."""

    __slots__ = ("_chance",)

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def choose(
        self, endpoints: Sequence[Endpoint], now: float, tried: Collection[str]
    ) -> Endpoint | None:
        """The least busy that is ready."""
        if len(endpoints) > MOST_SCANNED:
            endpoints = two_by_chance(endpoints, now, tried, self._chance)
        best = None
        fewest = turn = 0
        for endpoint in endpoints:
            if endpoint.ready_at > now or (tried and endpoint.id in tried):
                continue
            busy = endpoint.in_flight
            if best is None or busy < fewest or (busy == fewest and endpoint.last_turn < turn):
                best, fewest, turn = endpoint, busy, endpoint.last_turn
        return best


class FastestResponse:
    """The one that is likely to answer first: latency estimate times queue, the new request in it.

    The estimate of an *idle* endpoint fades with time, so that one which was slow once is asked
    again; as soon as it is busy the full estimate counts, so that it gets one request and no
    flood. One that was never measured is asked at once, and then waits for its first answer.
    """

    __slots__ = ("_chance", "_config")

    def __init__(self, config: LoadBalancerConfig, chance: random.Random) -> None:
        self._config = config
        self._chance = chance

    def choose(
        self, endpoints: Sequence[Endpoint], now: float, tried: Collection[str]
    ) -> Endpoint | None:
        """The cheapest that is ready."""
        if len(endpoints) > MOST_SCANNED:
            endpoints = two_by_chance(endpoints, now, tried, self._chance)
        decay = self._config.latency_decay_seconds
        best = None
        least = math.inf
        turn = 0
        for endpoint in endpoints:
            if endpoint.ready_at > now or (tried and endpoint.id in tried):
                continue
            busy = endpoint.in_flight
            cost = endpoint.latency_seconds
            if busy:
                cost = cost * (busy + 1) if cost else UNMEASURED + busy
            elif cost and now > endpoint.measured_at:
                cost *= math.exp((endpoint.measured_at - now) / decay)
            if best is None or cost < least or (cost == least and endpoint.last_turn < turn):
                best, least, turn = endpoint, cost, endpoint.last_turn
        return best


def two_by_chance(
    endpoints: Sequence[Endpoint], now: float, tried: Collection[str], chance: random.Random
) -> Sequence[Endpoint]:
    """Two different ones that are ready, drawn evenly; all of them if a few draws find no two."""
    draw = chance.random
    count = len(endpoints)
    first: Endpoint | None = None
    for _ in range(DRAWS):
        endpoint = endpoints[int(draw() * count)]
        if endpoint is first or endpoint.ready_at > now or (tried and endpoint.id in tried):
            continue
        if first is not None:
            return (first, endpoint)
        first = endpoint
    return endpoints


def strategy_of(config: LoadBalancerConfig, chance: random.Random) -> Strategy:
    """The strategy that the configuration names."""
    makers: dict[str, Callable[[], Strategy]] = {
        "round_robin": RoundRobin,
        "least_connections": lambda: LeastConnections(chance),
        "fastest_response": lambda: FastestResponse(config, chance),
    }
    return makers[config.load_balancing_strategy]()
