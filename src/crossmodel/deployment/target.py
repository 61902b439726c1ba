"""Where the gateway can be deployed: what every target can do, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from crossmodel.domain.operations import DeploymentValidationResult, ResourceAllocation


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """What runs at this moment.

    Attributes:
        is_running: whether clients are answered.
        url: where, as in ``http://host:port``; empty if nothing runs.
        instances: how many instances take requests.
        wanted: how many there should be.
        resources: what each may use; ``None`` if nobody said.
        message: what is under way or wrong, for people.
    """

    is_running: bool
    url: str = ""
    instances: int = 0
    wanted: int = 0
    resources: ResourceAllocation | None = None
    message: str = ""


class Target(Protocol):
    """Runs instances of the gateway. What fails raises a ``CrossModelError`` that says why.

    Whatever changes what runs returns when the change is complete, and leaves running what ran
    before if it cannot be made. No accepted request is lost by a change.
    """

    def deploy(self) -> DeploymentStatus:
        """Run the instances, or replace those that run by ones of the settings as they are now."""
        ...

    def scale(self, instances: int) -> DeploymentStatus:
        """Run so many instances, at least one."""
        ...

    def resize(self, resources: ResourceAllocation) -> DeploymentStatus:
        """Replace the instances one after the other by ones that may use so much each."""
        ...

    def status(self) -> DeploymentStatus:
        """What runs now; nothing that runs is no error."""
        ...

    def validate(self) -> DeploymentValidationResult:
        """Probe what runs: each check says what it found."""
        ...

    def undeploy(self) -> None:
        """End all instances once they have answered what they accepted; again, it is no error."""
        ...
