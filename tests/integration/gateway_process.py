"""A gateway to attack: ``crossmodel serve`` as a process of its own, and providers that misbehave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from upstreams.clients import RawClient, Response, request

PROVIDER_KEY = "sk-the-providers-own-key-4711"
CHAT = "/v1/chat/completions"
START_SECONDS = 30.0


def chat(model: str = "text", text: str = "hello", **more: Any) -> dict[str, Any]:
    """A request of a conversation."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def ask(model: str = "text", headers: Iterable[tuple[str, str]] = (), **more: Any) -> bytes:
    """The bytes of a well-formed request."""
    return request("POST", CHAT, chat(model, **more), headers)


class GatewayProcess:
    """Runs ``crossmodel serve``; use it in ``with``.

    Args:
        folder: where its settings, state and log are.
        providers: base URL of each provider, by its id.
        models: the provider of each model, by the id that clients ask for and providers know.
        gateway: more of the ``[gateway]`` section; ``limits`` among them.
        more: the rest of the settings, as TOML.
        tls: what clients speak TLS with.
        kinds: the dialects of providers that do not speak OpenAI's.
        environment: variables that it gets.
    """

    def __init__(
        self,
        folder: Path,
        providers: Mapping[str, str],
        models: Mapping[str, str],
        *,
        gateway: Mapping[str, Any] | None = None,
        more: str = "",
        tls: ssl.SSLContext | None = None,
        kinds: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.tls = tls
        self.config = folder / "crossmodel.toml"
        self.environment = {"MOCK_KEY": PROVIDER_KEY, **(environment or {})}
        self.write_settings(providers, models, gateway=gateway, more=more, kinds=kinds)
        self.log_path = folder / "gateway.log"
        self.process: subprocess.Popen[str]
        self.host, self.port, self.control_url = "127.0.0.1", 0, ""

    def write_settings(
        self,
        providers: Mapping[str, str],
        models: Mapping[str, str],
        *,
        gateway: Mapping[str, Any] | None = None,
        more: str = "",
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        """Write the settings file."""
        given = {"listen": "127.0.0.1:0", "control": "127.0.0.1:0", **(gateway or {})}
        limits = given.pop("limits", {})
        lines = ["[gateway]", *(f"{k} = {json.dumps(v)}" for k, v in given.items())]
        lines += ["[gateway.limits]", *(f"{k} = {v}" for k, v in limits.items())]
        lines += [
            "[store]", f'url = "sqlite:///{self.folder}/state.db"',
            "[witness]", f'key_dir = "{self.folder}/keys"', more,
        ]  # fmt: skip
        for name, url in providers.items():
            kind = (kinds or {}).get(name, "openai")
            lines += [
                "[[providers]]", f'id = "{name}"', f'kind = "{kind}"', f'base_url = "{url}"',
                'api_key_env = "MOCK_KEY"', "timeout_seconds = 20",
            ]  # fmt: skip
        for name, provider in models.items():
            lines += [
                "[[models]]", f"id = {json.dumps(name)}", f'provider = "{provider}"',
                f"name = {json.dumps(name)}", "quality = 0.5", "input_price = 0.1",
                "output_price = 0.2",
            ]  # fmt: skip
        self.config.write_text("\n".join(lines) + "\n")

    def start(self) -> Self:
        """Start it and wait until it listens.

        Raises:
            RuntimeError: with what it said, if it ends instead.
        """
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "crossmodel", "serve", "--config", str(self.config), "--json"],
                cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True,
                env=os.environ | self.environment,
            )  # fmt: skip
        assert self.process.stdout is not None
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        said = ""
        for line in self.process.stdout:
            said += line
            with contextlib.suppress(ValueError):
                where = json.loads(said)
                break
        else:
            self.process.stdout.close()
            self.process.wait()
            raise RuntimeError(self.log)
        timer.cancel()
        url = urlsplit(where["url"])
        self.port, self.control_url = url.port or 0, where["control_url"]
        return self

    def stop(self) -> int:
        """Tell it to end; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def connect(self, timeout: float = 10.0) -> RawClient:
        """A connection to it."""
        return RawClient(
            self.host, self.port, timeout=timeout, tls=self.tls, server_name="localhost"
        )

    def exchange(self, data: bytes, method: str = "POST", timeout: float = 10.0) -> Response:
        """Send bytes on a connection of their own; the first answer."""
        with self.connect(timeout) as client:
            with contextlib.suppress(OSError):  # it may have been refused before it was all sent
                client.send(data)
            return client.read_response(method)

    @property
    def log(self) -> str:
        """What it has said."""
        return self.log_path.read_text()

    @property
    def memory(self) -> int:
        """Bytes of memory that it holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def assert_well(self) -> None:
        """It lives, answers, and has said nothing of a failure of its own."""
        assert self.process.poll() is None, self.log
        answer = self.exchange(ask())
        assert (answer.status, answer.ended) == (200, "complete"), answer
        for word in ("Traceback", "Error:", "Task was destroyed", "never retrieved", "Exception"):
            assert word not in self.log, self.log


Script = Callable[[socket.socket, bytes, int], None]


class SocketProvider:
    """A provider that answers byte for byte what a test scripts.

    ``script(connection, request, number)`` is called for each whole request; ``number`` counts the
    connections from 1. A connection is read on until the script or the peer has closed it.
    """

    def __init__(self, script: Script | bytes) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._open: list[socket.socket] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        thread = threading.Thread(target=self._accept)
        thread.start()
        try:
            yield self
        finally:
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    def reset(self, script: Script | bytes) -> None:
        """Answer like this from now on, on new connections."""
        self.script = script
        self.requests.clear()
        self.connections = 0

    def _accept(self) -> None:
        threads = []
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection, self.connections))
                thread.start()
                threads.append(thread)
        for thread in threads:
            thread.join(5)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection:
            while True:
                asked = _read_request(connection)
                if asked is None:
                    return
                self.requests.append(asked)
                if isinstance(self.script, bytes):
                    connection.sendall(self.script)
                else:
                    self.script(connection, asked, number)


def _read_request(connection: socket.socket) -> bytes | None:
    data = b""
    while b"\r\n\r\n" not in data:
        got = connection.recv(65536)
        if not got:
            return None
        data += got
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        got = connection.recv(65536)
        if not got:
            return None
        body += got
    return head + b"\r\n\r\n" + body


def wait_for(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until that holds.

    Raises:
        AssertionError: if it does not within ``seconds``.
    """
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "it has not come to that"
        time.sleep(0.02)
