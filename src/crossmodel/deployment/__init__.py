"""Running CrossModel for others: on this machine, or on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.deployment.deployment import (
        CrossModelConsciousnessDeployment,
        DeploymentManager,
        ScalingManager,
        target_of,
    )
    from crossmodel.deployment.probing import MonitoringSetup
    from crossmodel.deployment.target import DeploymentStatus, Instance, InstanceState, Target

__all__ = [
    "CrossModelConsciousnessDeployment",
    "DeploymentManager",
    "DeploymentStatus",
    "Instance",
    "InstanceState",
    "MonitoringSetup",
    "ScalingManager",
    "Target",
    "target_of",
]

_MODULE_OF: Final = {
    "CrossModelConsciousnessDeployment": "deployment.deployment",
    "DeploymentManager": "deployment.deployment",
    "DeploymentStatus": "deployment.target",
    "Instance": "deployment.target",
    "InstanceState": "deployment.target",
    "MonitoringSetup": "deployment.probing",
    "ScalingManager": "deployment.deployment",
    "Target": "deployment.target",
    "target_of": "deployment.deployment",
}

__getattr__ = loader(__name__, _MODULE_OF, within="crossmodel")
