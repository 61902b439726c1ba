"""Active health checks: which are due, and what their results mean. Who makes them is elsewhere."""

from __future__ import annotations

import random as _random
import time
from collections.abc import Callable, Iterable

from crossmodel.balancing.config import LoadBalancerConfig

JITTER = 0.1
"""An interval is shorter or longer by up to this share, so that checks drift apart."""


class _Watched:
    __slots__ = ("due_at", "healthy", "streak")

    def __init__(self, due_at: float) -> None:
        self.due_at = due_at
        self.healthy = True
        self.streak = 0  # results in a row that contradict ``healthy``


class HealthSchedule:
    """When to check each endpoint, and whether it is healthy by what the checks found.

    An endpoint is healthy until ``unhealthy_after`` checks in a row failed, and then unhealthy
    until ``healthy_after`` in a row passed. First checks are spread evenly over one interval.

    Args:
        endpoints: their ids.
        config: read at each decision.
        clock: monotonic seconds.
        random: chance for the spread.
    """

    __slots__ = ("_chance", "_clock", "_config", "_watched")

    def __init__(
        self,
        endpoints: Iterable[str],
        config: LoadBalancerConfig,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: _random.Random | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._chance = random or _random.Random()  # noqa: S311 - chance, not secrecy
        self._watched: dict[str, _Watched] = {}
        self.set_endpoints(endpoints)

    def set_endpoints(self, ids: Iterable[str]) -> None:
        """Replace the endpoints; what is known of those that stay is kept."""
        now = self._clock()
        interval = self._config.health_check_interval
        self._watched = {
            name: self._watched.get(name) or _Watched(now + interval * self._chance.random())
            for name in ids
        }

    def due(self) -> list[str]:
        """The endpoints to check now, longest overdue first; each is due again an interval later.

        An interval is at least ``health_check_timeout``, so no two checks of one overlap.
        """
        now = self._clock()
        due = [(w.due_at, name) for name, w in self._watched.items() if w.due_at <= now]
        for _, name in due:
            jitter = 1.0 + JITTER * (2.0 * self._chance.random() - 1.0)
            pause = max(
                self._config.health_check_interval * jitter, self._config.health_check_timeout
            )
            self._watched[name].due_at = now + pause
        return [name for _, name in sorted(due)]

    def record(self, id: str, *, passed: bool) -> bool | None:  # noqa: A002 - the word for it
        """Note a result.

        Returns:
            Whether the endpoint is healthy now, to be told to the balancer; ``None`` if it has
            gone since the check began.
        """
        watched = self._watched.get(id)
        if watched is None:
            return None
        if passed is watched.healthy:
            watched.streak = 0
            return watched.healthy
        watched.streak += 1
        needed = self._config.healthy_after if passed else self._config.unhealthy_after
        if watched.streak >= needed:
            watched.healthy = passed
            watched.streak = 0
        return watched.healthy

    def is_healthy(self, id: str) -> bool | None:  # noqa: A002 - the word for it
        """What the checks found so far; ``None`` for an endpoint that is not watched."""
        watched = self._watched.get(id)
        return None if watched is None else watched.healthy
