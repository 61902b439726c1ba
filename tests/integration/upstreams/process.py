"""Starts an upstream as a process of its own, asks it what it saw, and ends it."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SERVER = Path(__file__).with_name("server.py")


class Upstream:
    """An upstream process; use it in ``with``, or call ``start`` and ``stop``.

    It ends with the process that started it, even if that one is killed. After ``stop``, ``start``
    brings it back on the port that it had.

    Args:
        port: where it listens, on 127.0.0.1; 0 for any free port.
        tls: a PEM file with a key and its certificate, to speak TLS with; None for plain HTTP.
    """

    def __init__(self, port: int = 0, tls: Path | None = None) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self.tls = tls
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Starts it and waits until it listens.

        Raises:
            RuntimeError: if it ends instead; its own words are on standard error.
        """
        command = [sys.executable, "-I", "-S", str(SERVER), "--port", str(self.port), "--tied"]
        if self.tls is not None:
            command += ["--tls", str(self.tls)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        said = self._process.stdout.readline().split()
        if said[:1] != ["listening"]:
            self.stop()
            raise RuntimeError(f"the upstream did not start: {said}")
        self.port = int(said[1])
        return self

    def stop(self) -> None:
        """Ends it, and every connection with it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the upstream is not running"
        return self._process.pid

    @property
    def url(self) -> str:
        """What the ``anthropic`` package takes as its base URL; OpenAI's has ``/v1`` after it."""
        return f"{'http' if self.tls is None else 'https'}://{self.host}:{self.port}"

    @property
    def v1(self) -> str:
        return f"{self.url}/v1"

    def ask(self, method: str, path: str, told: Any = None) -> Any:
        """One request to what is no part of a dialect; while it refuses connections, waits."""
        body = None if told is None else json.dumps(told).encode()
        give_up = time.monotonic() + 10
        while True:
            connection = self._connection()
            try:
                connection.request(method, path, body)
                answer = connection.getresponse()
                value = json.loads(answer.read())
            except (ConnectionError, http.client.RemoteDisconnected):
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)
            else:
                assert path == "/health" or answer.status == 200, (path, answer.status)
                return value
            finally:
                connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=10)
        context = ssl.create_default_context(cafile=self.tls)
        return http.client.HTTPSConnection(self.host, self.port, timeout=10, context=context)

    def seen(self, last: int | None = None) -> dict[str, Any]:
        """What it saw: the fields of ``account.Account``, records under ``requests``."""
        path = "/_seen" if last is None else f"/_seen?last={last}"
        seen: dict[str, Any] = self.ask("GET", path)
        return seen

    def last(self) -> dict[str, Any]:
        """The newest record."""
        record: dict[str, Any] = self.seen(1)["requests"][-1]
        return record

    def reset(self) -> None:
        """Forgets what it saw and was told."""
        self.ask("POST", "/_reset")

    def set_health(self, status: int) -> None:
        """What ``/health`` answers from now on."""
        self.ask("POST", "/_health", {"status": status})

    def behave(self, behaviour: str) -> None:
        """Adds words to what every model's name says, until told otherwise; "" for none.

        Raises:
            AssertionError: if a word is unknown.
        """
        self.ask("POST", "/_behave", {"behaviour": behaviour})

    def wait_until(
        self, holds: Callable[[dict[str, Any]], bool], seconds: float = 5.0
    ) -> dict[str, Any]:
        """What it saw, as soon as that holds.

        Raises:
            TimeoutError: if it does not within ``seconds``.
        """
        give_up = time.monotonic() + seconds
        while not holds(seen := self.seen()):
            if time.monotonic() > give_up:
                raise TimeoutError(f"after {seconds} s the upstream has seen {seen}")
            time.sleep(0.005)
        return seen

    def idle(self, seconds: float = 5.0) -> dict[str, Any]:
        """What it saw, as soon as nothing is in flight."""
        return self.wait_until(lambda seen: seen["in_flight"] == 0, seconds)
