"""Limits that several gateways share: what this one has leased is renewed beside the requests.

Once a turn, and sooner where little is left, one transaction of the store tells what was used,
gives back what is not wanted, and leases more. Requests do not wait for it, with one exception: one
that finds too little leased waits for the next renewal, in its turn, and is let through or refused
after it. It does not wait again, and not for longer than :data:`PATIENCE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from crossmodel.balancing.rate import Units
from crossmodel.balancing.shared_rates import SharedRates
from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.leases import Grants, Wanted
from crossmodel.domain.period import utc_now
from crossmodel.errors import CrossModelError
from crossmodel.ports import Store, Transaction
from crossmodel.selection.cost import PERIOD_OF_BUDGET
from crossmodel.selection.shared import SharedBudgets

TURN_SECONDS: Final = 1.0
"""How often what is not wanted is given back."""

LEAST_SECONDS: Final = 0.02
"""Time between two renewals at least, so that the store is not kept busy by us alone."""

FAILED_SECONDS: Final = 0.25
"""Time to the next try after one that has failed."""

PATIENCE_SECONDS: Final = 5.0
"""How long a request waits for a renewal at most."""

CLOSING_SECONDS: Final = 5.0
"""How long giving back may take when the gateway ends."""

FORGOTTEN: Final = {"daily_budget": timedelta(days=3), "monthly_budget": timedelta(days=93)}
"""How old periods are that nobody asks about any more: clocks of gateways may differ."""

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Waiting:
    """A request that waits for a renewal.

    Attributes:
        money: what it may cost, and whose it is.
        units: what it takes of its key's rates.
        then: is called once, when it may try again; with true if the store could not be asked.
        patience: ends the waiting.
    """

    money: Wanted
    units: Sequence[Units]
    then: Callable[[bool], None]
    patience: asyncio.TimerHandle | None = None
    is_over: bool = False

    def tell(self, *, is_failed: bool) -> None:
        """Let it go on, unless it has or nobody waits any more."""
        if self.is_over:
            return
        self.cancel()
        try:
            self.then(is_failed)
        except Exception:
            logger.exception("a request could not go on after a renewal")

    def cancel(self) -> None:
        """Nobody waits any more."""
        self.is_over = True
        if self.patience is not None:
            self.patience.cancel()


class Sharing:
    """Renews the leases of one gateway; for one event loop.

    Args:
        store: that all gateways share.
        budgets: what this one may spend.
        rates: how often its keys may ask.
        turn_seconds: see :data:`TURN_SECONDS`.
        clock: monotonic seconds.

    Attributes:
        budgets: as given.
        rates: as given.
        renewals: how many there were.
        failures: how many of them could not be made.
    """

    def __init__(
        self,
        store: Store,
        budgets: SharedBudgets,
        rates: SharedRates | None = None,
        *,
        turn_seconds: float = TURN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budgets = budgets
        self.rates = rates or SharedRates()
        self.renewals = 0
        self.failures = 0
        self._store = store
        self._turn_seconds = turn_seconds
        self._clock = clock
        self._holder = time_ordered_id("gw_")
        self._waiting: list[Waiting] = []
        self._is_closing = False
        self._is_due = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        budgets.on_low = self._hurry
        budgets.renew = self.renewed
        budgets.refresh = self.refresh
        self.rates.on_low = self._is_due.set

    def start(self) -> None:
        """Renew from now on."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Give back what is not committed. What cannot be given back stays committed."""
        self._is_closing = True
        self._is_due.set()
        for each in self._waiting:
            each.tell(is_failed=True)
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                if self._task is not None:
                    await self._task
                await self._lease([], is_end=True)
                holder = self._holder
                await self._store.transact(lambda tx: tx.end_leases(holder))
        except (CrossModelError, TimeoutError) as error:
            logger.warning("what was leased of budgets stays committed: %s", error or "too slow")

    def may_help(self, money: Wanted, units: Sequence[Units]) -> bool:
        """Whether to wait for a renewal could let a request go on that was refused."""
        return not self._is_closing and (
            self.budgets.may_pass(money) and all(map(self.rates.may_pass, units))
        )

    def wait(self, money: Wanted, units: Sequence[Units], then: Callable[[bool], None]) -> Waiting:
        """Wait for a renewal; ``then`` is called after it, in the order in which requests came."""
        waiting = Waiting(money, units, then)
        waiting.patience = self._loop.call_later(PATIENCE_SECONDS, self._lose_patience, waiting)
        self._waiting.append(waiting)
        self._is_due.set()
        return waiting

    async def renewed(self, money: Wanted) -> None:
        """Return after a renewal: for calls that are not requests of clients."""
        done = self._loop.create_future()

        def then(_is_failed: bool) -> None:
            if not done.done():
                done.set_result(None)

        if self.may_help(money, ()):
            self.wait(money, (), then)
            await done

    async def refresh(self) -> None:
        """Learn what others have committed of budgets, for whoever looks at them."""
        for budget, period in self.budgets.periods().items():
            try:
                committed = await self._store.read(partial(_committed, budget, period))
            except CrossModelError as error:
                logger.warning("budgets are shown as they were last known: %s", error)
                return
            self.budgets.learn(budget, period, committed)

    async def _run(self) -> None:
        turn_at = self._clock() + self._turn_seconds
        day = None
        while not self._is_closing:
            await self._until(turn_at)
            self._is_due.clear()
            is_turn = self._clock() >= turn_at
            if is_turn:
                turn_at = self._clock() + self._turn_seconds
            pause = LEAST_SECONDS
            try:
                await self._renew(is_turn=is_turn)
                if self.renewals and utc_now().date() != day:
                    await self._forget()
                    day = utc_now().date()
            except Exception as error:  # noqa: BLE001 - requests wait for whoever does this
                self._fail(error)
                pause = FAILED_SECONDS
            if not self._is_closing:
                await asyncio.sleep(pause)

    async def _until(self, moment: float) -> None:
        """Wait until then, or until somebody needs a renewal."""
        try:
            async with asyncio.timeout(max(moment - self._clock(), 0.0)):
                await self._is_due.wait()
        except TimeoutError:
            pass

    async def _renew(self, *, is_turn: bool) -> None:
        """One transaction; then those that waited for it try again, whatever came of it."""
        waiting, self._waiting = [each for each in self._waiting if not each.is_over], []
        is_failed = True
        try:
            await self._lease(waiting, is_turn=is_turn)
            is_failed = False
        finally:
            for each in waiting:
                each.tell(is_failed=is_failed)

    async def _lease(
        self, waiting: Sequence[Waiting], *, is_turn: bool = False, is_end: bool = False
    ) -> None:
        units = [each for waits in waiting for each in waits.units]
        budgets = self.budgets.asks(
            [each.money for each in waiting], is_turn=is_turn, is_end=is_end
        )
        rates = self.rates.asks(units, is_turn=is_turn, is_end=is_end)
        if not (budgets or rates):
            return
        holder, asked_at = self._holder, self._clock()
        asks = list(budgets.values()), list(rates.values())

        def work(tx: Transaction) -> Grants:
            return tx.lease(holder, *asks)

        grants = await self._store.transact(work)
        self.renewals += 1
        self.budgets.take(budgets, grants.budgets)
        self.rates.take(rates, grants.rates, asked_at)

    async def _forget(self) -> None:
        """Let go of periods that are long over."""
        now = utc_now()
        before = {
            budget: (now - FORGOTTEN[budget]).strftime(form)
            for budget, form in PERIOD_OF_BUDGET.items()
        }

        def work(tx: Transaction) -> None:
            for budget, period in before.items():
                tx.forget_leases(budget, period)

        await self._store.transact(work)

    def _fail(self, error: Exception) -> None:
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:  # the 1st, 2nd, 4th, 8th …
            logger.error("shared limits could not be renewed, %d times: %s", self.failures, error)

    def _lose_patience(self, waiting: Waiting) -> None:
        waiting.tell(is_failed=True)

    def _hurry(self) -> None:
        """Some budget has little left; told by any thread."""
        try:
            is_here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_here = False
        if is_here:
            self._is_due.set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._is_due.set)


def _committed(budget: str, period: str, tx: Transaction) -> dict[tuple[str, str], int]:
    return tx.leased_budgets(budget, period)
