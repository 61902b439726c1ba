"""The gateway and the providers behind it: processes that are started, killed and started again."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway_peers.processes import Running, free_port, rss_bytes, tree
from prometheus_client.parser import text_string_to_metric_families
from upstreams import Upstream

from chaos_rig.asks import BIG, BROKEN, METERED, WELL

TIMEOUT_SECONDS: Final = 5.0
"""What the gateway gives a provider."""

READY_SECONDS: Final = 30.0
DRAIN_SECONDS: Final = 30.0
SETTLED_SECONDS: Final = 3.0
SETTLED_BYTES: Final = 2**20
"""Memory that grows by less in that time does not grow any more."""

IN_FLIGHT: Final = "crossmodel_endpoint_requests_in_flight"

INPUT_PRICE: Final = 10.0
OUTPUT_PRICE: Final = 100.0
"""USD per million tokens of what the key with a budget asks for."""

USUAL, METER, FLOOD = (f"sk-chaos-{name}-0123456789" for name in ("usual", "meter", "flood"))

_CONFIG: Final = """\
[gateway]
listen = "127.0.0.1:{listen}"
control = "127.0.0.1:{control}"
[store]
url = "sqlite:///{store}/crossmodel.db"
[witness]
key_dir = "{keys}"
{providers}
{models}
[[keys]]
name = "usual"
key_env = "CHAOS_USUAL"
[[keys]]
name = "meter"
key_env = "CHAOS_METER"
monthly_budget = {budget}
[[keys]]
name = "flood"
key_env = "CHAOS_FLOOD"
requests_per_minute = 60
"""

_PROVIDER: Final = """\
[[providers]]
id = "{id}"
kind = "{kind}"
base_urls = [{urls}]
api_key_env = "CHAOS_PROVIDER"
timeout_seconds = {timeout}
"""

_MODEL: Final = """\
[[models]]
id = "{provider}.{behaviour}"
provider = "{provider}"
name = "{behaviour}"
quality = {quality}
input_price = {input_price}
output_price = {output_price}
latency_ms = 50
context_window = 128000
fallbacks = [{fallbacks}]
"""

METERED_BY: Final = "meter"
ASKED: Final = ("a", "b", "claude", "pair")
"""Providers that clients ask; ``pair`` is served by the upstreams of the first two."""


@dataclass(slots=True)
class Rig:
    """Everything that runs.

    Attributes:
        folder: where settings, keys and words of the processes are.
        store: where the store is: the disk that can be full.
        budget: USD that the metered key may spend.
        providers: the upstreams that are killed now and then, by the provider's id.
        meter: the upstream that the key with a budget asks; never killed, since it counts.
        kills: moments of ``time.monotonic`` at which the gateway was killed.
        ended_by_itself: exit codes and last words of gateways that nobody had ended.
        starts: seconds that each start took until it was ready.
        rss_when_warm: bytes that the first gateway held once it had answered and learned.
    """

    folder: Path
    store: Path
    budget: float
    providers: dict[str, Upstream] = field(default_factory=dict)
    meter: Upstream = field(default_factory=Upstream)
    listen: int = field(default_factory=free_port)
    control: int = field(default_factory=free_port)
    kills: list[float] = field(default_factory=list)
    ended_by_itself: list[str] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    rss_when_warm: int = 0
    _gateway: Running | None = None

    @property
    def config(self) -> Path:
        """The settings' file."""
        return self.folder / "crossmodel.toml"

    @property
    def gateway(self) -> Running:
        """The gateway that runs."""
        assert self._gateway is not None
        return self._gateway

    @property
    def pids(self) -> list[int]:
        """The gateway and what it has started."""
        return tree(self.gateway.pid)

    def start(self) -> None:
        """Starts the providers, then the gateway."""
        for name in ("a", "b", "claude"):
            self.providers[name] = Upstream().start()
        self.meter.start()
        self.config.write_text(self._settings(), "utf-8")
        self.start_gateway()

    def start_gateway(self) -> None:
        """Starts it and waits until it is ready.

        Raises:
            RuntimeError: if it ends or does not become ready.
        """
        env = {
            "CHAOS_USUAL": USUAL,
            "CHAOS_METER": METER,
            "CHAOS_FLOOD": FLOOD,
            "CHAOS_PROVIDER": "provider-secret",
        }
        command = [sys.executable, "-m", "crossmodel", "serve", "--config", str(self.config)]
        gateway = self._gateway = Running.start(command, self.folder / "gateway.log", env)
        while not self.is_ready():
            gateway.check()
            if time.perf_counter() - gateway.started > READY_SECONDS:
                raise RuntimeError(f"the gateway is not ready: {self.folder / 'gateway.log'}")
            time.sleep(0.01)
        self.starts.append(time.perf_counter() - gateway.started)

    def settle(self) -> int:
        """Waits until the gateway has loaded what it needs; how many bytes it holds then.

        Learning loads the embedder, once: that is no growth.
        """
        before, now = 0, rss_bytes(self.gateway.pid)
        while now > before + SETTLED_BYTES:
            time.sleep(SETTLED_SECONDS)
            before, now = now, rss_bytes(self.gateway.pid)
        return now

    def kill_gateway(self) -> None:
        """``kill -9`` of the gateway alone; what it has started finds out by itself."""
        self.note_end()
        self.kills.append(time.monotonic())
        self.gateway.process.kill()
        self.gateway.process.wait()

    def note_end(self) -> bool:
        """Whether the gateway has ended by itself, which is noted."""
        code = self.gateway.process.poll()
        if code is not None:
            words = self.gateway.log.read_text("utf-8", "replace")[-1500:]
            self.ended_by_itself.append(f"exit code {code}: {words}")
        return code is not None

    def drain(self) -> int | None:
        """Asks the gateway to end in order; its exit code, ``None`` if it had to be killed."""
        process = self.gateway.process
        process.send_signal(signal.SIGTERM)
        until = time.monotonic() + DRAIN_SECONDS
        while process.poll() is None:
            if time.monotonic() > until:
                self.gateway.stop()
                return None
            time.sleep(0.05)
        return process.returncode

    def stop(self) -> None:
        """Ends whatever runs."""
        if self._gateway is not None and self._gateway.process.poll() is None:
            self._gateway.stop()
        for upstream in (*self.providers.values(), self.meter):
            upstream.stop()

    def is_ready(self) -> bool:
        """What the control plane says."""
        try:
            status, _ = self._control("/readyz")
        except OSError:
            return False
        return status == http.client.OK

    def in_flight(self) -> float | None:
        """Requests that the gateway believes to be with providers; ``None`` if it says nothing."""
        _, text = self._control("/metrics")
        values = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == IN_FLIGHT
        ]
        return sum(values) if values else None

    def _control(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def _settings(self) -> str:
        v1 = {name: [upstream.v1] for name, upstream in self.providers.items()}
        urls = {
            **v1,
            "claude": [self.providers["claude"].url],
            "pair": v1["a"] + v1["b"],
            METERED_BY: [self.meter.v1],
        }
        providers = [
            _PROVIDER.format(
                id=name,
                kind="anthropic" if name == "claude" else "openai",
                urls=_quoted(addresses),
                timeout=TIMEOUT_SECONDS,
            )
            for name, addresses in urls.items()
        ]
        models = [
            self._model(name, behaviour)
            for name in urls
            for behaviour in (METERED if name == METERED_BY else (*WELL, *BROKEN, BIG))
        ]
        return _CONFIG.format(
            listen=self.listen,
            control=self.control,
            store=self.store,
            keys=self.folder / "keys",
            providers="".join(providers),
            models="".join(models),
            budget=self.budget,
        )

    @staticmethod
    def _model(provider: str, behaviour: str) -> str:
        """One model; those of ``a`` teach, and its good ones fall back on those of ``b``."""
        is_metered = provider == METERED_BY
        return _MODEL.format(
            provider=provider,
            behaviour=behaviour,
            quality=0.3 if behaviour in (*BROKEN, BIG) else 0.85 if provider == "a" else 0.7,
            input_price=INPUT_PRICE if is_metered else 0.1,
            output_price=OUTPUT_PRICE if is_metered else 0.4,
            fallbacks=_quoted([f"b.{behaviour}"] if provider == "a" and behaviour in WELL else []),
        )


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)


async def freeze(pid: int, seconds: float) -> None:
    """Holds a process still for a while: it neither answers nor closes."""
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
