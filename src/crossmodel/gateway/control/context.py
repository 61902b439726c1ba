"""What the handlers of the control plane work with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from crossmodel.assembly import CrossModel
from crossmodel.gateway.control.ports import Operations
from crossmodel.gateway.control.readiness import Readiness
from crossmodel.gateway.control.scrape import Scraper
from crossmodel.gateway.keys import Keyring
from crossmodel.gateway.metrics import Metrics


@dataclass(slots=True)
class Control:
    """One running gateway, as the control plane sees it.

    Attributes:
        cm: the CrossModel that it stands on, open.
        operations: the gateway itself.
        metrics: what the hot path counts.
        keyring: the client keys.
        readiness: whether it may get requests.
        scraper: reads it for metrics.
        changing: held while keys are changed or the settings are read again, so that neither
            undoes the other.
    """

    cm: CrossModel
    operations: Operations
    metrics: Metrics
    keyring: Keyring
    readiness: Readiness = field(init=False)
    scraper: Scraper = field(init=False)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        self.readiness = Readiness(self.cm.engine.store, self.operations)
        self.scraper = Scraper(self.cm, self.operations, self.metrics)

    async def settle(self) -> None:
        """Wait for what is under way in the store, which may be closed after it."""
        await self.readiness.settle()
        await self.scraper.settle()
