"""The gateway on Ray Serve: replicas behind a proxy on each node, scaled by Serve."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import ray
from ray import serve

from crossmodel.deployment.ray import serving
from crossmodel.deployment.ray.details import (
    GENERATION,
    allocation_of,
    generation_of,
    instance_of,
    reason_of,
    to_reserve,
    url_of,
)
from crossmodel.deployment.ray.replica import DEPLOYMENT
from crossmodel.deployment.ray.session import connect
from crossmodel.deployment.target import DeploymentStatus
from crossmodel.domain import checks
from crossmodel.domain.operations import (
    DeploymentConfig,
    HealthCheckResult,
    ResourceAllocation,
)
from crossmodel.errors import CrossModelError, DeploymentError
from crossmodel.settings import load_settings, split_address

IMPORT_PATH: Final = "crossmodel.deployment.ray.replica:build"

RUNNING: Final = "RUNNING"
FAILED: Final = ("DEPLOY_FAILED", "UNHEALTHY")

POLL_SECONDS: Final = 0.2
PROBE_SECONDS: Final = 10.0
ROLL_BACK_SECONDS: Final = 60.0

ANSWERED: Final = (200, 401)
"""What the gateway says to a client without a key, which is enough to know that it answers."""


@dataclass(frozen=True, slots=True)
class RayOptions:
    """How the gateway runs on Ray Serve, beside what every deployment is told.

    Attributes:
        address: of the cluster; ``auto`` finds the one of RAY_ADDRESS or of this machine.
        name: of the application in Serve.
        resources: what each replica reserves on its node.
        autoscaling: Serve's ``autoscaling_config`` as it is, such as ``{"min_replicas": 2,
            "max_replicas": 20, "target_ongoing_requests": 100}``: it begins with the instances of
            the configuration. ``None`` for a fixed number.
        drain_seconds: how long a replica that goes may take to answer what it has accepted and to
            write its records; then it is killed. What it has not written is not lost: whoever opens
            the store on that node next writes it.
        deploy_seconds: how long a change may take, draining included.
    """

    address: str = "auto"
    name: str = "crossmodel"
    resources: ResourceAllocation = field(default_factory=ResourceAllocation)
    autoscaling: Mapping[str, Any] | None = None
    drain_seconds: float = 60.0
    deploy_seconds: float = 600.0


class RayTarget:
    """Deploys to a Ray cluster; see :class:`~crossmodel.deployment.target.Target`.

    Other applications of the cluster stay as they are. What is deployed outlives this process.
    """

    def __init__(self, options: RayOptions | None = None) -> None:
        self._options = options or RayOptions()
        self._before: serving.Declared = {}

    def deploy(self, config: DeploymentConfig) -> DeploymentStatus:
        """Run the replicas; they take the place of those that run, each before one of these goes.

        The settings file lies under the same path on every node. Where the proxies listen is set
        once per cluster, when Serve starts.

        Raises:
            ConfigurationError: if the settings cannot be used, or the cluster is not there.
            DeploymentError: if the replicas do not run.
        """
        host, port = split_address(config.listen, "listen")
        version = _version(Path(config.config_path))
        connect(self._options.address)
        serving.start(host, port)
        http = serving.details()["http_options"]
        if (http["host"], http["port"]) != (host, port):
            raise DeploymentError(
                f"Serve of this cluster listens on {http['host']}:{http['port']} already, not on "
                f"{config.listen}: name its address, or shut Serve down first"
            )
        self._before = serving.declared()
        return self._change(self._wanted(config, version))

    def roll_back(self) -> None:
        """Go back to what ran before this object's last deployment."""
        connect(self._options.address)
        self._roll_back(self._before)

    def scale(self, instances: int) -> DeploymentStatus:
        """Run so many replicas; those that stay are not restarted. It ends autoscaling.

        Raises:
            DeploymentError: if nothing runs, or the cluster has no room.
        """
        checks.at_least("instances", instances, 1)
        return self._adjust("autoscaling_config", num_replicas=instances)

    def resize(self, resources: ResourceAllocation) -> DeploymentStatus:
        """Replace the replicas by ones that reserve so much each; each answers until one is there.

        Raises:
            DeploymentError: if nothing runs, or the cluster has no room.
        """
        return self._adjust(ray_actor_options=to_reserve(resources))

    def status(self) -> DeploymentStatus:
        """What runs now."""
        connect(self._options.address)
        application = self._application()
        deployment = application.get("deployments", {}).get(DEPLOYMENT)
        if deployment is None:
            return DeploymentStatus(None, "ray")
        here = ray.get_runtime_context().get_node_id()
        reserved = deployment["deployment_config"].get("ray_actor_options") or {}
        return DeploymentStatus(
            deployment_id=self._options.name,
            target="ray",
            url=url_of(serving.details()["http_options"]),
            wanted=deployment["target_num_replicas"],
            instances=tuple(instance_of(each, here) for each in deployment["replicas"]),
            resources=allocation_of(reserved),
            is_supervised=True,
            generation=generation_of(application),
        )

    def probe(self) -> tuple[HealthCheckResult, ...]:
        """Ask Serve, one of the replicas, and the gateway as a client does."""
        connect(self._options.address)
        return (
            _checked("replicas", self._probe_replicas),
            _checked("parts", self._probe_parts),
            _checked("proxy", self._probe_proxy),
        )

    def undeploy(self) -> None:
        """End the replicas once they have answered; Serve stays for its other applications."""
        connect(self._options.address)
        if self._application():
            serve.delete(self._options.name)

    def _wanted(self, config: DeploymentConfig, version: str) -> dict[str, Any]:
        options = self._options
        many: dict[str, Any] = {"num_replicas": config.instances}
        if options.autoscaling is not None:
            first = {"initial_replicas": config.instances}
            many = {"autoscaling_config": {**first, **options.autoscaling}}
        return {
            "name": options.name,
            "route_prefix": "/",
            "import_path": IMPORT_PATH,
            "args": {
                "config": str(Path(config.config_path).resolve()),
                "listen": config.listen,
                "version": version,
                GENERATION: generation_of(self._application()) + 1,
            },
            "deployments": [
                {
                    "name": DEPLOYMENT,
                    "ray_actor_options": to_reserve(options.resources),
                    "graceful_shutdown_timeout_s": options.drain_seconds,
                    "logging_config": {"enable_access_log": False},  # the witness has it all
                    **many,
                }
            ],
        }

    def _adjust(self, *without: str, **changes: Any) -> DeploymentStatus:
        """Change the one deployment of what runs, and nothing else of it."""
        connect(self._options.address)
        running = serving.declared().get(self._options.name)
        if running is None:
            raise DeploymentError("nothing is deployed there: crossmodel deploy does that")
        (deployment,) = running["deployments"]
        kept = {name: value for name, value in deployment.items() if name not in without}
        return self._change({**running, "deployments": [{**kept, **changes}]})

    def _change(self, wanted: Mapping[str, Any]) -> DeploymentStatus:
        """Have Serve run that; or what ran before, if it cannot."""
        before = serving.declared()
        try:
            serving.declare({**before, self._options.name: wanted})
            return self._settled()
        except ray.exceptions.RayError as error:
            self._roll_back(before)
            raise DeploymentError(f"Serve does not take it: {error}") from error
        except DeploymentError:
            self._roll_back(before)
            raise

    def _roll_back(self, before: serving.Declared) -> None:
        """Declare again what ran before, and wait until it is all there: the replicas that are."""
        serving.declare(before)
        deadline = time.monotonic() + ROLL_BACK_SECONDS
        while self._options.name in before and time.monotonic() < deadline:
            status = self.status()
            if status.wanted and status.ready >= status.wanted:
                return
            time.sleep(POLL_SECONDS)

    def _settled(self) -> DeploymentStatus:
        """Wait until all that should run does, and nothing else.

        Raises:
            DeploymentError: if it cannot, or does not in time.
        """
        deadline = time.monotonic() + self._options.deploy_seconds
        while time.monotonic() < deadline:
            application = self._application()
            if application.get("status") in FAILED:
                raise DeploymentError(f"the replicas do not start: {reason_of(application)}")
            status = self.status()
            if application.get("status") == RUNNING and status.wanted and status.is_whole:
                serving.wait_for_proxies()
                return status
            time.sleep(POLL_SECONDS)
        status = self.status()
        raise DeploymentError(
            f"after {self._options.deploy_seconds:g} s {status.ready} of {status.wanted} replicas "
            "run: has the cluster room for them?"
        )

    def _application(self) -> dict[str, Any]:
        """What Serve knows of ours; empty if there is none."""
        found: dict[str, Any] = serving.details().get("applications", {}).get(self._options.name)
        return found or {}

    def _probe_replicas(self) -> dict[str, Any]:
        status = self.status()
        if not status.ready or status.ready < status.wanted:
            reason = reason_of(self._application())
            raise DeploymentError(f"{status.ready} of {status.wanted} run; {reason}")
        return {"ready": status.ready}

    def _probe_parts(self) -> dict[str, Any]:
        handle = serve.get_deployment_handle(DEPLOYMENT, self._options.name)
        with ThreadPoolExecutor(1) as elsewhere:  # Ray waits in no thread that has an event loop
            asking = elsewhere.submit(lambda: handle.probe.remote().result(timeout_s=PROBE_SECONDS))
            wrong = asking.result()
        if wrong:
            raise DeploymentError("; ".join(f"{part} {reason}" for part, reason in wrong.items()))
        return {}

    def _probe_proxy(self) -> dict[str, Any]:
        answer = httpx.get(f"{self.status().url}/v1/models", timeout=PROBE_SECONDS)
        if answer.status_code not in ANSWERED:
            raise DeploymentError(f"GET /v1/models is answered with {answer.status_code}")
        return {"status": answer.status_code}


def _version(config: Path) -> str:
    """What tells one state of the settings from another.

    Raises:
        ConfigurationError: if they cannot be used.
    """
    load_settings(config)
    return hashlib.sha256(config.read_bytes()).hexdigest()[:16]


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
