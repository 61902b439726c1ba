"""Whether a failed request is sent again, how many of them are, and after which wait."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable

from crossmodel.balancing.config import LoadBalancerConfig

WINDOW_SECONDS = 10.0
"""Over about this time requests earn retries; what is not used by then fades."""

FADED_EVERY = 0.01
"""Seconds between two reckonings of what has faded: a thousandth of the window."""

REQUEST_TIMEOUT, TOO_MANY_REQUESTS, SERVER_ERROR, LAST_STATUS = 408, 429, 500, 599
HOPELESS = frozenset({501, 505})
"""Not implemented, HTTP version not supported: the same request meets the same end."""

MOST_DOUBLINGS = 60


def may_retry(status: int | None, *, begun: bool) -> bool:
    """Whether a failed request may be sent again, as far as the failure goes.

    Args:
        status: HTTP status of the answer; ``None`` if none came: no connection, or it broke.
        begun: whether the client has been sent a byte of an answer. It must not get two.

    Returns:
        True before the first byte for a broken connection, 408, 429 and 5xx but 501 and 505.
    """
    if begun:
        return False
    if status is None or status in {REQUEST_TIMEOUT, TOO_MANY_REQUESTS}:
        return True
    return SERVER_ERROR <= status <= LAST_STATUS and status not in HOPELESS


def backoff_seconds(retry: int, config: LoadBalancerConfig, chance: random.Random) -> float:
    """Wait before the ``retry``-th retry, counted from 1.

    Exponential with full jitter: evenly from 0 to ``min(max_retry_wait_seconds,
    retry_wait_seconds * 2^(retry - 1))`` (M. Brooker, "Exponential Backoff And Jitter", 2015), so
    that clients which failed together do not come back together.
    """
    doubled = config.retry_wait_seconds * 2.0 ** max(0, min(retry - 1, MOST_DOUBLINGS))
    return chance.random() * min(doubled, config.max_retry_wait_seconds)


class RetryBudget:
    """Bounds retries to a share of requests, so that they cannot multiply an outage.

    A token bucket as Finagle's ``RetryBudget``: each request earns ``retry_budget`` of a retry,
    each retry spends a whole one, and ``min_retries_per_second`` are granted besides. Both earnings
    and spendings fade by ``exp(-dt / 10 s)`` instead of expiring in windows. Over a time ``T``
    no more than ``retry_budget * requests + min_retries_per_second * (T + 10 s)`` pass.

    Args:
        config: read at each decision.
        clock: monotonic seconds.
    """

    __slots__ = ("_balance", "_clock", "_config", "_updated")

    def __init__(
        self, config: LoadBalancerConfig, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._clock = clock
        self._balance = 0.0  # earned less spent
        self._updated = clock()

    def request(self) -> None:
        """A request came in: not a retry."""
        if self._clock() - self._updated > FADED_EVERY:  # what lies between makes no difference
            self._fade()
        self._balance += self._config.retry_budget

    def try_spend(self) -> bool:
        """Whether one more retry may be sent now; it is counted if so."""
        self._fade()
        if self.available() < 1.0:
            return False
        self._balance -= 1.0
        return True

    def available(self) -> float:
        """How many retries are left, as of the last request or retry."""
        return self._balance + self._config.min_retries_per_second * WINDOW_SECONDS

    def _fade(self) -> None:
        now = self._clock()
        elapsed = now - self._updated
        if elapsed > 0.0:
            self._balance *= math.exp(-elapsed / WINDOW_SECONDS)
            self._updated = now
