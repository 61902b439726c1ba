"""Hearing of changes by PostgreSQL's LISTEN, instead of asking for them.

https://www.postgresql.org/docs/current/sql-notify.html: a notice comes when the transaction that
made it is committed. Who does not listen at that moment never hears of it, so every new connection
counts as a change.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import psycopg
from psycopg import sql

from crossmodel.store.marks import CHANNEL

RETRY_SECONDS: Final = 0.4
"""How often a server that is away is looked for."""


class Notices:
    """Waits for notices, on a connection of its own. For one event loop and one who waits.

    Args:
        info: what libpq connects by.
    """

    def __init__(self, info: str) -> None:
        self._info = info
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def wait(self, seconds: float) -> None:
        """Wait for a notice, for so long; it ends at once where some may have been missed."""
        try:
            if self._connection is None:
                await self._listen()
                return
            async for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                pass
        except psycopg.Error:
            await self.close()
            await asyncio.sleep(min(seconds, RETRY_SECONDS))

    async def close(self) -> None:
        """Listen no more."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._info, autocommit=True)
        try:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
