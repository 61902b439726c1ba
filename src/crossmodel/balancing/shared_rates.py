"""Rates that several processes share: each uses up in memory what it has leased of them.

Nothing here asks anybody: :meth:`SharedRates.asks` says what to ask the store for, and
:meth:`SharedRates.take` takes the answer. The store has the bucket that all draw from; what it
leases out is used within :data:`LEASE_SECONDS` or not at all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossmodel.balancing.rate import Place, RateLimit, Units
from crossmodel.domain.leases import FRESH_SECONDS, SHARE, Demand, RateAsk, RateGrant
from crossmodel.errors import InvalidInputError

LEASE_SECONDS: Final = 5.0
"""How long what is leased may be used, from when it was asked for: half of how long the store takes
it to be out, so that neither a slow answer nor a process that stood still uses it later."""

LEAST_WAIT: Final = 0.05
"""Seconds to wait at least where too little is leased: a renewal takes less."""

SLACK: Final = 1e-9
"""Share of a burst by which sums may be off."""


@dataclass(slots=True, eq=False)
class _Lease:
    """What this process has of one rate.

    Attributes:
        limit: the rate.
        held: units that may be used here until ``ends``; less than 0 where more was used.
        ends: monotonic seconds.
        used: units that were used since this process began.
        left: what nobody held at ``left_at``, in monotonic seconds.
        demand: how much of it calls take up.
    """

    limit: RateLimit
    held: float = 0.0
    ends: float = -math.inf
    used: float = 0.0
    left: float = 0.0
    left_at: float = -math.inf
    demand: Demand = field(default_factory=Demand)

    def lapse(self, now: float) -> None:
        """What is held is lost once the lease has ended."""
        if now >= self.ends:
            self.held = min(self.held, 0.0)


class SharedRates:
    """The rates of all keys, as one process among several has them. For one event loop.

    What is remembered of a key is kept: the store reckons with what this process has used since it
    began.

    Args:
        clock: monotonic seconds.
        on_low: is called when less than half of what is wanted is at hand.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        on_low: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self.on_low = on_low
        self._leases: dict[Place, _Lease] = {}
        self._active: dict[Place, None] = {}  # ordered, unlike a set
        self._low: dict[Place, None] = {}

    def allow(self, place: Place, cost: float, limit: RateLimit) -> float:
        """Seconds to wait until this would be allowed, about; 0 if it is, and then it is counted.

        Raises:
            InvalidInputError: the cost is negative or not finite.
        """
        if not 0.0 <= cost < math.inf:
            raise InvalidInputError(f"cost must be finite and not negative, not {cost}")
        if cost > limit.burst:
            return math.inf
        lease, now = self._lease(place, limit), self._clock()
        lease.lapse(now)
        if cost > lease.held + SLACK * limit.burst:
            missing = cost - max(lease.held, 0.0) - self._left(lease, now)
            return max(missing / limit.per_second, LEAST_WAIT)
        lease.held -= cost
        self._use(place, lease, cost)
        return 0.0

    def charge(self, place: Place, cost: float, limit: RateLimit) -> None:
        """Count what is known only afterwards, such as tokens; a negative cost gives back.

        Raises:
            InvalidInputError: the cost is not finite.
        """
        if not -math.inf < cost < math.inf:
            raise InvalidInputError(f"cost must be finite, not {cost}")
        lease = self._lease(place, limit)
        lease.lapse(self._clock())
        lease.held -= cost
        self._use(place, lease, cost)

    def may_pass(self, wanted: Units) -> bool:
        """Whether a renewal may let a call go on that has to wait: not if that is known to fail."""
        if wanted.cost > wanted.limit.burst:
            return False
        lease, now = self._lease(wanted.place, wanted.limit), self._clock()
        lease.lapse(now)
        if now - lease.left_at >= FRESH_SECONDS:
            return True
        slack = SLACK * wanted.limit.burst
        return wanted.cost <= max(lease.held, 0.0) + self._left(lease, now) + slack

    def asks(
        self, waiting: Iterable[Units] = (), *, is_turn: bool = False, is_end: bool = False
    ) -> dict[Place, RateAsk]:
        """What to ask the store for; from now on no more is held than the asks say.

        Args:
            waiting: what calls take that wait for the answer.
            is_turn: whether a turn is over: all rates that calls have to do with are looked at, and
                what is not wanted any more is given back.
            is_end: whether everything is to be given back.
        """
        needs: dict[Place, list[float]] = {}
        for each in waiting:
            self._lease(each.place, each.limit)
            needs.setdefault(each.place, []).append(each.cost)
        looked_at = {**self._low, **needs, **(self._active if is_turn or is_end else {})}
        self._low.clear()
        now = self._clock()
        asks: dict[Place, RateAsk] = {}
        for place in looked_at:
            lease, needed = self._leases[place], needs.get(place, [])
            lease.lapse(now)
            if needed:
                lease.demand.expect(sum(needed))
            elif is_turn:
                lease.demand.turn(lease.used)
                if not (lease.demand.ahead or lease.held):
                    self._active.pop(place, None)
            asks[place] = self._ask(place, lease, needed, is_end=is_end)
        return asks

    def take(
        self, asks: Mapping[Place, RateAsk], grants: Sequence[RateGrant], asked_at: float
    ) -> None:
        """Take what the store has granted, in the order of the asks; monotonic seconds."""
        for (place, ask), grant in zip(asks.items(), grants, strict=True):
            lease = self._leases[place]
            lease.held += grant.held - ask.hold
            lease.ends = asked_at + LEASE_SECONDS
            lease.left, lease.left_at = max(grant.left, 0.0), self._clock()
            lease.lapse(lease.left_at)
            if lease.held:
                self._active[place] = None

    def _ask(self, place: Place, lease: _Lease, needs: list[float], *, is_end: bool) -> RateAsk:
        want = 0.0 if is_end else min(lease.demand.ahead, lease.limit.burst / SHARE)
        lease.held = min(max(lease.held, 0.0), want)  # what was used beyond it, the store is told
        limit = lease.limit
        return RateAsk(*place, limit.per_second, limit.burst, lease.used, lease.held, needs, want)

    def _use(self, place: Place, lease: _Lease, cost: float) -> None:
        lease.used += cost
        lease.demand.see(lease.used)
        self._active[place] = None
        if lease.held < min(lease.demand.ahead, lease.limit.burst / SHARE) / 2:
            self._low[place] = None
            self.on_low()

    def _left(self, lease: _Lease, now: float) -> float:
        """What nobody holds now, if others have used as much as they had leased."""
        if lease.left_at == -math.inf:
            return 0.0
        filled = lease.left + (now - lease.left_at) * lease.limit.per_second
        return min(filled, lease.limit.burst)

    def _lease(self, place: Place, limit: RateLimit) -> _Lease:
        lease = self._leases.get(place)
        if lease is None:
            lease = self._leases[place] = _Lease(limit)
        elif lease.limit is not limit:
            lease.limit = limit
        return lease
