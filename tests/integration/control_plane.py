"""A control plane that runs: a real CrossModel, real balancers, the admin API on a real socket."""

import asyncio
import os
import threading
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import httpx
from ticket_codes import HANDBOOK

from crossmodel import CrossModel, load_settings
from crossmodel.balancing import Balancer
from crossmodel.errors import ModelNotFoundError
from crossmodel.gateway.control.opening import open_control_plane
from crossmodel.gateway.control.ports import Counts, EndpointState, ModelState
from crossmodel.gateway.keys import Keyring
from crossmodel.gateway.metrics import Metrics

ADMIN_KEY = "cmk-admin-of-the-tests"

ADMIN_KEY_ENV, CLIENT_KEY_ENV = "CONTROL_TEST_ADMIN_KEY", "CONTROL_TEST_KEY"

SETTINGS = """
[gateway]
control = "{control}"
control_names = ["control.example"]
admin_key_env = "{admin}"
[store]
url = "sqlite:///{folder}/state.db"
[witness]
key_dir = "{folder}/keys"
[[providers]]
id = "p"
kind = "fake"
[[models]]
id = "strong"
provider = "p"
quality = 0.9
input_price = 3
output_price = 15
[[models]]
id = "org/cheap"
provider = "p"
quality = 0.4
[[keys]]
name = "configured"
key_env = "CONTROL_TEST_KEY"
[model_selector.cost_optimization.budget_constraints]
daily_budget = 10.0
[model_selector.cost_optimization.tenant_budgets.acme]
monthly_budget = 5.0
"""


class LiveGateway:
    """The operations of a gateway that has endpoints but no clients."""

    def __init__(self, cm, path):
        self.cm, self.path = cm, path
        self.is_draining, self.in_flight = False, 0
        self.specs = {model.id: model for model in cm.settings.models}
        self.switched_off = set()
        self.balancers = {name: Balancer([f"{name}@1", f"{name}@2"]) for name in self.specs}

    def models(self):
        return [self._state(name) for name in self.specs]

    def counts(self):
        return Counts(in_flight=self.in_flight)

    def change_model(self, model_id, change):
        if model_id not in self.specs:
            raise ModelNotFoundError(f"there is no model {model_id!r}")
        spec = self.specs[model_id]
        values = {"capabilities": {**spec.capabilities, **change.capabilities}}
        for name in ("quality", "input_price", "output_price"):
            if getattr(change, name) is not None:
                values[name] = getattr(change, name)
        self.specs[model_id] = replace(spec, **values)
        if change.is_enabled is not None:
            (self.switched_off.discard if change.is_enabled else self.switched_off.add)(model_id)
        return self._state(model_id)

    async def reload(self):
        settings = await asyncio.to_thread(load_settings, self.path)
        changed = [model.id for model in settings.models if self.specs.get(model.id) != model]
        self.specs = {model.id: model for model in settings.models}
        return [f"model {name} has changed" for name in changed]

    def drain(self):
        self.is_draining = True

    def _state(self, name):
        now = time.monotonic()
        endpoints = [
            EndpointState(
                each.id,
                each.breaker.state(now),
                each.healthy,
                each.in_flight,
                each.latency_seconds * 1000 or None,
                max(0.0, each.ready_at - now),
                each.requests,
                each.successes,
                each.failures,
                each.cancelled,
            )
            for each in self.balancers[name].endpoints
        ]
        return ModelState(self.specs[name], endpoints, name not in self.switched_off)


class ControlPlane:
    """Runs in a thread of its own, so that blocking clients can ask it."""

    def __init__(self, folder, *, key=ADMIN_KEY, control="127.0.0.1:0"):
        self.settings = Path(folder) / "crossmodel.toml"
        self.settings.write_text(
            SETTINGS.format(folder=folder, control=control, admin=ADMIN_KEY_ENV if key else "")
        )
        os.environ |= {CLIENT_KEY_ENV: "a-key-of-the-settings", ADMIN_KEY_ENV: key or ""}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._exit = AsyncExitStack()

    def __enter__(self):
        self._thread.start()
        try:
            self.run(self._open())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.run(self._exit.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def client(self, *, key=ADMIN_KEY, **headers):
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    async def _open(self):
        self.cm = await self._exit.enter_async_context(CrossModel.open(self.settings))
        await self.cm.extract(HANDBOOK, source_model="elsewhere", tenant="acme")
        self.gateway = LiveGateway(self.cm, self.settings)
        self.metrics = Metrics()
        self.keyring = await Keyring.load(self.cm.settings, self.cm.engine.store)
        running = await open_control_plane(self.cm, self.gateway, self.metrics, self.keyring)
        self._exit.push_async_callback(running.stop)
        self.url = f"http://127.0.0.1:{running.address[1]}"
