"""One replica of the gateway in Ray Serve: ``gateway/asgi.py`` behind Serve's proxy.

Replicas are built where they run, from a settings file that lies on every node. A declarative
configuration of Serve, such as that of KubeRay, names :func:`build` as its ``import_path``.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from ray import serve
from ray.serve import Application, Deployment

from crossmodel.errors import ConfigurationError
from crossmodel.gateway.asgi import GatewayApp
from crossmodel.gateway.core import Core
from crossmodel.settings import load_settings, split_address
from crossmodel.wire.hosts import is_loopback

DEPLOYMENT: Final = "gateway"

LOOPBACK: Final = "127.0.0.1:8000"
"""Where Serve listens unless it is told otherwise."""

MARK: Final = "deployment.probe"
"""The mark that is set to see whether the store can be written."""

STORE_SECONDS: Final = 5.0
"""How long the store may take for a small write."""


@serve.deployment(
    name=DEPLOYMENT,
    max_ongoing_requests=1000,  # the models are what is waited for: one process holds many calls
    max_surge_percent=100,  # whoever replaces a replica answers before that one goes
)
@serve.ingress()
class Gateway:
    """A replica. Its requests are counted by Serve, which routes, drains and restarts it.

    Args:
        config: the settings file, on the node of the replica.
        listen: where the proxies listen.
    """

    def __init__(self, config: str, listen: str = LOOPBACK) -> None:
        os.chdir(Path(config).parent)  # relative paths mean the same as to crossmodel serve there
        settings = load_settings(config)  # what is wrong with it is told from here
        shared = replace(settings.gateway.sharing, enabled=True)  # there may be others at any time
        gateway = replace(settings.gateway, sharing=shared)
        self._app = GatewayApp(settings=replace(settings, gateway=gateway))
        self._listen = listen

    def __serve_build_asgi_app__(self) -> GatewayApp:
        """What answers."""
        return self._app

    async def _run_asgi_lifespan_startup(self) -> None:
        """Serve's own step, in which a reason gets lost: so what may fail is done before it."""
        core = await self._app.open()
        if not core.state.keyring.asks_for_keys:
            host, _ = split_address(self._listen, "listen")
            if not is_loopback(host):
                raise ConfigurationError(
                    f"{self._listen} can be reached from elsewhere, and no client needs a key: "
                    "add [[keys]], or listen on 127.0.0.1",
                    path="gateway.listen",
                )
        # of what Serve mixes in
        await super()._run_asgi_lifespan_startup()  # type: ignore[misc]

    async def probe(self) -> dict[str, str]:
        """What is wrong with the parts that requests need, by part; empty where all is well."""
        core: Core = await self._app.open()
        store = core.state.engine.store
        moment = int(time.time())
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await store.transact(lambda tx: tx.set_mark(MARK, moment))
        except TimeoutError:
            return {"store": f"a write takes more than {STORE_SECONDS:g} s"}
        except Exception as error:  # noqa: BLE001 - whatever it is, the store cannot be used
            return {"store": f"cannot be written: {type(error).__name__}"}
        return {}


def build(args: Mapping[str, Any]) -> Application:
    """The application, of ``{"config": "/path/on/every/node/crossmodel.toml"}``."""
    deployment = cast("Deployment", Gateway)
    return deployment.bind(str(args["config"]), str(args.get("listen", LOOPBACK)))
