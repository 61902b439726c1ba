"""A closed loop of HTTP/1.1 requests: each connection asks again as soon as it has its answer.

``python load.py PORT PATH CONNECTIONS SECONDS BODY_FILE`` prints one JSON object; times are in µs,
from the first byte written to the first of the body (``ttfb``) and to the end. The bearer token is
in the environment, as ``BENCH_KEY``. Any program that does the same can stand in for it.

It takes some 10 µs a request itself, so it can be what is slowest: whoever quotes its figures
measures the upstream directly first, and looks at how busy the measured process was.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import httptools
import uvloop

GRACE_SECONDS: Final = 5.0
"""How long answers that are under way at the end are waited for."""

TAIL: Final = 32
"""Bytes at the end of a body that tell whether a stream has had its last event."""

_OK: Final = 200


@dataclass(slots=True)
class Tally:
    """What came back; times in seconds."""

    first_byte: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    errors: int = 0
    not_ok: int = 0
    ended: int = 0
    size: int = 0


class Caller(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_ends_at",
        "_first",
        "_parser",
        "_request",
        "_started",
        "_tail",
        "_tally",
        "_transport",
    )

    _transport: asyncio.Transport

    def __init__(self, request: bytes, ends_at: float, tally: Tally) -> None:
        self._request = request
        self._ends_at = ends_at
        self._tally = tally
        self._parser = httptools.HttpResponseParser(self)
        self._started = self._first = 0.0
        self._tail = b""

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to come."""
        return self._started > 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks at once."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's derive from nothing
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Some of an answer."""
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        """Some of its body."""
        if not self._first:
            self._first = time.perf_counter()
        self._tally.size += len(data)
        self._tail = data[-TAIL:] if len(data) >= TAIL else (self._tail + data)[-TAIL:]

    def on_message_complete(self) -> None:
        """The answer is whole."""
        now = time.perf_counter()
        tally = self._tally
        if now <= self._ends_at:
            tally.first_byte.append((self._first or now) - self._started)
            tally.whole.append(now - self._started)
        if self._parser.get_status_code() != _OK:
            tally.not_ok += 1
        if b"[DONE]" in self._tail:
            tally.ended += 1
        self._started = 0.0
        if now < self._ends_at:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Nothing more will come."""
        if self.is_waiting:
            self._tally.errors += 1
            self._started = 0.0

    def close(self) -> None:
        """Lets go of the connection."""
        self._transport.close()

    def _ask(self) -> None:
        self._tail = b""
        self._first = 0.0
        self._started = time.perf_counter()
        self._transport.write(self._request)


async def run(port: int, request: bytes, connections: int, seconds: float) -> Tally:
    """Asks on so many connections for so long; a lost one is opened again."""
    loop = asyncio.get_running_loop()
    tally = Tally()
    ends_at = time.perf_counter() + seconds

    async def call() -> Caller:
        made = Caller(request, ends_at, tally)
        await loop.create_connection(lambda: made, "127.0.0.1", port)
        return made

    callers = [await call() for _ in range(connections)]
    while (now := time.perf_counter()) < ends_at + GRACE_SECONDS:
        if now < ends_at:
            callers = [each if each.is_waiting else await call() for each in callers]
        elif not any(each.is_waiting for each in callers):
            break
        await asyncio.sleep(0.02)
    for each in callers:
        each.close()
    return tally


def quantile(ordered: list[float], share: float) -> float:
    """The value below which ``share`` of them lie, in µs; -1 for none."""
    return ordered[int(share * (len(ordered) - 1))] * 1e6 if ordered else -1.0


def summary(tally: Tally, seconds: float) -> dict[str, float]:
    """The figures."""
    first, whole = sorted(tally.first_byte), sorted(tally.whole)
    return {
        "n": len(whole),
        "rps": len(whole) / seconds,
        "err": tally.errors,
        "non200": tally.not_ok,
        "dones": tally.ended,
        "ttfb50": quantile(first, 0.5),
        "ttfb99": quantile(first, 0.99),
        "p50": quantile(whole, 0.5),
        "p90": quantile(whole, 0.9),
        "p99": quantile(whole, 0.99),
        "bytes": tally.size,
    }


def main(port: str, path: str, connections: str, seconds: str, body: str) -> None:
    """Reads what is to be sent, sends it and prints the figures."""
    data = Path(body).read_bytes()
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        f"Authorization: Bearer {os.environ.get('BENCH_KEY', 'none')}",
    ]
    request = "\r\n".join([*lines, "", ""]).encode() + data
    tally = uvloop.run(run(int(port), request, int(connections), float(seconds)))
    sys.stdout.write(json.dumps(summary(tally, float(seconds))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
