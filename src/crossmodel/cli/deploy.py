"""``crossmodel deploy``, ``scale``, ``status``, ``undeploy``: gateways that run by themselves."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from crossmodel.cli.output import (
    FAILED,
    REFUSED,
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    print_table,
)
from crossmodel.cli.source import config_source
from crossmodel.deployment import CrossModelConsciousnessDeployment, DeploymentStatus
from crossmodel.domain.operations import (
    DEFAULT_CONFIG,
    DeploymentConfig,
    ResourceAllocation,
    ScalingResult,
)
from crossmodel.errors import InvalidInputError
from crossmodel.settings import load_settings


class Where(StrEnum):
    """Where a deployment runs."""

    LOCAL = "local"
    RAY = "ray"


TargetOption = Annotated[
    Where | None, typer.Option("--target", help="This machine, or a Ray cluster.")
]


def deploy(
    instances: Annotated[
        int | None, typer.Option("--instances", "-n", min=1, help="How many gateways.")
    ] = None,
    target: TargetOption = None,
    listen: Annotated[
        str | None, typer.Option(help="Host and port for clients; else as the settings say.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Run gateways that outlive this command; over those of before, one by one, losing nothing.

    Then they are probed. Exit code 0 if they do their work, 3 if not: then what ran before runs on.
    """
    deployment = _deployment(config, target, instances=instances, listen=listen)
    before = deployment.status()
    if instances is None and before.wanted:  # an upgrade keeps what scaling has made
        deployment.config.instances = before.wanted
    result = deployment.deploy()
    if json:
        print_json(result.to_dict() | {"status": deployment.status().to_dict()})
    elif result.success:
        _show(deployment.status())
    if not result.success:
        _fail(result.error, json=json)


def scale(
    instances: Annotated[int | None, typer.Argument(help="How many gateways.", min=1)] = None,
    cores: Annotated[
        float | None, typer.Option(help="Processors that each may use, more than 0.")
    ] = None,
    memory: Annotated[
        int | None, typer.Option(min=1, help="MiB at which one makes room for a fresh one.")
    ] = None,
    target: TargetOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Run more or fewer gateways, or give each more or less. Nothing that was accepted is lost."""
    if instances is None and cores is None and memory is None:
        raise InvalidInputError("say how many gateways, or --cores and --memory")
    deployment = _deployment(config, target)
    results: list[ScalingResult] = []
    if cores is not None or memory is not None:
        now = deployment.status().resources or ResourceAllocation()
        wanted = ResourceAllocation(
            cpu_cores=now.cpu_cores if cores is None else cores,
            memory_mb=now.memory_mb if memory is None else memory,
        )
        results.append(deployment.scale_vertical(wanted))
    if instances is not None and all(each.success for each in results):
        results.append(deployment.scale_horizontal(instances))
    result = results[-1]
    if json:
        print_json(result.to_dict())
    elif result.success:
        _show(deployment.status())
    if not result.success:
        _fail(result.error, json=json)


def status(
    target: TargetOption = None, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """What is deployed, and how it is. Exit code 0 if it is whole, 1 if not."""
    found = _deployment(config, target).status()
    if json:
        print_json(found.to_dict())
    else:
        _show(found)
    if found.deployment_id is None or not found.is_whole or not found.is_supervised:
        raise typer.Exit(REFUSED)


def undeploy(
    target: TargetOption = None, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """End what is deployed, each gateway after the requests that it has taken."""
    deployment = _deployment(config, target)
    was = deployment.status()
    deployment.undeploy()
    if json:
        print_json({"deployment_id": was.deployment_id, "ended": len(was.instances)})
    elif was.deployment_id is None:
        out.print("nothing was deployed")
    else:
        out.print(f"{len(was.instances)} gateways have ended")


def _deployment(
    config: Path | None,
    target: Where | None,
    *,
    instances: int | None = None,
    listen: str | None = None,
) -> CrossModelConsciousnessDeployment:
    source = config_source(config)
    settings = load_settings(source)
    wanted = settings.deployment
    return CrossModelConsciousnessDeployment(
        DeploymentConfig(
            target=target.value if target is not None else wanted.target,
            instances=instances or wanted.instances,
            listen=listen or settings.gateway.listen,
            config_path=str(source or DEFAULT_CONFIG),
            state_dir=wanted.state_dir,
            ray_address=wanted.ray_address,
            autoscaling=wanted.autoscaling,
        )
    )


def _show(found: DeploymentStatus) -> None:
    if found.deployment_id is None:
        out.print("nothing is deployed")
        return
    print_table(
        f"{found.ready} of {found.wanted} gateways answer at {found.url}",
        ("gateway", "state", "process", "restarts", "control", "trouble"),
        (
            (each.id, str(each.state), str(each.pid or ""), str(each.restarts), each.control_url,
             plain(each.error))
            for each in found.instances
        ),
    )  # fmt: skip
    if not found.is_supervised:
        err.print("nobody supervises them: crossmodel deploy starts that again")


def _fail(error: str | None, *, json: bool) -> None:
    if not json:
        err.print(plain(error or "it failed"))
    raise typer.Exit(FAILED)
