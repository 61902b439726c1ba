"""What Serve says of an application, in our words, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crossmodel.deployment.target import Instance, InstanceState
from crossmodel.domain.operations import ResourceAllocation
from crossmodel.wire.hosts import authority

STATES: Final = {
    "RUNNING": InstanceState.READY,
    "STOPPING": InstanceState.DRAINING,
    "PENDING_MIGRATION": InstanceState.DRAINING,
}
"""Those of Serve; in all others a replica has not begun to answer."""

GENERATION: Final = "generation"
"""The argument of the application that tells each deployment from the one before."""

MEGABYTE: Final = 1024 * 1024


def to_reserve(resources: ResourceAllocation) -> dict[str, Any]:
    """The ``ray_actor_options`` that reserve so much."""
    return {"num_cpus": resources.cpu_cores, "memory": resources.memory_mb * MEGABYTE}


def allocation_of(reserved: Mapping[str, Any]) -> ResourceAllocation | None:
    """What was reserved so; ``None`` if somebody else has said less."""
    if not reserved.get("num_cpus") or not reserved.get("memory"):
        return None
    return ResourceAllocation(reserved["num_cpus"], int(reserved["memory"]) // MEGABYTE)


def generation_of(application: Mapping[str, Any]) -> int:
    """Which deployment an application is; 0 if there is none."""
    declared = application.get("deployed_app_config") or {}
    return int(declared.get("args", {}).get(GENERATION, 0))


def instance_of(replica: Mapping[str, Any], here: str) -> Instance:
    """A replica; its process is of interest on its own node alone."""
    state = STATES.get(replica["state"], InstanceState.STARTING)
    pid = replica.get("pid") if replica.get("node_id") == here else None
    return Instance(replica["replica_id"], state, pid=pid or 0)


def url_of(http: Mapping[str, Any]) -> str:
    """Where the proxies are reached."""
    host = http["host"]
    shown = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - all of them: any will do
    return f"http://{authority(shown, http['port'])}"


def reason_of(application: Mapping[str, Any]) -> str:
    """What Serve says is wrong, without the stack: its last line tells the error."""
    deployments = application.get("deployments", {}).values()
    said = [application.get("message", ""), *(each.get("message", "") for each in deployments)]
    lines = [line.strip() for text in said for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "Serve does not say why"
