"""Chooses the endpoint of each request and counts what is in flight, without I/O and without locks.

It belongs to one event loop. A choice never waits and its cost does not grow with the number of
endpoints beyond ``strategies.MOST_SCANNED``, except where nearly none is ready.
"""

from __future__ import annotations

import math
import random as _random
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from crossmodel.balancing.config import LoadBalancerConfig
from crossmodel.balancing.endpoint import Endpoint
from crossmodel.balancing.held import Held
from crossmodel.balancing.strategies import strategy_of
from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError, NotFoundError

UNKNOWN_WAIT = 1.0  # seconds; what to say while the only hope is a probe that is still out


class Lease(Held):
    """The right to send one request to one endpoint; released once, by whichever call is first.

    Each release tells whether it was the first; later ones change nothing. As a context manager it
    is released as cancelled on leaving, if nothing was said until then; a lease that is lost
    without a word is released so when it is collected, so no path can leak the count.

    Attributes:
        endpoint: where to send the request.
        probe: whether this request tests an endpoint whose circuit was open.
    """

    __slots__ = ("_clock", "endpoint", "probe")

    def __init__(self, endpoint: Endpoint, clock: Callable[[], float], probe: bool) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self.probe = probe
        super().__init__()

    def succeeded(self, first_byte_seconds: float) -> bool:
        """The answer is whole; ``first_byte_seconds`` is the time to its first byte.

        A time that is not finite and more than 0 is not measured.
        """
        if not self._held:
            return False
        self._held = False
        self.endpoint.succeeded(self._clock(), first_byte_seconds, probe=self.probe)
        return True

    def failed(self, retry_after: float | None = None) -> bool:
        """No answer, or one that says that the server failed.

        ``retry_after`` is for how many seconds the endpoint asked to be left alone.
        """
        if not self._held:
            return False
        self._held = False
        self.endpoint.failed(self._clock(), retry_after, probe=self.probe)
        return True

    def cancelled(self, waited_seconds: float | None = None) -> bool:
        """The caller gave up; that is no fault of the endpoint.

        ``waited_seconds`` is how long it had waited if not even the first byte had come: an
        endpoint that hangs is found slow, although nobody waits for it to answer.
        """
        if not self._held:
            return False
        self._held = False
        self.endpoint.abandoned(self._clock(), waited_seconds, probe=self.probe)
        return True

    def _let_go(self) -> None:
        self.cancelled()


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No endpoint may be asked now.

    Attributes:
        retry_after_seconds: in how many seconds the earliest may be asked again, more than 0;
            ``None`` if waiting does not help, since all were tried or there are none.
    """

    retry_after_seconds: float | None = None


class Balancer:
    """Spreads requests over the endpoints that serve one model.

    Endpoints that active checks found unhealthy are left out. If **all** are, none is: the checks
    are then likelier to be wrong than every endpoint to be down, and refusing all requests would
    be the worst answer (fail open, "panic mode"). Open circuits and ``Retry-After`` still count.

    Args:
        endpoints: their ids, each once.
        config: read at each decision, so that a change takes effect at once.
        clock: monotonic seconds.
        random: chance for ties among many, for jitter and for the order at the start, so that
            several gateways do not begin with the same endpoint.

    Raises:
        InvalidInputError: an id is empty or there twice.
    """

    def __init__(
        self,
        endpoints: Iterable[str],
        config: LoadBalancerConfig | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: _random.Random | None = None,
    ) -> None:
        self.config = config or LoadBalancerConfig()
        self._clock = clock
        self._chance = random or _random.Random()  # noqa: S311 - chance, not secrecy
        self._endpoints: dict[str, Endpoint] = {}
        self._routable: list[Endpoint] = []
        self._turn = 0
        self._strategy_name = self.config.load_balancing_strategy
        self._strategy = strategy_of(self.config, self._chance)
        self.set_endpoints(endpoints)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """All of them, in the order given, to be read."""
        return tuple(self._endpoints.values())

    def set_endpoints(self, ids: Iterable[str]) -> None:
        """Replace the endpoints; those whose id stays keep all that is known of them.

        Leases on those that go stay valid and are released as ever.

        Raises:
            InvalidInputError: an id is empty or there twice; nothing is changed.
        """
        kept: dict[str, Endpoint] = {}
        for name in ids:
            checks.text("an endpoint's id", name)
            if name in kept:
                raise InvalidInputError(f"endpoint {name!r} is listed twice")
            kept[name] = self._endpoints.get(name) or Endpoint(name, self.config, self._chance)
        self._endpoints = kept
        self._reroute()

    def set_health(self, id: str, *, healthy: bool) -> None:  # noqa: A002 - the word for it
        """Note what active checks found.

        Raises:
            NotFoundError: there is no such endpoint.
        """
        endpoint = self._endpoints.get(id)
        if endpoint is None:
            raise NotFoundError(f"endpoint {id!r} is not one of {len(self._endpoints)} configured")
        if endpoint.healthy is not healthy:
            endpoint.healthy = healthy
            self._reroute()

    def pick(self, tried: Collection[str] = ()) -> Lease | Unavailable:
        """Choose an endpoint for a request, other than those whose ids are in ``tried``.

        Returns:
            A lease, to be released when the request is over; or, if there is no endpoint to ask,
            when the earliest comes back.
        """
        now = self._clock()
        if self.config.load_balancing_strategy != self._strategy_name:
            self._strategy_name = self.config.load_balancing_strategy
            self._strategy = strategy_of(self.config, self._chance)
        choice = self._strategy.choose(self._routable, now, tried) or self._last_resort(now, tried)
        if isinstance(choice, Unavailable):
            return choice
        self._turn += 1
        return Lease(choice, self._clock, choice.begin(self._turn))

    def _last_resort(self, now: float, tried: Collection[str]) -> Endpoint | Unavailable:
        """Of those that only stand back for having failed, the least busy and soonest back.

        One pass: in an outage every request comes here.
        """
        backs: list[Endpoint] = []
        earliest: float | None = None
        for endpoint in self._routable:
            if tried and endpoint.id in tried:
                continue
            # Who does not stand back is out for another reason, which ``ready_at`` already says.
            at = endpoint.ready_at if endpoint.back_until <= now else endpoint.admits_at()
            if at <= now:
                backs.append(endpoint)
            elif earliest is None or at < earliest:
                earliest = at
        if backs:
            return min(backs, key=lambda e: (e.in_flight, e.back_until, e.last_turn))
        if earliest is None:
            return Unavailable(None)
        return Unavailable(UNKNOWN_WAIT if math.isinf(earliest) else earliest - now)

    def _reroute(self) -> None:
        everyone = list(self._endpoints.values())
        self._routable = [e for e in everyone if e.healthy] or everyone
        self._chance.shuffle(self._routable)
