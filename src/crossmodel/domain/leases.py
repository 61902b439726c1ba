"""What processes that share budgets and rates ask the store for, and what it grants them.

Each takes a part of what is left, for itself alone, and spends it in memory. What it has taken
counts as spent until it is given back. Both sides say what they hold in absolute figures, so that
to ask again, where nobody knows whether the last answer was durable, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

SHARE: Final = 8
"""A process has more at hand than it needs only up to this part of what is left, one in so many:
the nearer a budget is to its end, the smaller are its leases."""


AHEAD: Final = 2
"""How many turns are leased for."""

FRESH_SECONDS: Final = 1.0
"""How long the store's word on what is left is reckoned with."""


@dataclass(slots=True)
class Demand:
    """How much calls take up in a turn, from how much is taken up at each moment.

    Attributes:
        base: what was taken up when this turn began.
        peak: the most that was taken up since.
        last: how much the last turn took.
        before: how much the one before it took.
    """

    base: float = 0.0
    peak: float = 0.0
    last: float = 0.0
    before: float = 0.0

    @property
    def ahead(self) -> float:
        """How much to have at hand."""
        return AHEAD * max(self.last, self.before, self.peak - self.base)

    def see(self, taken: float) -> None:
        """So much is taken up now."""
        self.peak = max(self.peak, taken)

    def expect(self, needed: float) -> None:
        """Calls wait for so much: there was too little."""
        self.last = max(AHEAD * self.last, needed)

    def turn(self, taken: float) -> None:
        """A turn is over, and so much is taken up."""
        self.before, self.last = self.last, max(self.peak - self.base, 0.0)
        self.base = self.peak = taken


class Wanted(NamedTuple):
    """What a call may cost at most, in USD, and whose budgets it is charged to."""

    usd: float
    tenant: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class BudgetAsk:
    """What one process wants of one budget; amounts are in billionths of a USD.

    Attributes:
        scope: ``"key"``, ``"tenant"``, or empty for everybody's.
        owner: the name of the key or tenant.
        budget: ``daily_budget`` or ``monthly_budget``.
        period: names the day or month.
        starts: its first day, in UTC.
        limit: what all processes together may commit in it.
        hold: what this process has of it: all that it may have committed until it is answered.
        unused: how much of that is not committed.
        needs: what calls that wait for the answer may cost, in their order.
        want: what it would like to have at hand besides.
    """

    scope: str
    owner: str
    budget: str
    period: str
    starts: date
    limit: int
    hold: int
    unused: int = 0
    needs: Sequence[int] = ()
    want: int = 0


@dataclass(frozen=True, slots=True)
class BudgetGrant:
    """What a process has of a budget from now on; amounts are in billionths of a USD.

    Attributes:
        granted: what this process may commit in the period, all that it has committed included.
        committed: by all processes: spent, set aside, or leased.
        committed_before: likewise, before this grant.
    """

    granted: int
    committed: int
    committed_before: int


@dataclass(frozen=True, slots=True)
class RateAsk:
    """What one process wants of one rate; amounts are units, which are requests or tokens.

    Attributes:
        key: whose rate it is.
        what: ``requests`` or ``tokens``.
        per_second: units per second that all processes together may use.
        burst: units that they may use at once.
        used: how many this process has used since it started, whether it had leased them or not.
        hold: how many of those that it has leased it keeps.
        needs: what calls that wait for the answer take, in their order.
        want: how many it would like to have at hand besides.
    """

    key: str
    what: str
    per_second: float
    burst: float
    used: float
    hold: float = 0.0
    needs: Sequence[float] = ()
    want: float = 0.0


@dataclass(frozen=True, slots=True)
class RateGrant:
    """What a process has of a rate until the lease ends.

    Attributes:
        held: units that this process may use.
        left: units that nobody holds; less than 0 where more was used than there was.
    """

    held: float
    left: float


@dataclass(frozen=True, slots=True)
class Grants:
    """The answers to what was asked, in its order."""

    budgets: Sequence[BudgetGrant]
    rates: Sequence[RateGrant]
