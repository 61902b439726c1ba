"""Where clients arrive: it listens, looks after the time of each connection, and drains."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

from crossmodel.gateway.connection import ClientConnection
from crossmodel.gateway.heads import KnownHeads
from crossmodel.gateway.ports import Core
from crossmodel.settings import GatewayLimits

SWEEP_SECONDS: Final = 0.25
"""How often connections are looked through for those whose time is up."""

TLS_SECONDS: Final = 10.0
BACKLOG: Final = 2048


class Server:
    """Listens for clients, looks after their time, and drains.

    Args:
        core: what answers.
        limits: what each client may do; may be replaced while it runs.
    """

    def __init__(self, core: Core, limits: GatewayLimits) -> None:
        self.core = core
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.heads = KnownHeads()
        self.connections: set[ClientConnection] = set()
        self.refusals: dict[int, int] = {}
        self.is_draining = False
        self._listening: list[asyncio.AbstractServer] = []
        self._empty = asyncio.Event()
        self._sweeping = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    async def listen(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        shares_port: bool = False,
    ) -> tuple[str, int]:
        """Accept connections; returns the address, with the port that was free if 0 was asked.

        Raises:
            OSError: if the address cannot be had.
        """
        server = await self.loop.create_server(
            lambda: ClientConnection(self),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=TLS_SECONDS if tls else None,
            backlog=BACKLOG,
            reuse_port=shares_port or None,
        )
        self._listening.append(server)
        host_taken, port_taken, *_ = server.sockets[0].getsockname()
        return str(host_taken), int(port_taken)

    async def listen_on(
        self, listening: socket.socket, *, tls: ssl.SSLContext | None = None
    ) -> tuple[str, int]:
        """Accept connections from a socket that listens already; returns its address."""
        server = await self.loop.create_server(
            lambda: ClientConnection(self),
            sock=listening,
            ssl=tls,
            ssl_handshake_timeout=TLS_SECONDS if tls else None,
            backlog=BACKLOG,
        )
        self._listening.append(server)
        host, port, *_ = listening.getsockname()
        return str(host), int(port)

    def forget(self, connection: ClientConnection) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def count_refusal(self, status: int) -> None:
        """A request was refused before anything looked at it."""
        self.refusals[status] = self.refusals.get(status, 0) + 1

    async def drain(self, seconds: float, *, linger: float = 0.0) -> int:
        """Accept nothing new, let requests end, cut what takes longer; how many were cut.

        For ``linger`` seconds what still comes is answered, with word that the connection ends:
        where others listen on the address, clients lose nothing then. Connections are accepted for
        the first half of it: who connects at its end has the other half to say what they want.
        """
        self.is_draining = True
        await asyncio.sleep(linger / 2)
        for server in self._listening:
            server.close()
        await asyncio.sleep(linger / 2)
        for connection in list(self.connections):
            connection.drain()
        if self.connections:
            self._empty.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._empty.wait()
            except TimeoutError:
                pass
        late = list(self.connections)
        for connection in late:
            connection.cut()
        self._sweeping.cancel()
        return len(late)

    def _sweep(self) -> None:
        # at once, so that nothing that goes wrong below can end it
        self._sweeping = self.loop.call_later(SWEEP_SECONDS, self._sweep)
        now = self.loop.time()
        for connection in list(self.connections):
            if connection.deadline <= now:
                connection.expire()
