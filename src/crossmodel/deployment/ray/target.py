"""The gateway on Ray Serve: replicas behind a proxy on each node, scaled by Serve."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import ray
from ray import serve

from crossmodel.deployment.ray import serving
from crossmodel.deployment.ray.replica import DEPLOYMENT
from crossmodel.deployment.ray.session import connect
from crossmodel.deployment.target import DeploymentStatus
from crossmodel.domain import checks
from crossmodel.domain.operations import (
    DeploymentValidationResult,
    HealthCheckResult,
    ResourceAllocation,
)
from crossmodel.errors import CrossModelError
from crossmodel.settings import load_settings, split_address

IMPORT_PATH: Final = "crossmodel.deployment.ray.replica:build"

RUNNING: Final = "RUNNING"
FAILED: Final = ("DEPLOY_FAILED", "UNHEALTHY")

POLL_SECONDS: Final = 0.2
PROBE_SECONDS: Final = 10.0

MEGABYTE: Final = 1024 * 1024

ANSWERED: Final = (200, 401)
"""What the gateway says to a client without a key, which is enough to know that it answers."""


@dataclass(frozen=True, slots=True)
class RayOptions:
    """How the gateway runs on Ray Serve.

    Attributes:
        config: the settings file; it lies under the same path on every node.
        listen: host and port of the proxies; Serve takes them when it starts, once per cluster.
        instances: how many replicas; where there is ``autoscaling``, how many at first.
        resources: what each replica reserves on its node.
        autoscaling: Serve's ``autoscaling_config`` as it is, such as ``{"min_replicas": 2,
            "max_replicas": 20, "target_ongoing_requests": 100}``; ``None`` for a fixed number.
        name: of the application in Serve.
        address: of the cluster; ``auto`` finds the one of RAY_ADDRESS or of this machine.
        drain_seconds: how long a replica that goes may take to answer what it has accepted.
        deploy_seconds: how long a change may take.
    """

    config: Path
    listen: str = "127.0.0.1:8080"
    instances: int = 1
    resources: ResourceAllocation = field(default_factory=ResourceAllocation)
    autoscaling: Mapping[str, Any] | None = None
    name: str = "crossmodel"
    address: str = "auto"
    drain_seconds: float = 30.0
    deploy_seconds: float = 300.0


class RayTarget:
    """Deploys to a Ray cluster; see :class:`~crossmodel.deployment.target.Target`.

    Other applications of the cluster stay as they are. What is deployed outlives this process.
    """

    def __init__(self, options: RayOptions) -> None:
        self._options = options

    def deploy(self) -> DeploymentStatus:
        """Run the replicas, or replace those that run by ones of the settings as they are now.

        Raises:
            ConfigurationError: if the settings cannot be used, or the cluster is not there.
            CrossModelError: if a replica cannot start; what ran before runs on.
        """
        wanted = self._wanted()
        connect(self._options.address)
        serving.start(*split_address(self._options.listen, "listen"))
        return self._change(wanted)

    def scale(self, instances: int) -> DeploymentStatus:
        """Run so many replicas; those that stay are not restarted. It ends autoscaling.

        Raises:
            CrossModelError: if nothing runs, or the cluster has no room; it is as before then.
        """
        checks.at_least("instances", instances, 1)
        return self._adjust("autoscaling_config", num_replicas=instances)

    def resize(self, resources: ResourceAllocation) -> DeploymentStatus:
        """Replace the replicas by ones that reserve so much each; each answers until one is there.

        Raises:
            CrossModelError: if nothing runs, or the cluster has no room; it is as before then.
        """
        return self._adjust(ray_actor_options=_reserved(resources))

    def status(self) -> DeploymentStatus:
        """What runs now."""
        connect(self._options.address)
        application = self._application()
        deployment = application.get("deployments", {}).get(DEPLOYMENT)
        if deployment is None:
            return DeploymentStatus(is_running=False, message=str(application.get("message", "")))
        states = Counter(str(replica["state"]) for replica in deployment["replicas"])
        under_way = {state: n for state, n in states.items() if state != RUNNING}
        reserved = deployment["deployment_config"].get("ray_actor_options") or {}
        return DeploymentStatus(
            is_running=states[RUNNING] > 0,
            url=_url(serving.details()["http_options"]),
            instances=states[RUNNING],
            wanted=deployment["target_num_replicas"],
            resources=ResourceAllocation(
                reserved.get("num_cpus") or 1.0, int(reserved.get("memory") or MEGABYTE) // MEGABYTE
            ),
            message=", ".join(f"{n} {state.lower()}" for state, n in sorted(under_way.items())),
        )

    def validate(self) -> DeploymentValidationResult:
        """Ask Serve, one of the replicas, and the gateway as a client does."""
        connect(self._options.address)
        found = (
            _checked("replicas", self._probe_replicas),
            _checked("parts", self._probe_parts),
            _checked("proxy", self._probe_proxy),
        )
        wrong = [f"{each.check_name}: {each.error}" for each in found if not each.is_healthy]
        return DeploymentValidationResult(not wrong, "; ".join(wrong) or None, found)

    def undeploy(self) -> None:
        """End the replicas once they have answered; Serve stays for its other applications."""
        connect(self._options.address)
        if self._application():
            serve.delete(self._options.name)

    def _wanted(self) -> dict[str, Any]:
        options = self._options
        many: dict[str, Any] = {"num_replicas": options.instances}
        if options.autoscaling is not None:
            first = {"initial_replicas": options.instances}
            many = {"autoscaling_config": {**first, **options.autoscaling}}
        return {
            "name": options.name,
            "route_prefix": "/",
            "import_path": IMPORT_PATH,
            "args": {"config": str(options.config.resolve()), "version": _version(options.config)},
            "deployments": [
                {
                    "name": DEPLOYMENT,
                    "ray_actor_options": _reserved(options.resources),
                    "graceful_shutdown_timeout_s": options.drain_seconds,
                    **many,
                }
            ],
        }

    def _adjust(self, *without: str, **changes: Any) -> DeploymentStatus:
        """Change the one deployment of what runs, and nothing else of it."""
        connect(self._options.address)
        running = serving.declared().get(self._options.name)
        if running is None:
            raise CrossModelError("nothing is deployed there: crossmodel deploy does that")
        (deployment,) = running["deployments"]
        kept = {name: value for name, value in deployment.items() if name not in without}
        return self._change({**running, "deployments": [{**kept, **changes}]})

    def _change(self, wanted: Mapping[str, Any]) -> DeploymentStatus:
        """Have Serve run that; or what ran before, if it cannot."""
        before = serving.declared()
        serving.declare({**before, self._options.name: wanted})
        try:
            return self._settled()
        except CrossModelError:
            serving.declare(before)
            raise

    def _settled(self) -> DeploymentStatus:
        """Wait until all that should run does, and nothing else.

        Raises:
            CrossModelError: if it cannot, or does not in time.
        """
        deadline = time.monotonic() + self._options.deploy_seconds
        while time.monotonic() < deadline:
            application = self._application()
            if application.get("status") in FAILED:
                raise CrossModelError(f"the replicas do not start: {_reason(application)}")
            status = self.status()
            is_whole = status.instances == status.wanted > 0 and not status.message
            if application.get("status") == RUNNING and is_whole:
                serving.wait_for_proxies()
                return status
            time.sleep(POLL_SECONDS)
        raise CrossModelError(
            f"it does not run after {self._options.deploy_seconds:g} s: {self.status().message}; "
            "has the cluster room for it?"
        )

    def _application(self) -> dict[str, Any]:
        """What Serve knows of ours; empty if there is none."""
        found: dict[str, Any] = serving.details().get("applications", {}).get(self._options.name)
        return found or {}

    def _probe_replicas(self) -> dict[str, Any]:
        status = self.status()
        if not status.is_running or status.instances < status.wanted:
            raise CrossModelError(
                f"{status.instances} of {status.wanted} run; {_reason(self._application())}"
            )
        return {"running": status.instances}

    def _probe_parts(self) -> dict[str, Any]:
        handle = serve.get_deployment_handle(DEPLOYMENT, self._options.name)
        wrong = handle.probe.remote().result(timeout_s=PROBE_SECONDS)
        if wrong:
            raise CrossModelError("; ".join(f"{part} {reason}" for part, reason in wrong.items()))
        return {}

    def _probe_proxy(self) -> dict[str, Any]:
        answer = httpx.get(f"{self.status().url}/v1/models", timeout=PROBE_SECONDS)
        if answer.status_code not in ANSWERED:
            raise CrossModelError(f"GET /v1/models is answered with {answer.status_code}")
        return {"status": answer.status_code}


def _version(config: Path) -> str:
    """What tells one state of the settings from another.

    Raises:
        ConfigurationError: if they cannot be used.
    """
    load_settings(config)
    return hashlib.sha256(config.read_bytes()).hexdigest()[:16]


def _reserved(resources: ResourceAllocation) -> dict[str, Any]:
    return {"num_cpus": resources.cpu_cores, "memory": resources.memory_mb * MEGABYTE}


def _url(http: Mapping[str, Any]) -> str:
    host = http["host"]
    shown = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - all of them: any will do
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{http['port']}"


def _reason(application: Mapping[str, Any]) -> str:
    """What Serve says is wrong, without the stack: its last line tells the error."""
    deployments = application.get("deployments", {}).values()
    said = [application.get("message", ""), *(each.get("message", "") for each in deployments)]
    lines = [line.strip() for text in said for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "Serve does not say why"


def _checked(name: str, probe: Callable[[], dict[str, Any]]) -> HealthCheckResult:
    began = time.perf_counter()
    details: dict[str, Any] = {}
    error = None
    try:
        details = probe()
    except (CrossModelError, httpx.HTTPError, ray.exceptions.RayError, TimeoutError) as failed:
        error = f"{failed}" or type(failed).__name__
    took = (time.perf_counter() - began) * 1000
    return HealthCheckResult(name, error is None, error, details, latency_ms=took)
