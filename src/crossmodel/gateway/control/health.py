"""Health and metrics: what asks for no key."""

from __future__ import annotations

import time
from typing import Any, Final, Literal

from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.operation import Answer, Nothing, Operation, Reply
from crossmodel.gateway.control.parameters import View

BEGAN: Final = time.monotonic()

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The text format of Prometheus."""


class Health(View):
    """The process answers, so its event loop turns."""

    uptime_seconds: float
    status: Literal["alive"] = "alive"


class ComponentView(View):
    """A part that requests need."""

    name: str
    ready: bool
    reason: str


class ReadinessView(View):
    """Whether it may get requests: only if all of its parts are ready."""

    status: Literal["ready", "not ready"]
    components: list[ComponentView]


async def healthz(_control: Control, _params: Nothing, _body: None) -> Health:
    """Answer."""
    return Health(uptime_seconds=round(time.monotonic() - BEGAN, 3))


async def readyz(control: Control, _params: Nothing, _body: None) -> Reply:
    """Look at every part."""
    parts = await control.readiness.components()
    ready = all(part.is_ready for part in parts)
    view = ReadinessView(
        status="ready" if ready else "not ready",
        components=[
            ComponentView(name=part.name, ready=part.is_ready, reason=part.reason) for part in parts
        ],
    )
    return Reply(200 if ready else 503, view)


async def metrics(control: Control, _params: Nothing, _body: None) -> Reply:
    """Read the counters."""
    return Reply(200, await control.scraper.text(), METRICS_TYPE)


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        "/healthz",
        "health",
        "Whether the process is alive.",
        healthz,
        Nothing,
        [Answer(200, "It is.", Health)],
        is_admin=False,
    ),
    Operation(
        "GET",
        "/readyz",
        "readiness",
        "Whether the gateway may get requests.",
        readyz,
        Nothing,
        [Answer(200, "It may.", ReadinessView), Answer(503, "It may not.", ReadinessView)],
        is_admin=False,
    ),
    Operation(
        "GET",
        "/metrics",
        "metrics",
        "Metrics in the text format of Prometheus.",
        metrics,
        Nothing,
        [Answer(200, "The metrics.", media_type="text/plain")],
        is_admin=False,
    ),
)
