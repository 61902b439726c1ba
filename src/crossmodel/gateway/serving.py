"""The gateway as a process: opens everything, listens, and ends without losing a request."""

from __future__ import annotations

import asyncio
import importlib
import logging
import signal
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crossmodel.errors import ConfigurationError, CrossModelError
from crossmodel.gateway.keys import Keyring
from crossmodel.gateway.memory import give_back_large_blocks, settle
from crossmodel.gateway.opening import Opened, open_core
from crossmodel.gateway.operations import LiveOperations
from crossmodel.gateway.server import Server
from crossmodel.settings import GatewaySettings, Settings, split_address
from crossmodel.wire import activation
from crossmodel.wire.hosts import authority, is_loopback

if TYPE_CHECKING:
    from crossmodel.gateway.control.serving import Running

logger = logging.getLogger(__name__)

LINGER_SECONDS: Final = 1.0
"""How long a gateway whose socket others keep open goes on answering when it is told to end."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a gateway can be reached: addresses with their ports, as in ``http://host:port``."""

    url: str
    control_url: str


def run(source: Path | None, *, settings: Settings, ready: Callable[[Listening], None]) -> int:
    """Run :func:`serve` on the fastest event loop that there is here."""
    give_back_large_blocks()
    work = serve(source, settings=settings, ready=ready)
    try:
        import uvloop  # noqa: PLC0415 - not on every system
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


async def serve(
    source: Path | None,
    *,
    settings: Settings,
    ready: Callable[[Listening], None] = lambda _: None,
    shares_port: bool = False,
) -> int:
    """Run a gateway until it is told to end; SIGTERM and SIGINT tell it, SIGHUP reloads.

    Where a socket that listens is handed over, as systemd does it (sd_listen_fds(3)), that one
    counts, and ``gateway.listen`` does not.

    Args:
        source: the settings file, which is read again when the gateway is told to reload.
        settings: what to run with: the file's, as the caller may have changed them.
        ready: called once clients can connect.
        shares_port: whether other processes listen on the same port.

    Returns:
        How many connections had to be cut when it ended.

    Raises:
        ConfigurationError: if something in the settings cannot be used; nothing was started.
        CrossModelError: if the store or the keys cannot be opened.
    """
    gateway = settings.gateway
    handed_over = activation.take()  # first: processes that are started below must not have it
    tls = _tls(gateway)
    async with AsyncExitStack() as opened:
        ending = asyncio.Event()
        parts = await open_core(settings, opened)
        listen = (
            gateway.listen if handed_over is None else authority(*handed_over.getsockname()[:2])
        )
        _refuse_strangers(listen, parts.state.keyring)
        server = Server(parts.core, gateway.limits)
        operations = LiveOperations(parts, server, source=source, on_drain=ending.set)
        _heed_signals(operations)  # before anybody can connect: whoever is answered is drained
        if handed_over is not None:
            address = await server.listen_on(handed_over, tls=tls)
        else:
            address = await _listen(server, gateway, tls, shares_port=shares_port)
        control = await _open_control(parts, operations)
        opened.push_async_callback(control.stop)
        settle()
        ready(Listening(_url(address, tls=tls is not None), _url(control.address)))
        await parts.warm_up()
        await ending.wait()
        linger = LINGER_SECONDS if handed_over is not None else 0.0
        return await server.drain(gateway.drain_seconds, linger=linger)


async def _open_control(parts: Opened, operations: LiveOperations) -> Running:
    """Listen for administrators; what that takes is loaded while clients are answered already."""
    name = "crossmodel.gateway.control.opening"
    module = await asyncio.to_thread(importlib.import_module, name)
    state = parts.state
    running: Running = await module.open_control_plane(
        parts.cm, operations, state.metrics, state.keyring
    )
    return running


async def _listen(
    server: Server, gateway: GatewaySettings, tls: ssl.SSLContext | None, *, shares_port: bool
) -> tuple[str, int]:
    host, port = split_address(gateway.listen, "listen")
    try:
        return await server.listen(host, port, tls=tls, shares_port=shares_port)
    except OSError as error:
        raise ConfigurationError(
            f"nothing can listen on {gateway.listen}: {error.strerror or error}",
            path="gateway.listen",
        ) from error


def _heed_signals(operations: LiveOperations) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, operations.drain)
    reloading: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(_reload(operations))
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)


async def _reload(operations: LiveOperations) -> None:
    try:
        changes = await operations.reload()
    except CrossModelError as error:
        logger.error("nothing was reloaded: %s", error)  # noqa: TRY400 - it says it all
    else:
        logger.warning("reloaded: %s", "; ".join(changes) or "nothing has changed")


def _refuse_strangers(listen: str, keyring: Keyring) -> None:
    host, _ = split_address(listen, "listen")
    if not is_loopback(host) and not keyring.asks_for_keys:
        raise ConfigurationError(
            f"{listen} can be reached from elsewhere, and no client needs a key: "
            "add [[keys]], or listen on 127.0.0.1",
            path="gateway.listen",
        )


def _tls(gateway: GatewaySettings) -> ssl.SSLContext | None:
    if not gateway.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(gateway.tls_certificate, gateway.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificate or its key cannot be used: {error.strerror or error}",
            path="gateway.tls_certificate",
        ) from error
    return context


def _url(address: tuple[str, int], *, tls: bool = False) -> str:
    return f"http{'s' if tls else ''}://{authority(*address)}"
