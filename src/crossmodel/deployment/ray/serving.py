"""Serve's declarative interface, as its REST API has it, without the dashboard that carries that.

What is declared and has not changed is not restarted, which :func:`ray.serve.run` cannot promise.
The client is not public: this module is all that knows it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve._private.client import ServeControllerClient
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeApplicationSchema, ServeDeploySchema

from crossmodel.errors import DeploymentError

Declared = dict[str, dict[str, Any]]
"""What was declared, by name of the application."""


def start(host: str, port: int) -> None:
    """Have Serve run on the cluster; its address stays what it was if it does already."""
    serve.start(proxy_location="EveryNode", http_options={"host": host, "port": port})


def details() -> dict[str, Any]:
    """All that Serve knows of itself; empty where it does not run."""
    client = _get_global_client(raise_if_no_controller_running=False)
    found = client.get_serve_details() if client is not None else {}
    plain: dict[str, Any] = json.loads(json.dumps(found, default=str))  # states as their names
    return plain


def declared() -> Declared:
    """The applications that were declared, as they were."""
    applications = details().get("applications", {})
    return {
        name: application["deployed_app_config"]
        for name, application in applications.items()
        if application.get("deployed_app_config") and application["status"] != "DELETING"
    }


def declare(applications: Mapping[str, Mapping[str, Any]]) -> None:
    """Have these applications run and no others that were declared; what it takes goes on."""
    schemas = [ServeApplicationSchema(**application) for application in applications.values()]
    _client().deploy_apps(ServeDeploySchema(applications=schemas))


def wait_for_proxies() -> None:
    """Wait until every proxy knows where to send requests."""
    _client().wait_for_proxies_serving(wait_for_applications_running=True)


def _client() -> ServeControllerClient:
    client = _get_global_client()
    if client is None:
        raise DeploymentError("Ray Serve does not run on the cluster: crossmodel deploy starts it")
    return client
