"""What the handlers of the control plane work with."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossmodel.assembly import CrossModel
from crossmodel.gateway.control.ports import Operations
from crossmodel.gateway.control.readiness import Readiness
from crossmodel.gateway.control.scrape import Scraper
from crossmodel.gateway.keys import Keyring
from crossmodel.gateway.metrics import Metrics

if TYPE_CHECKING:
    from crossmodel.gateway.control.watching import Watch  # imported by who watches


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
    _watch: Watch | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.readiness = Readiness(self.cm.engine.store, self.operations)
        self.scraper = Scraper(self.cm, self.operations, self.metrics)

    @property
    def watch(self) -> Watch:
        """The watch over all of it; made, and its code loaded, when it is first asked for."""
        if self._watch is None:
            from crossmodel.gateway.control.watching import Watch  # noqa: PLC0415 - if used

            self._watch = Watch(self.cm, self.operations, self.metrics)
        return self._watch

    async def start(self) -> None:
        """Watch, if the settings want that: they do where health is enabled, or somebody is told.

        Raises:
            ConfigurationError: if a sink cannot be used.
        """
        settings = self.cm.settings
        if settings.watches:
            await asyncio.to_thread(importlib.import_module, "crossmodel.gateway.control.watching")
            self.watch.start()

    async def stop(self) -> None:
        """End the watch, and wait for the write that is under way: then the store may be closed."""
        if self._watch is not None:
            await self._watch.stop()
        await self.readiness.settle()
        await self.scraper.settle()
