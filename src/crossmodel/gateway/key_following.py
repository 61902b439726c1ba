"""Client keys that are made or revoked through one gateway hold in all that share its store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from crossmodel.errors import CrossModelError
from crossmodel.gateway.keys import Keyring, load_keys
from crossmodel.gateway.limits import Admission
from crossmodel.ports import Store
from crossmodel.settings import Settings

LONGEST_SECONDS: Final = 30.0
"""How often the store is looked at where it tells of no change."""

logger = logging.getLogger(__name__)


class KeyFollower:
    """Takes over keys as the store has them, while a gateway runs. For one event loop.

    Args:
        store: that all gateways share.
        settings: returns those in use: their keys are kept as they are.
        keyring: the keys of this gateway.
        admission: what they may take.
    """

    def __init__(
        self,
        store: Store,
        settings: Callable[[], Settings],
        keyring: Keyring,
        admission: Admission,
    ) -> None:
        self._store = store
        self._settings = settings
        self._keyring = keyring
        self._admission = admission
        self._seen = -1
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Follow from now on."""
        self._seen = await self._version()
        await self._take_over()  # what has changed since they were loaded
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        is_failing = False
        while True:
            await self._store.wait_for_change(LONGEST_SECONDS)
            try:
                version = await self._version()
                if version != self._seen:
                    await self._take_over()
                    self._seen = version
                is_failing = False
            except CrossModelError as error:
                if not is_failing:
                    logger.error("client keys of the store are not followed: %s", error)  # noqa: TRY400 - it says it all
                is_failing = True

    async def _version(self) -> int:
        return await self._store.read(lambda tx: tx.client_keys_version())

    async def _take_over(self) -> None:
        while True:
            before = self._keyring.keys
            keys = await load_keys(self._settings(), self._store)
            if self._keyring.keys == before:  # else one was made here meanwhile
                break
        self._keyring.replace_all(keys)
        self._admission.replace_all(keys)
