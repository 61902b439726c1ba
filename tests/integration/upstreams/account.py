"""What the upstream saw: one record for each request, and what is going on now.

Moments are seconds of ``time.monotonic``, one clock for all processes of a machine. When a peer
left only it can know: a test takes its own reading as it leaves; ``left_at`` less that is how long
the news took. A peer that closes one half only counts as one that left.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

RECORDS_KEPT = 10_000
BODY_KEPT = 256 * 1024


@dataclass(slots=True)
class Record:
    """One request and how its answer went.

    Attributes:
        connection: number of the connection it came on, from 1.
        headers: name and value as sent, in order.
        body: as UTF-8, of at most ``BODY_KEPT`` bytes; ``body_sha256`` is of all of it.
        arrived_at: when its head was complete; ``received_at``: all of it.
        left_at: when it was noticed that the peer had left before the end.
        written: bytes of the answer that went to the kernel; if the peer reset the connection, the
            64 KiB or so that still waited for it count too.
        outcome: ``running``, ``complete``, ``left`` (the peer did), or the fault that ended it.
    """

    number: int
    connection: int
    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    trailers: list[tuple[str, str]]
    body: str
    body_sha256: str
    body_bytes: int
    arrived_at: float
    received_at: float
    model: str | None = None
    status: int | None = None
    first_byte_at: float | None = None
    ended_at: float | None = None
    left_at: float | None = None
    written: int = 0
    events: int = 0
    outcome: str = "running"


@dataclass(slots=True)
class Account:
    """All that was seen since the start or the last reset.

    Attributes:
        malformed: what was wrong with each request that was refused as no HTTP.
        abandoned: requests whose peer left before it had sent all of them.
    """

    records: deque[Record] = field(default_factory=lambda: deque(maxlen=RECORDS_KEPT))
    malformed: deque[str] = field(default_factory=lambda: deque(maxlen=RECORDS_KEPT))
    total: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    connections: int = 0
    open_connections: int = 0
    most_open_connections: int = 0
    refused_connections: int = 0
    health_checks: int = 0
    abandoned: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def begin(self, record: Record) -> None:
        self.total += 1
        record.number = self.total
        self.records.append(record)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def end(self, record: Record, outcome: str) -> None:
        self.in_flight -= 1
        record.ended_at = time.monotonic()
        record.outcome = outcome

    def opened(self) -> int:
        """Counts a connection; returns its number."""
        self.connections += 1
        self.open_connections += 1
        self.most_open_connections = max(self.most_open_connections, self.open_connections)
        return self.connections

    def fails_again(self, key: str, times: int) -> bool:
        """Whether what ``key`` names has failed fewer than ``times`` times; counts it if so."""
        if self.failures[key] >= times:
            return False
        self.failures[key] += 1
        return True

    def reset(self) -> None:
        """Forgets what is over; what runs and is open stays counted."""
        self.records.clear()
        self.malformed.clear()
        self.failures.clear()
        self.total = self.connections = self.refused_connections = 0
        self.health_checks = self.abandoned = 0
        self.most_in_flight = self.in_flight
        self.most_open_connections = self.open_connections

    def as_json(self, last: int | None = None) -> dict[str, Any]:
        """All of it, with the newest ``last`` records only if a number is given."""
        records = list(self.records)
        if last is not None:
            records = records[max(0, len(records) - last) :]
        return {
            "requests": [asdict(record) for record in records],
            "malformed": list(self.malformed),
            "total": self.total,
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "connections": self.connections,
            "open_connections": self.open_connections,
            "most_open_connections": self.most_open_connections,
            "refused_connections": self.refused_connections,
            "abandoned": self.abandoned,
            "health_checks": self.health_checks,
            "now": time.monotonic(),
        }


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
