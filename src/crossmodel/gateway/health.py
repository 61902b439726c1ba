"""Active health checks: asks addresses how they are, where there are several to choose from."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from crossmodel.balancing import Balancer, HealthSchedule, LoadBalancerConfig
from crossmodel.errors import NotFoundError
from crossmodel.gateway.targets import Target
from crossmodel.gateway.upstream import Call, ResponseHead, Upstream

SERVER_ERROR = 500


@dataclass(slots=True)
class _Watched:
    address: Upstream
    balancers: list[Balancer]


class HealthChecks:
    """Checks each address at its interval. For one event loop; whoever owns it calls ``tick``.

    A check is ``GET`` of the configured path at the address's host, without credentials. Whoever
    answers anything below 500 is alive: many servers know no such path, and say so in good health.

    Args:
        config: read at each check.
    """

    def __init__(self, config: LoadBalancerConfig) -> None:
        self._config = config
        self._schedule = HealthSchedule((), config)
        self._watched: dict[str, _Watched] = {}
        self._probes: dict[str, _Probe] = {}

    def watch(self, targets: Iterable[Target]) -> None:
        """Check the addresses of these models from now on; what is known of others is forgotten."""
        watched: dict[str, _Watched] = {}
        for target in targets:
            for name, address in target.addresses.items():
                if isinstance(address, Upstream) and len(target.addresses) > 1:
                    watched.setdefault(name, _Watched(address, [])).balancers.append(
                        target.balancer
                    )
        self._watched = watched
        self._schedule.set_endpoints(watched)
        for name, each in watched.items():
            self._tell(each, name, healthy=self._schedule.is_healthy(name) is not False)

    def tick(self) -> None:
        """Begin the checks that are due, and give up those that take too long."""
        late = time.monotonic() - self._config.health_check_timeout
        for probe in [each for each in self._probes.values() if each.started_at < late]:
            probe.give_up()
        for name in self._schedule.due():
            if name not in self._probes:
                probe = self._probes[name] = _Probe(self, name)
                probe.send(self._watched[name].address, self._config.health_check_path)

    def close(self) -> None:
        """Let go of the checks that are under way."""
        for probe in list(self._probes.values()):
            probe.cancel()
        self._probes.clear()

    def note(self, name: str, *, passed: bool) -> None:
        """A check is over."""
        self._probes.pop(name, None)
        healthy = self._schedule.record(name, passed=passed)
        watched = self._watched.get(name)
        if healthy is not None and watched is not None:
            self._tell(watched, name, healthy=healthy)

    @staticmethod
    def _tell(watched: _Watched, name: str, *, healthy: bool) -> None:
        for balancer in watched.balancers:
            try:
                balancer.set_health(name, healthy=healthy)
            except NotFoundError:  # the model has moved since
                continue


class _Probe:
    """One check; only the beginning of the answer is waited for."""

    __slots__ = ("_call", "_checks", "_is_over", "_name", "started_at")

    def __init__(self, checks: HealthChecks, name: str) -> None:
        self._checks = checks
        self._name = name
        self._call: Call | None = None
        self._is_over = False
        self.started_at = time.monotonic()

    def send(self, address: Upstream, path: str) -> None:
        """Ask."""
        call = address.send(address.question(path.encode()), self)
        if not self._is_over:
            self._call = call

    def give_up(self) -> None:
        """It takes too long."""
        self._end(passed=False)

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        self._is_over = True
        if self._call is not None:
            self._call.cancel()

    def on_head(self, head: ResponseHead) -> None:
        """The answer begins."""
        self._end(passed=head.status < SERVER_ERROR)

    def on_data(self, data: bytes) -> None:
        """Nobody reads it."""

    def on_end(self, *, is_delimited: bool) -> None:
        """Its beginning has told all."""

    def on_failure(self, reason: str, *, was_sent: bool) -> None:  # noqa: ARG002 - the port's
        """There is no answer."""
        self._end(passed=False)

    def _end(self, *, passed: bool) -> None:
        if not self._is_over:
            self.cancel()
            self._checks.note(self._name, passed=passed)
