"""The dashboard on its address, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import uvicorn

from crossmodel.assembly import CrossModel
from crossmodel.dashboard.access import open_access
from crossmodel.errors import ConfigurationError, CrossModelError, MissingExtraError
from crossmodel.settings import DashboardSettings, Settings, split_address
from crossmodel.wire.hosts import authority

GRACE_SECONDS: Final = 2
"""How long requests may go on when it is told to end: the pages themselves would go on for ever."""

BACKLOG: Final = 128

MOST_CONNECTIONS: Final = 500
"""Open pages hold one each; who comes beyond that is answered with 503."""


class _Server(uvicorn.Server):
    """Says when it listens, and ends well: the store is closed after it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Told to end, it ends. The base class would then raise the signal, and leave all open."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


async def run(settings: Settings, *, ready: Callable[[str], None] = lambda _url: None) -> None:
    """Serve the dashboard until SIGTERM or Ctrl-C.

    Args:
        settings: what to look at, and where to listen.
        ready: called with the dashboard's address once browsers can connect.

    Raises:
        ConfigurationError: if something in the settings cannot be used; nothing was started.
        MissingExtraError: without the extra ``dashboard``.
        CrossModelError: if the store or the keys cannot be opened.
    """
    try:
        from crossmodel.dashboard.app import build  # noqa: PLC0415 - an extra, and slow to import
        from crossmodel.dashboard.gateway import Gateway  # noqa: PLC0415 - likewise
        from crossmodel.dashboard.sources import Sources  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        raise MissingExtraError("the dashboard", "dashboard") from error
    dashboard = settings.dashboard
    users = open_access(dashboard, settings.loop.tenant)
    _check_tls(dashboard)
    listening = _listen(dashboard)
    async with CrossModel(settings, with_models=False) as cm:
        sources = Sources(cm, Gateway(settings))
        config = uvicorn.Config(
            build(cm, sources, users),
            loop="none",
            ws="websockets-sansio",
            log_config=None,
            access_log=False,
            proxy_headers=dashboard.behind_tls,  # of proxies on this machine
            server_header=False,
            ssl_certfile=dashboard.tls_certificate or None,
            ssl_keyfile=dashboard.tls_key or None,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        url = _url(listening.getsockname()[:2], is_tls=bool(dashboard.tls_certificate))
        tenants = {user.tenant or settings.loop.tenant for user in dashboard.users}
        warming = asyncio.create_task(_warm(cm, tenants or {settings.loop.tenant}))
        try:
            await _Server(config, lambda: ready(url)).serve(sockets=[listening])
        finally:
            warming.cancel()


async def _warm(cm: CrossModel, tenants: Iterable[str]) -> None:
    """Search once, so that the first who does need not wait until the index is in memory."""
    for tenant in tenants:
        with contextlib.suppress(CrossModelError):  # whoever searches then is told
            await cm.search_insights("insights", limit=1, tenant=tenant)


def _check_tls(dashboard: DashboardSettings) -> None:
    if not dashboard.tls_certificate:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            dashboard.tls_certificate, dashboard.tls_key
        )
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificate or its key cannot be used: {error.strerror or error}",
            path="dashboard.tls_certificate",
        ) from error


def _listen(dashboard: DashboardSettings) -> socket.socket:
    host, port = split_address(dashboard.listen, "listen")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"nothing can listen on {dashboard.listen}: {error.strerror or error}",
            path="dashboard.listen",
        ) from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _url(address: tuple[str, int], *, is_tls: bool) -> str:
    return f"http{'s' if is_tls else ''}://{authority(*address)}"
