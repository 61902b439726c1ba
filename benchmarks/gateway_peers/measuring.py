"""One system's turn: started, asked with 64, 1 and 16 connections, looked at, ended."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from gateway_peers.processes import (
    Cores,
    Running,
    Spent,
    free_port,
    on_core,
    rss_bytes,
    tree,
)
from gateway_peers.systems import KEY, MODEL, System

PATH: Final = "/v1/chat/completions"
MANY: Final = 64
STREAMS: Final = 16
START_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 0.5
WARM_UP_SECONDS: Final = 0.5
SLOW: Final = 500.0
"""Who answers fewer a second gets more time: else most of what it did would be under way."""
SLOW_FACTOR: Final = 4
_FROM, _UNTIL = 0.4, 0.9
"""The part of a load during which processor time is taken: all of the load is under way."""
_MIB: Final = 2**20
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the load generator said; times in µs."""

    rate: float
    first_byte: tuple[float, float]
    whole: tuple[float, float]
    failures: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of one row measured.

    Attributes:
        many: 64 connections.
        one: one connection.
        streams: 16 connections, streams.
        cpu: processor µs of a request in ``many``, less what idling takes.
        helpers: the same of its helpers, on the other core.
        busy: share of its core that it used in ``many``.
        waited: share of that time that it could have run and had to wait for the core.
        start: seconds from its start to its first answer.
        memory: MiB of what relays, after the start and after the load.
        memory_of_helpers: likewise of its helpers.
    """

    many: Load
    one: Load
    streams: Load
    cpu: float = 0.0
    helpers: float = 0.0
    busy: float = 0.0
    waited: float = 0.0
    start: float = 0.0
    memory: tuple[float, float] = (0.0, 0.0)
    memory_of_helpers: tuple[float, float] = (0.0, 0.0)

    @property
    def failures(self) -> int:
        """Requests that got no answer or an error for one."""
        return self.many.failures + self.one.failures + self.streams.failures


@dataclass(frozen=True, slots=True)
class Bench:
    """What all turns share: the load generator's and the upstream's command, cores and time."""

    load: Sequence[str]
    upstream: Sequence[str]
    cores: Cores
    seconds: float
    folder: Path

    @contextmanager
    def provider(self) -> Iterator[int]:
        """The upstream while it runs; gives its port."""
        port = free_port()
        with on_core(self.cores.rest):
            running = Running.start([*self.upstream, str(port)], self.folder / "upstream.log")
        try:
            self.first_answer(running, port, MODEL)
            yield port
        finally:
            running.stop()

    def direct(self, upstream: int) -> Turn:
        """The upstream without anything before it: the ceiling of what can be measured here."""
        many = self.ask(upstream, body(MODEL), MANY, self.seconds)
        return Turn(many, *self._small_loads(upstream, MODEL, self.seconds))

    def turn(self, system: System, upstream: int) -> dict[str, Turn]:
        """One start of a system, and what each of its models measured."""
        port = free_port()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        how = system.start(port, upstream, folder)
        with on_core(self.cores.proxy):
            running = Running.start(how.command, folder / "words", how.env)
        try:
            model = next(iter(system.models))
            took = self.first_answer(running, port, model)
            if system.has_helpers:
                running.move_children(self.cores.rest)
            before = _memory(running.pid, system)
            measured = {
                system.name + told: self._measured(system, running, port, model)
                for model, told in system.models.items()
            }
            after = _memory(running.pid, system)
            running.check()
        finally:
            running.stop()
        return {
            name: replace(
                turn,
                start=took,
                memory=(before[0], after[0]),
                memory_of_helpers=(before[1], after[1]),
            )
            for name, turn in measured.items()
        }

    def first_answer(self, running: Running, port: int, model: str) -> float:
        """Seconds from the start of a process to its first answer.

        Raises:
            RuntimeError: if there is none, with the words of the process.
        """
        said: object = "nothing"
        while (took := time.perf_counter() - running.started) < START_SECONDS:
            running.check()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
            try:
                headers = {
                    "Authorization": f"Bearer {KEY}",
                    "Content-Type": "application/json",
                }
                connection.request("POST", PATH, body(model), headers)
                answer = connection.getresponse()
                said = answer.status, answer.read()[:500]
                if answer.status == _OK:
                    return time.perf_counter() - running.started
            except OSError as error:
                said = error
            finally:
                connection.close()
            time.sleep(0.005)
        words = running.log.read_text("utf-8", "replace")[-2000:]
        raise RuntimeError(f"no answer after {took:.0f} s: {said}\n{words}")

    def _measured(self, system: System, running: Running, port: int, model: str) -> Turn:
        warm = self.ask(port, body(model), MANY, WARM_UP_SECONDS)
        seconds = self.seconds * (SLOW_FACTOR if warm.rate < SLOW else 1)
        if system.has_helpers:
            running.move_children(self.cores.rest)
        idle = self._use(running, system, IDLE_SECONDS)
        with self.asking(port, body(model), MANY, seconds) as load:
            time.sleep(seconds * _FROM)
            used = self._use(running, system, seconds * (_UNTIL - _FROM))
        many = _said(load)
        rate = max(many.rate, 1e-9)
        return Turn(
            many,
            *self._small_loads(port, model, seconds),
            cpu=max(0.0, used.own - idle.own) / rate * 1e6,
            helpers=max(0.0, used.helpers - idle.helpers) / rate * 1e6,
            busy=used.own,
            waited=used.waited,
        )

    @staticmethod
    def _use(running: Running, system: System, seconds: float) -> _Use:
        """What a system and its helpers use, over so long from now."""
        before, began = _spent(running.pid, system), time.perf_counter()
        time.sleep(seconds)
        after, wall = _spent(running.pid, system), time.perf_counter() - began
        return _Use(*((late - early) / wall for early, late in zip(before, after, strict=True)))

    def _small_loads(self, port: int, model: str, seconds: float) -> tuple[Load, Load]:
        one = self.ask(port, body(model), 1, self.seconds)
        return one, self.ask(port, body(model, stream=True), STREAMS, seconds, streams=True)

    def ask(
        self, port: int, request: bytes, connections: int, seconds: float, *, streams: bool = False
    ) -> Load:
        """One run of the load generator."""
        with self.asking(port, request, connections, seconds) as load:
            pass
        return _said(load, streams=streams)

    @contextmanager
    def asking(
        self, port: int, request: bytes, connections: int, seconds: float
    ) -> Iterator[subprocess.Popen[bytes]]:
        """One run of the load generator while it goes on; ends when it has ended."""
        with tempfile.NamedTemporaryFile(dir=self.folder) as file:
            file.write(request)
            file.flush()
            arguments = [str(port), PATH, str(connections), str(seconds), file.name]
            with on_core(self.cores.rest):
                load = subprocess.Popen(  # noqa: S603 - ours
                    [*self.load, *arguments],
                    stdout=subprocess.PIPE,
                    env={**os.environ, "BENCH_KEY": KEY},
                )
            try:
                yield load
                load.wait()
            finally:
                load.kill()


def _said(load: subprocess.Popen[bytes], *, streams: bool = False) -> Load:
    """What the load generator printed; a stream without its last event is a failure."""
    said = json.loads(load.communicate()[0])
    cut = max(0, said["n"] - said["dones"]) if streams else 0
    return Load(
        said["rps"],
        (said["ttfb50"], said["ttfb99"]),
        (said["p50"], said["p99"]),
        said["err"] + said["non200"] + cut,
    )


def body(model: str, *, stream: bool = False) -> bytes:
    """A small chat request, without white space."""
    asked = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Say in one sentence what a load balancer is good for."},
        ],
        "temperature": 0.7,
        "max_tokens": 64,
        **({"stream": True} if stream else {}),
    }
    return json.dumps(asked, separators=(",", ":")).encode()


class _Use(NamedTuple):
    """Shares of a core, or seconds of it: of what relays, of its helpers; what the first waited."""

    own: float
    helpers: float
    waited: float


def _spent(pid: int, system: System) -> _Use:
    relays, helpers = _shared_out(pid, system)
    own = [Spent.of(each) for each in relays]
    return _Use(
        sum(each.used for each in own),
        sum(Spent.of(each).used for each in helpers),
        sum(each.waited for each in own),
    )


def _memory(pid: int, system: System) -> tuple[float, float]:
    """MiB of what relays, and of its helpers."""
    relays, helpers = _shared_out(pid, system)
    return sum(map(rss_bytes, relays)) / _MIB, sum(map(rss_bytes, helpers)) / _MIB


def _shared_out(pid: int, system: System) -> tuple[list[int], list[int]]:
    """The processes that relay, and those that help."""
    family = tree(pid)
    return (family[:1], family[1:]) if system.has_helpers else (family, [])
