"""The upkeep of the history: old minutes become hours, old hours days."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from crossmodel.domain.period import utc_now
from crossmodel.ports import Clock, Store

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3600.0
"""How often it is looked whether something is due: an hour of minutes is, once an hour."""


async def roll_up(store: Store, clock: Clock = utc_now) -> int:
    """Move everything that is due; how many hours and days were.

    Each is a transaction of its own, so that other writers need not wait for long. Several
    processes may do so at once: what one of them has moved is not there for the next.
    """
    moved = 0
    while await store.transact(lambda tx: tx.roll_up_traffic(clock())):
        moved += 1
    return moved


async def keep_rolling_up(store: Store) -> None:
    """Do so once an hour until cancelled; whatever fails is logged and tried again."""
    while True:
        try:
            await roll_up(store)
        except Exception:
            logger.exception("old traffic was not summed up and will be")
        await asyncio.sleep(EVERY_SECONDS)
