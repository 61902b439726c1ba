"""The control plane on its address, inside the gateway's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from crossmodel.errors import ConfigurationError
from crossmodel.gateway.control.connection import ControlConnection

MOST_CONNECTIONS: Final = 100
"""Who asks beyond that is answered with 503."""

IDLE_SECONDS: Final = 15
"""How long a connection is kept between requests: longer than scrapers usually wait."""

GRACE_SECONDS: Final = 5
"""How long requests may go on when it is stopped."""

BACKLOG: Final = 128


async def _nothing() -> None:
    """What stopping leads to where nothing is to be done."""


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the event loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(slots=True)
class Running:
    """A control plane that listens.

    Attributes:
        address: where: host and port.
        on_stop: awaited once nobody is answered any more.
    """

    address: tuple[str, int]
    on_stop: Callable[[], Awaitable[None]]
    _server: uvicorn.Server
    _task: asyncio.Task[None]

    async def stop(self) -> None:
        """Stop listening, and wait for requests in flight; safe to call twice."""
        self._server.should_exit = True
        await self._task
        await self.on_stop()


async def start(
    app: ASGIApp, host: str, port: int, *, on_stop: Callable[[], Awaitable[None]] = _nothing
) -> Running:
    """Listen; whoever connects from here on is answered. Port 0 takes a free one.

    Raises:
        ConfigurationError: if nothing can listen there.
    """
    listening = _listen(host, port)
    config = uvicorn.Config(
        app,
        loop="none",
        http=ControlConnection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    bound: tuple[str, int] = listening.getsockname()[:2]
    task = asyncio.create_task(server.serve(sockets=[listening]))
    return Running(bound, on_stop, server, task)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"nothing can listen on {host}:{port}: {error.strerror or error}",
            path="gateway.control",
        ) from error
    # Connections inherit it. asyncio sets it only where a socket names its protocol, which this one
    # does not; without it each response on a kept connection is 40 ms late.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
