"""Everything that metrics say besides the hot path's counts, read when somebody asks for them."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from crossmodel.assembly import CrossModel
from crossmodel.domain.witness import LogStanding
from crossmodel.gateway.control.gathered import MOST_BUDGETS, Scrape
from crossmodel.gateway.control.ports import Operations
from crossmodel.gateway.metrics import Metrics
from crossmodel.selection import CostOptimizer, Standing

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from crossmodel.gateway.control.exposition import Exposition

logger = logging.getLogger(__name__)

LOG_SECONDS: Final = 2.0
"""How long the store may take to say how the log stands; metrics do without it then."""


class Scraper:
    """Reads one gateway for metrics, one reader at a time. What is slow is read in threads."""

    def __init__(self, cm: CrossModel, operations: Operations, metrics: Metrics) -> None:
        self._cm = cm
        self._operations = operations
        self._metrics = metrics
        self._exposition: Exposition | None = None
        self._lock = asyncio.Lock()
        self._reading: asyncio.Task[LogStanding] | None = None

    async def text(self) -> bytes:
        """The metrics in the text format of Prometheus."""
        async with self._lock:
            scrape = await self._scrape()
            return await asyncio.to_thread(lambda: self._exposed().text(scrape))

    async def families(self) -> list[Metric]:
        """The metrics as families."""
        async with self._lock:
            scrape = await self._scrape()
            return await asyncio.to_thread(lambda: self._exposed().families(scrape))

    async def settle(self) -> None:
        """Wait for a read that is under way: the store may be closed after it."""
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=LOG_SECONDS)

    def _exposed(self) -> Exposition:
        if self._exposition is None:
            from importlib.metadata import version  # noqa: PLC0415 - for scrapes only

            from crossmodel.gateway.control import exposition  # noqa: PLC0415 - 50 ms, likewise

            self._exposition = exposition.Exposition(self._metrics, version("crossmodel"))
        return self._exposition

    async def _scrape(self) -> Scrape:
        optimizer = self._cm.engine.selector.cost_optimizer
        if optimizer.refresh is not None:
            await optimizer.refresh()
        budgets = await asyncio.to_thread(_fullest, optimizer)
        models = tuple(self._operations.models())
        kinds = {row.id: row.kind for row in self._cm.settings.providers}
        return Scrape(
            models=models,
            providers={
                model.spec.id: kinds.get(model.spec.provider, model.spec.provider)
                for model in models
            },
            counts=self._operations.counts(),
            budgets=budgets[:MOST_BUDGETS],
            budgets_left_out=max(0, len(budgets) - MOST_BUDGETS),
            log=await self._log(),
        )

    async def _log(self) -> LogStanding | None:
        """How the log stands. A store that hangs is asked once, and not again by each scrape."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._cm.engine.ledger.standing())
        began = time.monotonic()
        done, _ = await asyncio.wait([self._reading], timeout=LOG_SECONDS)
        if not done:
            logger.warning("metrics go without the log: it took %.1f s", time.monotonic() - began)
            return None
        task, self._reading = self._reading, None
        error = task.exception()
        if error is not None:
            logger.warning("metrics go without the log: %s", error)
            return None
        return task.result()


def _fullest(optimizer: CostOptimizer) -> list[Standing]:
    """All budgets, those first of which the largest share is gone. There may be very many."""
    return sorted(optimizer.standings(), key=lambda each: each.left / (each.limit or 1.0))
