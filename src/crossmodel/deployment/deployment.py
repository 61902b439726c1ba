"""A deployment as one object: it runs, is probed, grows, shrinks, and goes back where it fails."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from typing import Final

from crossmodel.deployment.probing import MonitoringSetup
from crossmodel.deployment.snapshot import settings_at
from crossmodel.deployment.target import DeploymentStatus, Target
from crossmodel.domain import checks
from crossmodel.domain.operations import (
    DeploymentConfig,
    DeploymentResult,
    DeploymentValidationResult,
    ResourceAllocation,
    ScalingResult,
)
from crossmodel.errors import CrossModelError, InvalidInputError

STATE_DIR: Final = "crossmodel-deployment"


class DeploymentManager:
    """Puts a deployment in its place, and takes it away.

    Args:
        target: where it runs.
    """

    def __init__(self, target: Target) -> None:
        self.target = target

    def deploy(self, config: DeploymentConfig) -> DeploymentStatus:
        """Run it; see :class:`~crossmodel.deployment.target.Target`."""
        return self.target.deploy(config)

    def roll_back(self) -> None:
        """Go back to what ran before."""
        self.target.roll_back()

    def undeploy(self) -> None:
        """End it."""
        self.target.undeploy()


class ScalingManager:
    """Lets a deployment grow and shrink while it runs.

    Args:
        target: where it runs.
    """

    def __init__(self, target: Target) -> None:
        self.target = target

    def scale_horizontal(self, target_instances: int) -> ScalingResult:
        """Run so many instances from now on, without losing a request.

        Raises:
            InvalidInputError: if it is less than 1.
        """
        if not isinstance(target_instances, int):
            raise InvalidInputError(
                f"target_instances must be a whole number, not {target_instances!r}"
            )
        checks.at_least("target_instances", target_instances, 1)
        return self._scaled(lambda: self.target.scale(target_instances))

    def scale_vertical(self, resource_allocation: ResourceAllocation) -> ScalingResult:
        """Let each instance use so much; they are replaced one by one, without losing a request."""
        return self._scaled(lambda: self.target.resize(resource_allocation))

    def _scaled(self, change: Callable[[], DeploymentStatus]) -> ScalingResult:
        try:
            status = change()
        except CrossModelError as error:
            status = self.target.status()
            return ScalingResult(
                success=False,
                instances=status.ready,
                resources=status.resources,
                error=str(error),
            )
        return ScalingResult(success=True, instances=status.ready, resources=status.resources)


class CrossModelConsciousnessDeployment:
    """A deployment of gateways: processes on this machine, or replicas on a Ray cluster.

    Results say what was found by probing what runs. Where a deployment does not come up or does not
    do its work, what ran before runs on.

    Args:
        config: what to deploy.

    Raises:
        MissingExtraError: if the target needs one that is not installed.
    """

    def __init__(self, config: DeploymentConfig) -> None:
        self.config = config
        target = target_of(config)
        self.deployment_manager = DeploymentManager(target)
        self.scaling_manager = ScalingManager(target)
        self.monitoring_setup = MonitoringSetup()

    def deploy(self) -> DeploymentResult:
        """Run it, probe it, and go back to what was before if a probe fails."""
        try:
            status = self.deployment_manager.deploy(self.config)
        except CrossModelError as error:
            return DeploymentResult(success=False, error=str(error))
        found = self._validate_deployment(status)
        if found.is_valid:
            return DeploymentResult(
                success=True, deployment_id=status.deployment_id, validation_result=found
            )
        return DeploymentResult(
            success=False, validation_result=found, error=self._roll_back(found.error or "")
        )

    def scale_horizontal(self, target_instances: int) -> ScalingResult:
        """Run so many instances from now on; what is running afterwards is what is told.

        Raises:
            InvalidInputError: if it is less than 1.
        """
        return self.scaling_manager.scale_horizontal(target_instances)

    def scale_vertical(self, resource_allocation: ResourceAllocation) -> ScalingResult:
        """Let each instance use so much."""
        return self.scaling_manager.scale_vertical(resource_allocation)

    def status(self) -> DeploymentStatus:
        """What is running now."""
        return self.deployment_manager.target.status()

    def undeploy(self) -> None:
        """End it, each instance after the requests that it has taken; again is no error.

        Raises:
            DeploymentError: if it does not end.
        """
        self.deployment_manager.undeploy()

    def _validate_deployment(self, status: DeploymentStatus) -> DeploymentValidationResult:
        """Probe it, in a thread, as who asks may be in an event loop.

        The process's working folder is that of the settings meanwhile: their paths start there.
        """
        path = Path(self.config.config_path).absolute()
        try:
            more = self.deployment_manager.target.probe()
        except CrossModelError as error:
            return DeploymentValidationResult(is_valid=False, error=str(error))

        def probe() -> DeploymentValidationResult:
            try:
                return self.monitoring_setup.validate(status, settings_at(path), more)
            except CrossModelError as error:
                return DeploymentValidationResult(is_valid=False, error=str(error))

        with chdir(path.parent), ThreadPoolExecutor(1) as thread:
            return thread.submit(probe).result()

    def _roll_back(self, why: str) -> str:
        try:
            self.deployment_manager.roll_back()
        except CrossModelError as error:
            return f"{why}; going back failed too: {error}"
        return f"{why}; what ran before runs again"


def target_of(config: DeploymentConfig) -> Target:
    """Where a deployment runs.

    Raises:
        MissingExtraError: if that needs an extra that is not installed.
    """
    if config.target == "ray":
        from crossmodel.deployment.ray.target import RayOptions, RayTarget  # noqa: PLC0415 - an extra

        options = RayOptions(address=config.ray_address, autoscaling=config.autoscaling or None)
        return RayTarget(options)
    from crossmodel.deployment.local.target import LocalTarget  # noqa: PLC0415 - as the other

    home = Path(config.config_path).absolute().parent
    return LocalTarget(home / (config.state_dir or STATE_DIR))
