"""Whether the gateway may get requests: each part that one needs, with the reason if not."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Final

from crossmodel.errors import CrossModelError
from crossmodel.gateway.control.ports import ModelState, Operations
from crossmodel.ports import Store

MARK: Final = "control.readiness"
"""The mark that is set to see whether the store can be written."""

STORE_SECONDS: Final = 2.0
"""How long the store may take for a small write."""

FRESH_SECONDS: Final = 1.0
"""For how long an answer of the store counts: however often somebody asks, it writes no oftener."""


@dataclass(frozen=True, slots=True)
class Component:
    """A part that requests need."""

    name: str
    is_ready: bool
    reason: str


class Readiness:
    """Looks at the parts. At most one write to the store is under way at any time."""

    def __init__(self, store: Store, operations: Operations) -> None:
        self._store = store
        self._operations = operations
        self._writing: asyncio.Task[None] | None = None
        self._began_at = -math.inf

    async def components(self) -> list[Component]:
        """All parts as they are now."""
        return [self._gateway(), await self._stored(), self._models()]

    async def settle(self) -> None:
        """Wait for a write that is under way: the store may be closed after it."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=STORE_SECONDS)

    def _gateway(self) -> Component:
        draining = self._operations.is_draining
        return Component("gateway", not draining, "draining" if draining else "takes requests")

    async def _stored(self) -> Component:
        now = time.monotonic()
        task = self._writing
        if task is None or (task.done() and now - self._began_at > FRESH_SECONDS):
            self._began_at = now
            task = self._writing = asyncio.create_task(self._write())
        done, _ = await asyncio.wait([task], timeout=STORE_SECONDS)
        if not done:
            return Component("store", False, f"a write takes more than {STORE_SECONDS:g} s")
        error = task.exception()
        return Component("store", error is None, "can be written" if error is None else str(error))

    async def _write(self) -> None:
        moment = int(time.time())
        try:
            await self._store.transact(lambda tx: tx.set_mark(MARK, moment))
        except CrossModelError:
            raise
        except Exception as error:
            raise CrossModelError(f"cannot be written: {type(error).__name__}") from error

    def _models(self) -> Component:
        models = [model for model in self._operations.models() if model.is_enabled]
        able = sum(map(_may_be_asked, models))
        if not models:
            return Component("models", False, "no model is configured and enabled")
        return Component("models", able > 0, f"{able} of {len(models)} may be asked")


def _may_be_asked(model: ModelState) -> bool:
    """Whether one of its endpoints would get a request.

    Health as checks found it is left out: where all are unhealthy, balancing asks them all the
    same.
    """
    return any(endpoint.ready_in_seconds <= 0 for endpoint in model.endpoints)
