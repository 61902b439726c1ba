"""What a deployment runs on: the port that this machine and a cluster fill."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from crossmodel.domain.operations import DeploymentConfig, HealthCheckResult, ResourceAllocation
from crossmodel.domain.period import utc_now


class InstanceState(StrEnum):
    """How far an instance has come."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Instance:
    """One gateway of a deployment.

    Attributes:
        id: what it is called there.
        state: how far it has come.
        control_url: where it tells of itself; empty where it cannot be reached from here.
        pid: its process on this machine; 0 where it is elsewhere.
        restarts: how often its place was taken by another because it had ended.
        error: why it does not start, if it does not.
    """

    id: str
    state: InstanceState
    control_url: str = ""
    pid: int = 0
    restarts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """What is running now.

    Attributes:
        deployment_id: names the deployment; ``None`` if there is none.
        target: ``local`` or ``ray``.
        url: where clients reach it, such as ``http://127.0.0.1:8080``; empty if nowhere.
        wanted: how many instances there should be.
        instances: those that there are.
        resources: what each may use, where that was said.
        is_supervised: whether somebody looks after them.
        generation: rises with each deployment over the one before.
        looked_at: when this was so.
    """

    deployment_id: str | None
    target: str
    url: str = ""
    wanted: int = 0
    instances: tuple[Instance, ...] = ()
    resources: ResourceAllocation | None = None
    is_supervised: bool = False
    generation: int = 0
    looked_at: datetime = field(default_factory=utc_now)

    @property
    def ready(self) -> int:
        """How many instances answer."""
        return sum(each.state is InstanceState.READY for each in self.instances)

    @property
    def is_whole(self) -> bool:
        """Whether as many answer as should, and no others run."""
        return self.ready == self.wanted == len(self.instances)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        resources = self.resources
        return {
            "deployment_id": self.deployment_id,
            "target": self.target,
            "url": self.url,
            "wanted": self.wanted,
            "ready": self.ready,
            "instances": [
                {
                    "id": each.id,
                    "state": each.state.value,
                    "control_url": each.control_url,
                    "pid": each.pid,
                    "restarts": each.restarts,
                    "error": each.error,
                }
                for each in self.instances
            ],
            "resources": resources.to_dict() if resources is not None else None,
            "is_supervised": self.is_supervised,
            "generation": self.generation,
            "looked_at": self.looked_at.isoformat(),
        }


class Target(Protocol):
    """A place where gateways run. Each call returns when what it says is so.

    Calls raise ``DeploymentError`` when it does not become so; then what ran before runs on, and
    what was begun is ended. Accepted requests are answered in any case.
    """

    def deploy(self, config: DeploymentConfig) -> DeploymentStatus:
        """Run so many instances; one by one they take the places of what ran before."""
        ...

    def roll_back(self) -> None:
        """Go back to what ran before the last :meth:`deploy`, be it nothing."""
        ...

    def scale(self, instances: int) -> DeploymentStatus:
        """Run so many instances from now on."""
        ...

    def resize(self, resources: ResourceAllocation) -> DeploymentStatus:
        """Let each instance use so much; they are replaced one after the other if need be."""
        ...

    def status(self) -> DeploymentStatus:
        """What is running now; no error if nothing is."""
        ...

    def probe(self) -> tuple[HealthCheckResult, ...]:
        """What only this target can find out of what runs."""
        ...

    def undeploy(self) -> None:
        """End all instances, each after the requests that it has taken; again is no error."""
        ...
