"""Gateways on this machine: what commands want is written down, and waited for."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from crossmodel.deployment.local.state import Folder, There, Wanted
from crossmodel.deployment.snapshot import read_settings
from crossmodel.deployment.target import DeploymentStatus, Instance, InstanceState
from crossmodel.domain import checks
from crossmodel.domain.operations import DeploymentConfig, HealthCheckResult, ResourceAllocation
from crossmodel.errors import DeploymentError

POLL_SECONDS: Final = 0.05

MOST_FAILURES: Final = 3
"""How often in a row an instance may fail to start before it is given up."""

SUPERVISOR: Final = "crossmodel.deployment.local.supervisor"


class LocalTarget:
    """The port ``Target`` on this machine.

    Args:
        folder: where the deployment's state and logs are.
        seconds: how long a call may take.
    """

    def __init__(self, folder: Path, *, seconds: float = 300.0) -> None:
        self._folder = Folder(folder)
        self._seconds = seconds

    def deploy(self, config: DeploymentConfig) -> DeploymentStatus:
        """Run so many instances; over a deployment before, they take its places one by one."""
        path = Path(config.config_path).absolute()
        text = read_settings(path)  # what is wrong with them is said before anything is begun
        before = self._live()
        if before is not None and before.listen != config.listen:
            raise DeploymentError(
                f"what runs listens on {before.listen}: undeploy it before it listens elsewhere"
            )
        self._folder.make()
        generation = _generation()
        wanted = Wanted(
            deployment_id=str(uuid.uuid4()),
            home=str(path.parent),
            settings=str(self._folder.keep_settings(text, generation)),
            listen=config.listen,
            instances=config.instances,
            generation=generation,
            resources=before.resources if before is not None else None,
        )
        self._folder.keep(before)
        status = self._become(wanted, before)
        self._folder.forget_settings({each.settings for each in (wanted, before) if each})
        return status

    def roll_back(self) -> None:
        """Go back to what ran before the last deployment, with the settings of then."""
        wanted, before = self._folder.wanted, self._folder.before
        if before is not None:
            self._become(before, None)
        elif wanted is not None:
            self._end(wanted)

    def scale(self, instances: int) -> DeploymentStatus:
        """Run so many instances from now on."""
        checks.at_least("instances", instances, 1)
        before = self._deployed()
        return self._become(replace(before, instances=instances), before)

    def resize(self, resources: ResourceAllocation) -> DeploymentStatus:
        """Bind each instance to so many processors; one that grows beyond its memory is replaced.

        An instance that holds more than ``memory_mb`` for a minute makes room for a fresh one.
        """
        before = self._deployed()
        return self._become(replace(before, resources=resources, generation=_generation()), before)

    def status(self) -> DeploymentStatus:
        """What is running now."""
        wanted, there = self._folder.wanted, self._folder.there
        if wanted is None:
            return DeploymentStatus(None, "local")
        running = there.processes if there is not None else ()
        instances = [each.instance for each in running if each.process is not None]
        placed = {each.place for each in running}
        for place, error, _ in there.failing if there is not None else ():
            if place not in placed:
                name = f"instance-{place}"
                instances.append(Instance(name, InstanceState.FAILING, error=error))
        return DeploymentStatus(
            wanted.deployment_id,
            "local",
            url=there.url if there is not None else "",
            wanted=wanted.instances,
            instances=tuple(instances),
            resources=wanted.resources,
            is_supervised=self._folder.is_supervised(),
            generation=wanted.generation,
        )

    def probe(self) -> tuple[HealthCheckResult, ...]:
        """Somebody looks after the instances."""
        began = time.perf_counter()
        is_supervised = self._folder.is_supervised()
        error = None if is_supervised else "nobody supervises the instances"
        taken = (time.perf_counter() - began) * 1000
        return (HealthCheckResult("supervisor", is_supervised, error, latency_ms=taken),)

    def undeploy(self) -> None:
        """End all instances, each after the requests that it has taken."""
        wanted = self._folder.wanted
        if wanted is None:
            return
        self._end(wanted)

    def _live(self) -> Wanted | None:
        """What is wanted, unless nothing of it is there any more."""
        wanted = self._folder.wanted if self._folder.path.is_dir() else None
        if wanted is None or wanted.is_over:
            return None
        return wanted if self._folder.is_supervised() or self.status().instances else None

    def _deployed(self) -> Wanted:
        wanted = self._live()
        if wanted is None:
            raise DeploymentError("nothing is deployed: deploy it first")
        return wanted

    def _become(self, wanted: Wanted, before: Wanted | None) -> DeploymentStatus:
        """Want it and wait for it; if it does not come to that, go back to what was before."""
        self._folder.want(wanted)
        try:
            return self._wait(lambda: self._is_so(wanted), wanted)
        except BaseException:
            if before is None:
                self._end(wanted)
            else:
                self._folder.want(before)
            raise

    def _is_so(self, wanted: Wanted) -> bool:
        there = self._folder.there
        if there is None or there.generation != wanted.generation:
            return False
        self._refuse_failures(there)
        return (
            self.status().is_whole
            and len(there.processes) == wanted.instances
            and all(each.generation == wanted.generation for each in there.processes)
        )

    def _refuse_failures(self, there: There) -> None:
        for _, error, failures in there.failing:
            if failures >= MOST_FAILURES:
                raise DeploymentError(f"{error}; see the logs in {self._folder.path}")

    def _end(self, wanted: Wanted) -> None:
        over = replace(wanted, instances=0, is_over=True)
        self._folder.want(over)
        self._wait(lambda: self._folder.wanted is None, over)

    def _wait(self, is_so: Callable[[], bool], wanted: Wanted) -> DeploymentStatus:
        give_up = time.monotonic() + self._seconds
        starts = 0
        while not is_so():
            if not self._folder.is_supervised():
                if starts == MOST_FAILURES:
                    raise DeploymentError(f"nobody supervises it: {self._last_words()}")
                starts += 1
                self._start_supervisor()
            if time.monotonic() > give_up:
                raise DeploymentError(
                    f"it has not come to {wanted.instances} instances within "
                    f"{self._seconds:g} s; see the logs in {self._folder.path}"
                )
            time.sleep(POLL_SECONDS)
        return self.status()

    def _start_supervisor(self) -> None:
        """Start one, which detaches itself; when this returns it supervises, or has failed."""
        try:
            with self._folder.log_of("supervisor").open("ab") as log:
                subprocess.run(  # noqa: S603 - ourselves
                    [sys.executable, "-m", SUPERVISOR, str(self._folder.path)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    check=False,
                )
        except OSError as error:
            raise DeploymentError(f"the supervisor cannot be started: {error}") from error

    def _last_words(self) -> str:
        try:
            said = self._folder.log_of("supervisor").read_text("utf-8").strip().splitlines()
        except OSError:
            said = []
        return said[-1] if said else "it has said nothing"


def _generation() -> int:
    """A number that rises, whoever counted before."""
    return time.time_ns() // 1_000_000
