"""Reloading the settings, and draining."""

from __future__ import annotations

from typing import Any, Final

from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.operation import Answer, Nothing, Operation
from crossmodel.gateway.control.parameters import View


class Reloaded(View):
    """What the settings file has changed, a phrase each; empty if nothing."""

    changes: list[str]


class Draining(View):
    """How many requests are not yet over."""

    draining: bool
    in_flight: int


async def reload(control: Control, _params: Nothing, _body: None) -> Reloaded:
    """Read the settings again; one at a time."""
    async with control.changing:
        return Reloaded(changes=list(await control.operations.reload()))


async def drain(control: Control, _params: Nothing, _body: None) -> Draining:
    """Begin, and say how far it is."""
    control.operations.drain()
    return Draining(draining=control.operations.is_draining, in_flight=control.operations.in_flight)


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "POST",
        "/admin/v1/reload",
        "reload",
        "Read the settings file again. One that cannot be used changes nothing.",
        reload,
        Nothing,
        [Answer(200, "What has changed.", Reloaded)],
        refusals=(409,),
    ),
    Operation(
        "POST",
        "/admin/v1/drain",
        "drain",
        "Take no new requests, and end once those in flight are over.",
        drain,
        Nothing,
        [Answer(202, "It has begun.", Draining)],
    ),
)
