"""How often somebody may try to sign in."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

SECONDS: Final = 300.0
"""How long a failure counts."""

PER_ADDRESS: Final = 10
PER_NAME: Final = 30
"""Failures within that time, of one address and of one name from any address: of a name more, so
that a stranger does not lock a user out with the first few guesses."""

REMEMBERED: Final = 10_000
"""Addresses and names that are remembered at a time; who failed longest ago is forgotten first."""


class Attempts:
    """Counts failures to sign in, in bounded memory. For one event loop.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def wait_seconds(self, address: str, name: str) -> float:
        """How long they must wait before they may try; 0 for not at all."""
        now = self._clock()
        return max(self._wait(key, most, now) for key, most in _keys(address, name))

    def failed(self, address: str, name: str) -> None:
        """Count a failure."""
        now = self._clock()
        for key, most in _keys(address, name):
            times = self._failures.setdefault(key, deque(maxlen=most))
            times.append(now)
            self._failures.move_to_end(key)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def _wait(self, key: tuple[str, str], most: int, now: float) -> float:
        times = self._failures.get(key)
        if times is None or len(times) < most:
            return 0.0
        return max(0.0, times[0] + SECONDS - now)


def _keys(address: str, name: str) -> tuple[tuple[tuple[str, str], int], ...]:
    return (("address", _network(address)), PER_ADDRESS), (("name", name[:256]), PER_NAME)


def _network(address: str) -> str:
    """An IPv6 address counts with its /64, all of which a single customer usually has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found, 64), strict=False))
    return str(found)
