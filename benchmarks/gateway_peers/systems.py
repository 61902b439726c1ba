"""The gateways that are measured: how each is started in front of the upstream, or why it is not.

All listen on loopback, run one process that relays, and are asked with the same bytes but for the
model's name and the key.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway_peers.processes import free_port

KEY: Final = "sk-benchmark-0123456789abcdef"
MODEL: Final = "mock-fast"
HERE: Final = Path(__file__).parent
PEERS_PYTHON: Final = HERE.parents[1] / ".venv-bench" / "bin" / "python"

_NGINX: Final = """\
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream provider {{
    server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""

_LITELLM: Final = """\
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: none
general_settings:
  master_key: {key}
"""

_CROSSMODEL: Final = """\
[gateway]
listen = "127.0.0.1:{port}"
control = "127.0.0.1:{control}"
[store]
url = "sqlite:///{folder}/crossmodel.db"
[witness]
key_dir = "{folder}/keys"
[[providers]]
id = "mock"
kind = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key_env = "MOCK_KEY"
{models}
[[keys]]
name = "bench"
key_env = "CROSSMODEL_KEY"
{scopes}
"""

_MODEL: Final = """\
[[models]]
id = "{id}"
provider = "mock"
name = "mock-fast"
quality = {quality}
capabilities = {{ reasoning = {quality}, coding = {quality} }}
input_price = {price}
output_price = {price}
latency_ms = 300
context_window = 128000
"""

_SCOPES: Final = """\
requests_per_minute = 1000000000
tokens_per_minute = 1000000000000
concurrent = 100000
daily_budget = 1000000.0
monthly_budget = 10000000.0
"""


@dataclass(frozen=True, slots=True)
class Start:
    """How a process is started: its command, and what it needs in its environment."""

    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class System:
    """One gateway.

    Attributes:
        name: what the table calls it.
        models: names of models that it is asked for, each with what the table adds to ``name``.
        has_helpers: whether its child processes are no part of relaying, so that they run on the
            other core.
        missing: why it cannot run here; empty if it can.
    """

    name: str
    models: Mapping[str, str] = field(default_factory=lambda: {MODEL: ""})
    has_helpers: bool = False
    missing: str = ""

    def start(self, port: int, upstream: int, folder: Path) -> Start:
        """The command that makes it listen on ``port``; what it writes goes to ``folder``."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Nginx(System):
    """The reverse proxy that all are held against."""

    def start(self, port: int, upstream: int, folder: Path) -> Start:
        """With connections to the upstream kept alive, and nothing buffered."""
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port, upstream=upstream), "utf-8")
        nginx = shutil.which("nginx") or "nginx"
        return Start([nginx, "-p", str(folder), "-e", str(folder / "log"), "-c", str(config)])


@dataclass(frozen=True, slots=True)
class Starlette(System):
    """A minimal pass-through proxy, on the event loop and the parser that we use."""

    def start(self, port: int, upstream: int, folder: Path) -> Start:  # noqa: ARG002 - writes nothing
        """See ``starlette_proxy.py``."""
        script = HERE / "starlette_proxy.py"
        return Start([str(PEERS_PYTHON), str(script), str(port), str(upstream)])


@dataclass(frozen=True, slots=True)
class LiteLLM(System):
    """The most used gateway of the field, with a key and without a database."""

    def start(self, port: int, upstream: int, folder: Path) -> Start:
        """One worker, and no look-up of prices over the network."""
        config = folder / "litellm.yaml"
        config.write_text(_LITELLM.format(model=MODEL, upstream=upstream, key=KEY), "utf-8")
        return Start(
            [
                str(PEERS_PYTHON.with_name("litellm")),
                *("--config", str(config), "--host", "127.0.0.1", "--port", str(port)),
                *("--num_workers", "1", "--telemetry", "False"),
            ],
            {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
        )


@dataclass(frozen=True, slots=True)
class CrossModelGateway(System):
    """Ours with all that it does: key, limits, budgets, selection, metrics, witness log."""

    def start(self, port: int, upstream: int, folder: Path) -> Start:
        """``crossmodel serve`` with a key that has every limit, and models to choose among."""
        config = folder / "crossmodel.toml"
        specs = [
            _MODEL.format(id=name, quality=quality, price=price)
            for name, quality, price in (
                (MODEL, 0.7, 0.15),
                ("mock-large", 0.75, 2.5),
                ("mock-small", 0.4, 0.05),
                ("mock-old", 0.5, 0.5),
            )
        ]
        config.write_text(
            _CROSSMODEL.format(
                port=port,
                control=free_port(),
                folder=folder,
                upstream=upstream,
                models="".join(specs),
                scopes=_SCOPES,
            ),
            "utf-8",
        )
        return Start(
            [sys.executable, "-m", "crossmodel", "serve", "--config", str(config)],
            {"MOCK_KEY": "none", "CROSSMODEL_KEY": KEY},
        )


def systems() -> list[System]:
    """All of them, in the order in which they take turns."""
    return [
        Nginx("nginx", missing="" if shutil.which("nginx") else "nginx is not installed"),
        Starlette("Starlette + aiohttp", missing=_lacks("starlette", "aiohttp", "uvicorn")),
        CrossModelGateway(
            "CrossModel", models={MODEL: ", named model", "auto": ", `auto`"}, has_helpers=True
        ),
        LiteLLM("LiteLLM", missing=_lacks("litellm.proxy.proxy_server")),
    ]


def _lacks(*modules: str) -> str:
    """Why what needs these modules cannot run; importing them is the only way to know."""
    if not PEERS_PYTHON.exists():
        return "there is no .venv-bench: make bench sets it up"
    command = [str(PEERS_PYTHON), "-c", f"import {', '.join(modules)}"]
    tried = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - ours
    words = tried.stderr.strip().splitlines()
    return words[-1] if tried.returncode and words else ""
