"""Who may ask now: places in flight, rates and budgets, taken before a request and settled after.

A refusal is HTTP 429 in every case, budgets included. 402 (RFC 9110, 15.5.3) is reserved for future
use and neither SDK has an error class for it, while OpenAI itself answers 429 with the code
``insufficient_quota``, which is what client code looks for. But both SDKs try a 429 again by
themselves, which mends a rate and never a budget: so a refusal says whether it is worth trying
again, and where it is not the answer must carry ``x-should-retry: false``, which both obey.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crossmodel.balancing import ConcurrencyLimiter, Permit, RateLimit, RateLimiter
from crossmodel.balancing.rate import Units
from crossmodel.domain.client_key import ClientKey
from crossmodel.domain.leases import Wanted
from crossmodel.errors import BudgetExceededError
from crossmodel.selection import CostOptimizer, Reservation

if TYPE_CHECKING:
    from crossmodel.gateway.sharing import Sharing, Waiting

TOO_MANY: Final = 429
"""Too Many Requests (RFC 6585, 4)."""

RATE: Final = "rate_limit_exceeded"
QUOTA: Final = "insufficient_quota"
"""OpenAI's codes: the first passes by waiting a little, the second does not."""

PLACE_WAIT: Final = 1.0
"""Seconds to wait for a place in flight: nobody knows when one is given back."""

_SECONDS: Final = 60.0
_OTHERS: Final = {"tenant": "the budget of this tenant", "": "the budget of this gateway"}


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a request may not be made now.

    Attributes:
        status: the HTTP status to answer with.
        message: for people; it tells nothing of other clients.
        retry_after_seconds: when it may be made, more than 0; ``None`` if waiting does not help.
        code: for programs: ``rate_limit_exceeded`` or ``insufficient_quota``.
        reason: what ran out: ``requests``, ``tokens``, ``concurrency``, ``budget`` or ``lease``.
        is_passing: whether to wait for a renewal of what is leased may help.
    """

    status: int
    message: str
    retry_after_seconds: float | None
    code: str
    reason: str
    is_passing: bool = False

    @property
    def should_retry(self) -> bool:
        """Whether a client may try again by itself; if not, ``x-should-retry: false`` tells it."""
        return self.code == RATE


class Admitted:
    """The right to make one request; settled once, by whichever call is first.

    Each call tells whether it was the first; later ones change nothing. If it is lost without a
    word, its place in flight is given back when it is collected, so no path can leak one. The money
    and tokens that were set aside stay counted then, since they may have been spent: a budget must
    hold even where we fail.
    """

    __slots__ = (
        "_admission", "_limits", "_more", "_open", "_permit", "_reservation", "_tenant", "_tokens",
    )  # fmt: skip

    def __init__(
        self,
        admission: Admission,
        limits: _Limits,
        *,
        tenant: str,
        permit: Permit | None,
        reservation: Reservation,
        tokens: float,
    ) -> None:
        self._admission = admission
        self._limits = limits
        self._tenant = tenant
        self._permit = permit
        self._reservation = reservation
        self._more: list[Reservation] = []
        self._tokens = tokens
        self._open = True

    def extend(self, most_usd: float) -> bool:
        """Set so much aside besides, for another try; false if some budget has not so much left."""
        budgets, name = self._admission.budgets, self._limits.name or None
        try:
            self._more.append(budgets.reserve(most_usd, tenant=self._tenant, key=name))
        except BudgetExceededError:
            return False
        return True

    def settle(self, actual_usd: float | None, tokens: int | None) -> bool:
        """The request is over: count what it did take instead of what was set aside.

        ``None`` where that is not known: then what was set aside counts.

        Raises:
            InvalidInputError: if the cost is negative or not finite, or the tokens are not finite;
                all that was set aside counts then.
        """
        if not self._open:
            return False
        self._open = False
        if self._permit is not None:
            self._permit.release()
        if actual_usd is not None:
            budgets = self._admission.budgets
            budgets.settle(self._reservation, actual_usd)
            for more in self._more:
                budgets.settle(more, 0.0)
        limits = self._limits
        if tokens is not None and limits.tokens is not None:
            self._admission.charge_tokens(limits.name, tokens - self._tokens, limits.tokens)
        return True

    def release(self) -> bool:
        """The request was never sent to anybody: it took nothing, but was made."""
        return self.settle(0.0, 0)


class Admission:
    """Admits requests within the limits of their key, and the budgets of all whom they concern.

    It belongs to one event loop. What is refused takes nothing of any limit. The limits are those
    of the key that is given: one of the same name with other limits has those from then on. So keys
    need not be told of before they come; :meth:`replace_all` tells budgets of keys that never came.

    Args:
        budgets: of keys, tenants and everybody.
        clock: monotonic seconds, for rates.
        sharing: renews what is leased of limits that others share; then ``budgets`` are its own.
    """

    __slots__ = ("_limits", "_places", "_rates", "_sharing", "budgets", "token_rates")

    def __init__(
        self,
        budgets: CostOptimizer,
        *,
        clock: Callable[[], float] = time.monotonic,
        sharing: Sharing | None = None,
    ) -> None:
        self.budgets = budgets
        self._sharing = sharing
        # each key brings its own limit, so that those given here are never used
        self._rates = RateLimiter(RateLimit(1.0), clock=clock)
        self.token_rates = RateLimiter(RateLimit(1.0), clock=clock)
        self._places = ConcurrencyLimiter(1)
        self._limits: dict[str, _Limits] = {}

    def in_flight(self, name: str) -> int:
        """How many places the key of that name has taken, where they are limited."""
        return self._places.in_use(name)

    def replace_all(self, keys: Iterable[ClientKey]) -> None:
        """Let the limits of these keys hold, and forget those of all others; for reloading too.

        What is in flight, and what was used so far, still counts.
        """
        gone = set(self._limits)
        for key in keys:
            self._take_in(key)
            gone.discard(key.name)
        for name in gone:
            del self._limits[name]
            self.budgets.set_key_budgets(name, {})

    def admit(
        self,
        key: ClientKey | None,
        tenant: str,
        most_usd: float,
        tokens: int,
        *,
        is_last: bool = False,
    ) -> Admitted | Refused:
        """Take what a request needs of every limit, or nothing.

        Args:
            key: whose request it is; ``None`` where none is needed, and only the budgets of the
                tenant and of everybody hold.
            tenant: whose budget it is charged to, beside that of the key.
            most_usd: what it may cost at most; see :func:`~crossmodel.gateway.bounds.bound`.
            tokens: how many it will have, about. A request with more than a minute's worth is let
                through when all of that is there, and is charged in full when it ends.
            is_last: whether it has waited for a renewal, and does not wait for another one.

        Raises:
            InvalidInputError: if the cost or the tokens are negative or not finite.
        """
        limits = self._limits_of(key)
        permit = None
        if limits.concurrent is not None:
            permit = self._places.acquire(limits.name, limits.concurrent)
            if permit is None:
                return _crowded(limits)
        taken = min(tokens, limits.tokens.burst) if limits.tokens is not None else 0.0
        paced = limits.requests is not None or limits.tokens is not None
        refused = self._pace(limits, taken) if paced else None
        if refused is None:
            try:
                reservation = self.budgets.reserve(most_usd, tenant=tenant, key=limits.name or None)
                return Admitted(
                    self,
                    limits,
                    tenant=tenant,
                    permit=permit,
                    reservation=reservation,
                    tokens=taken,
                )
            except BudgetExceededError as error:
                self._give_back(limits, taken)
                refused = _over_budget(error)
        if permit is not None:
            permit.release()
        if self._sharing is not None and not is_last:
            money = Wanted(most_usd, tenant, limits.name or None)
            if self._sharing.may_help(money, _units(limits, taken)):
                return _PASSING
        return refused

    def wait(
        self,
        key: ClientKey | None,
        tenant: str,
        most_usd: float,
        tokens: int,
        then: Callable[[bool], None],
    ) -> Waiting:
        """Wait for the next renewal of what is leased; ``then`` is told whether it has failed.

        For requests that were refused with ``is_passing``.
        """
        assert self._sharing is not None, "nothing is leased"
        limits = self._limits_of(key)
        taken = min(tokens, limits.tokens.burst) if limits.tokens is not None else 0.0
        money = Wanted(most_usd, tenant, limits.name or None)
        return self._sharing.wait(money, _units(limits, taken), then)

    def charge_tokens(self, name: str, tokens: float, limit: RateLimit) -> None:
        """Count tokens of which a key's rate was not told before; fewer than 0 are given back."""
        if self._sharing is None:
            self.token_rates.charge(name, tokens, limit)
        else:
            self._sharing.rates.charge((name, "tokens"), tokens, limit)

    def _limits_of(self, key: ClientKey | None) -> _Limits:
        if key is None:
            return _NO_LIMITS
        known = self._limits.get(key.name)
        return known if known is not None and known.key is key else self._take_in(key)

    def _pace(self, limits: _Limits, tokens: float) -> Refused | None:
        """Take one request and so many tokens of the key's rates; or neither, and say why."""
        if self._sharing is not None:
            return _pace_shared(self._sharing, limits, tokens)
        name, requests = limits.name, limits.requests
        if requests is not None and (wait := self._rates.allow(name, 1.0, requests)):
            return _too_fast(limits, "requests", requests, wait)
        if limits.tokens is not None and (
            wait := self.token_rates.allow(name, tokens, limits.tokens)
        ):
            if requests is not None:
                self._rates.charge(name, -1.0, requests)
            return _too_fast(limits, "tokens", limits.tokens, wait)
        return None

    def _give_back(self, limits: _Limits, tokens: float) -> None:
        """Undo what :meth:`_pace` took."""
        if limits.requests is not None:
            if self._sharing is None:
                self._rates.charge(limits.name, -1.0, limits.requests)
            else:
                self._sharing.rates.charge((limits.name, "requests"), -1.0, limits.requests)
        if limits.tokens is not None:
            self.charge_tokens(limits.name, -tokens, limits.tokens)

    def _take_in(self, key: ClientKey) -> _Limits:
        """Let the limits of a key hold from now on; who keeps budgets is told too."""
        self.budgets.set_key_budgets(key.name, key.budgets)
        limits = self._limits[key.name] = _Limits.of(key)
        return limits


@dataclass(frozen=True, slots=True)
class _Limits:
    """The limits of a key in the form that limiters take."""

    key: ClientKey | None = None
    name: str = ""
    requests: RateLimit | None = None
    tokens: RateLimit | None = None
    concurrent: int | None = None

    @classmethod
    def of(cls, key: ClientKey) -> _Limits:
        requests = _per_minute(key.requests_per_minute, key.burst)
        tokens = _per_minute(key.tokens_per_minute, None)
        return cls(key, key.name, requests, tokens, key.concurrent)


_NO_LIMITS: Final = _Limits()

_PASSING: Final = Refused(
    TOO_MANY, "too little is leased at this moment", 1.0, RATE, "lease", is_passing=True
)


def _units(limits: _Limits, tokens: float) -> list[Units]:
    """What a request takes of the key's rates."""
    units = []
    if limits.requests is not None:
        units.append(Units((limits.name, "requests"), 1.0, limits.requests))
    if limits.tokens is not None:
        units.append(Units((limits.name, "tokens"), tokens, limits.tokens))
    return units


def _pace_shared(sharing: Sharing, limits: _Limits, tokens: float) -> Refused | None:
    """Take a request and its tokens of what is leased of the key's rates; or neither."""
    taken: list[Units] = []
    for units in _units(limits, tokens):
        wait = sharing.rates.allow(units.place, units.cost, units.limit)
        if wait:
            for each in taken:
                sharing.rates.charge(each.place, -each.cost, each.limit)
            return _too_fast(limits, units.place[1], units.limit, wait)
        taken.append(units)
    return None


def _per_minute(most: int | None, burst: int | None) -> RateLimit | None:
    return None if most is None else RateLimit(most / _SECONDS, float(burst or most))


def _too_fast(limits: _Limits, what: str, rate: RateLimit, wait: float) -> Refused:
    return Refused(
        TOO_MANY,
        f"key {limits.name!r} may use {rate.per_second * _SECONDS:.0f} {what} per minute: try "
        f"again in {math.ceil(wait)} s",
        wait,
        RATE,
        what,
    )


def _crowded(limits: _Limits) -> Refused:
    return Refused(
        TOO_MANY,
        f"key {limits.name!r} may have {limits.concurrent} requests in flight at once: wait for "
        "one of them to end",
        PLACE_WAIT,
        RATE,
        "concurrency",
    )


def _over_budget(error: BudgetExceededError) -> Refused:
    """The figures of a key's budget are for whoever has it; those of others are not."""
    whose = _OTHERS.get(error.scope)
    said = f"{whose} does not suffice for this call" if whose else str(error)
    return Refused(
        TOO_MANY,
        f"{said}; a request that states a smaller max_tokens may need less",
        error.retry_after_seconds,
        QUOTA,
        "budget",
    )
