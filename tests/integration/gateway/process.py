"""Starts a gateway as a process of its own, makes clients for it, and ends it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anthropic
import httpx
import openai
from upstreams.clients import RawClient, Response

START_SECONDS = 20
STOP_SECONDS = 20
REQUEST_ID = "x-crossmodel-request-id"


class Gateway:
    """A gateway process over its own store and keys; use it in ``with``.

    Args:
        folder: where its settings, store, keys and log are.
        settings: what stands in the settings file besides the addresses and the store.
        environment: variables that the settings name.
        key: the client key that clients show unless told otherwise.

    Attributes:
        url: where clients reach it; ``control_url`` likewise for operators.
        answered: the ids of all requests that clients of ours got, in order.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], environment: Mapping[str, str], key: str
    ) -> None:
        self.folder = folder
        self.config = folder / "crossmodel.toml"
        self.log = folder / "gateway.log"
        self.key = key
        self.url = self.control_url = ""
        self.answered: list[str] = []
        self.environment = os.environ | {"PYTHONWARNINGS": "error", "COLUMNS": "200"} | environment
        self._process: subprocess.Popen[str] | None = None
        self.configure(settings)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Write its settings file; a gateway that runs reads it again when it is told to."""
        given = {
            "store": {"url": f"sqlite:///{self.folder}/state.db"},
            "witness": {"key_dir": str(self.folder / "keys")},
            **settings,
        }
        given["gateway"] = {
            "listen": "127.0.0.1:0", "control": "127.0.0.1:0", **given.get("gateway", {}),
        }  # fmt: skip
        lines = [f"{name} = {_toml(value)}\n" for name, value in given.items()]
        self.config.write_text("".join(lines), "utf-8")

    def start(self) -> Self:
        """Start it and wait until it is ready.

        Raises:
            RuntimeError: if it ends or is not ready in time; its log is in the message.
        """
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "crossmodel", "serve", "--config", self.config, "--json"],
                stdout=subprocess.PIPE, stderr=log, text=True, env=self.environment,
            )  # fmt: skip
        assert self._process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = self._process.stdout.readline()
            if not line:
                self._process.stdout.close()
                self._process.wait()
                raise RuntimeError(f"it did not start: {self.log.read_text()}")
            said += line
        addresses = json.loads(said)
        self.url, self.control_url = addresses["url"], addresses["control_url"]
        give_up = time.monotonic() + START_SECONDS
        while self.control("GET", "/readyz")[0] != 200:
            if time.monotonic() > give_up:
                raise RuntimeError(f"it is not ready: {self.log.read_text()}")
            time.sleep(0.02)
        return self

    def stop(self) -> int:
        """Ask it to end, and wait; the exit code."""
        process, self._process = self._process, None
        assert process is not None, "it is not running"
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None, "it is not running"
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended by itself, or was killed; the exit code."""
        process, self._process = self._process, None
        assert process is not None, "it is not running"
        assert process.stdout is not None
        process.stdout.close()
        return process.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            code = self.stop()
            assert code == 0, (code, self.log.read_text())

    # clients

    def openai(self, key: str | None = None, **more: Any) -> openai.OpenAI:
        """The vendor's client."""
        noting = openai.DefaultHttpxClient(event_hooks={"response": [self._note]})
        return openai.OpenAI(**self._v1(key, more), http_client=noting)

    def async_openai(self, **more: Any) -> openai.AsyncOpenAI:
        """The vendor's client on asyncio."""
        noting = openai.DefaultAsyncHttpxClient(event_hooks={"response": [self._anote]})
        return openai.AsyncOpenAI(**self._v1(None, more), http_client=noting)

    def claude(self, key: str | None = None, **more: Any) -> anthropic.Anthropic:
        """The other vendor's."""
        noting = anthropic.DefaultHttpxClient(event_hooks={"response": [self._note]})
        return anthropic.Anthropic(**self._given(key, more), http_client=noting)

    def async_claude(self, **more: Any) -> anthropic.AsyncAnthropic:
        """The other vendor's on asyncio."""
        noting = anthropic.DefaultAsyncHttpxClient(event_hooks={"response": [self._anote]})
        return anthropic.AsyncAnthropic(**self._given(None, more), http_client=noting)

    def connect(self) -> RawClient:
        """A connection that sends any bytes."""
        host, port = self.url.removeprefix("http://").split(":")
        return RawClient(host, int(port), timeout=15)

    def ask(
        self,
        path: str,
        body: Any,
        headers: Iterable[tuple[str, str]] = (),
        *,
        method: str = "POST",
        key: str | None = None,
    ) -> Response:
        """One request on a connection of its own."""
        with self.connect() as client:
            shown = [*headers, ("authorization", f"Bearer {key or self.key}")]
            response = client.ask(method, path, body, shown)
        if (name := response.header(REQUEST_ID)) is not None:
            self.answered.append(name)
        return response

    def _v1(self, key: str | None, more: dict[str, Any]) -> dict[str, Any]:
        return {**self._given(key, more), "base_url": f"{self.url}/v1"}

    def _given(self, key: str | None, more: dict[str, Any]) -> dict[str, Any]:
        given = {"base_url": self.url, "api_key": key or self.key, "max_retries": 0, "timeout": 15}
        return given | more

    def _note(self, response: httpx.Response) -> None:
        if REQUEST_ID in response.headers:
            self.answered.append(response.headers[REQUEST_ID])

    async def _anote(self, response: httpx.Response) -> None:
        self._note(response)

    # operators

    def control(self, method: str, path: str) -> tuple[int, str]:
        """One request to the control plane: status and body."""
        asked = urllib.request.Request(self.control_url + path, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        _, text = self.control("GET", "/metrics")
        total = 0.0
        for line in text.splitlines():
            match = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
            if match is None or match[1] != name:
                continue
            found = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            if labels.items() <= found.items():
                total += float(match[3])
        return total

    def wait_until_idle(self, seconds: float = 5.0) -> None:
        """Until nothing is in flight to any endpoint.

        Raises:
            TimeoutError: if something still is.
        """
        give_up = time.monotonic() + seconds
        while (left := self.metric("crossmodel_endpoint_requests_in_flight")) != 0:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{left:.0f} requests are in flight after {seconds} s")
            time.sleep(0.01)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``crossmodel`` with the gateway's settings."""
        return subprocess.run(
            [sys.executable, "-m", "crossmodel", *arguments, "--config", str(self.config)],
            capture_output=True, text=True, check=False, timeout=120, env=self.environment,
        )  # fmt: skip


def _toml(value: Any) -> str:
    """A value as TOML has it within a line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, datetime):
        return value.isoformat()
    with contextlib.suppress(TypeError):
        return json.dumps(value)
    raise TypeError(f"TOML has no {type(value).__name__}")
