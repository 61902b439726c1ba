"""How often a key may ask, and how often at once: limits in bounded memory."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from crossmodel.balancing.held import Held
from crossmodel.balancing.rate import RateLimit
from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError

MOST_KEYS = 100_000
FORGOTTEN_PER_CALL = 2  # more than one call can add, so what is idle is forgotten in the end


class RateLimiter:
    """Limits the rate of each key by the generic cell rate algorithm.

    Virtual scheduling, ITU-T I.371 Annex A: with ``T = 1 / per_second`` and tolerance
    ``burst * T``, a key's theoretical arrival time ``tat`` moves on by ``cost * T`` per allowed
    call, and a call is allowed while ``max(tat, now) + cost * T <= now + burst * T``. One float per
    key is all that is kept, and a key whose ``tat`` is past is as good as new, so it is forgotten.

    At ``most_keys`` the key that was idle for the longest is forgotten early and begins anew.

    Args:
        limit: of keys for which a call names no other.
        clock: monotonic seconds.
        most_keys: how many are remembered; at least 1.
    """

    __slots__ = ("_clock", "_limit", "_most_keys", "_tats")

    def __init__(
        self,
        limit: RateLimit,
        *,
        clock: Callable[[], float] = time.monotonic,
        most_keys: int = MOST_KEYS,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._most_keys = checks.at_least("most_keys", most_keys, 1)
        self._tats: OrderedDict[str, float] = OrderedDict()  # the longest untouched first

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._tats)

    def allow(self, key: str, cost: float = 1.0, limit: RateLimit | None = None) -> float:
        """Seconds to wait until this would be allowed; 0 if it is, and then it is counted.

        Args:
            key: who asks.
            cost: how many units; finite and not negative.
            limit: of this key, if it has its own; the same at each call.

        Returns:
            0, the wait in seconds, or infinity for a cost that the burst can never hold.

        Raises:
            InvalidInputError: the cost is negative or not finite.
        """
        if not 0.0 <= cost < math.inf:
            raise InvalidInputError(f"cost must be finite and not negative, not {cost}")
        limit = limit or self._limit
        if cost > limit.burst:
            return math.inf
        now = self._clock()
        period = 1.0 / limit.per_second
        tat = max(self._tats.get(key, now), now) + cost * period
        wait = tat - limit.burst * period - now
        # The sums round: a burst of whole units must not fail by the last bit.
        if wait > 1e-9 * max(period, abs(now)):
            return wait
        self._remember(key, tat, now)
        return 0.0

    def charge(self, key: str, cost: float, limit: RateLimit | None = None) -> None:
        """Count what is known only afterwards, such as tokens; a negative cost gives back.

        Raises:
            InvalidInputError: the cost is not finite.
        """
        if not -math.inf < cost < math.inf:
            raise InvalidInputError(f"cost must be finite, not {cost}")
        now = self._clock()
        period = 1.0 / (limit or self._limit).per_second
        self._remember(key, max(self._tats.get(key, now), now) + cost * period, now)

    def _remember(self, key: str, tat: float, now: float) -> None:
        tats = self._tats
        if tat > now:
            tats[key] = tat
            tats.move_to_end(key)
        else:
            tats.pop(key, None)
        for _ in range(min(FORGOTTEN_PER_CALL, len(tats))):
            oldest = next(iter(tats))
            if tats[oldest] > now and len(tats) <= self._most_keys:
                break
            del tats[oldest]


class Permit(Held):
    """One of the places of a key; given back once, at the latest when it is collected."""

    __slots__ = ("_key", "_limiter")

    def __init__(self, limiter: ConcurrencyLimiter, key: str) -> None:
        self._limiter = limiter
        self._key = key
        super().__init__()

    def release(self) -> bool:
        """Give the place back; whether this was the first time."""
        if not self._held:
            return False
        self._held = False
        self._limiter._give_back(self._key)  # noqa: SLF001 - the two are one thing
        return True

    def _let_go(self) -> None:
        self.release()


class ConcurrencyLimiter:
    """Limits how many requests each key has in flight; remembers only keys that have some.

    Args:
        limit: places of a key for which a call names no other; at least 1.

    Raises:
        InvalidInputError: the limit is less than 1.
    """

    __slots__ = ("_in_use", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = checks.at_least("limit", limit, 1)
        self._in_use: dict[str, int] = {}

    def __len__(self) -> int:
        """How many keys have requests in flight."""
        return len(self._in_use)

    def in_use(self, key: str) -> int:
        """How many places the key has taken."""
        return self._in_use.get(key, 0)

    def acquire(self, key: str, limit: int | None = None) -> Permit | None:
        """Take a place, to be released when the request is over; ``None`` if all are taken.

        ``limit`` is that of this key if it has its own.
        """
        used = self._in_use.get(key, 0)
        if used >= (self._limit if limit is None else limit):
            return None
        self._in_use[key] = used + 1
        return Permit(self, key)

    def _give_back(self, key: str) -> None:
        left = self._in_use[key] - 1
        if left:
            self._in_use[key] = left
        else:
            del self._in_use[key]
