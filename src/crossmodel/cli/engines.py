"""Where heavy work of a command is done: by this process, or spread over a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crossmodel.ports import Spread


class EngineName(StrEnum):
    """Who does the work."""

    LOCAL = "local"
    RAY = "ray"


EngineOption = Annotated[
    EngineName,
    typer.Option(
        help="Who does the work: this machine, or the Ray cluster of RAY_ADDRESS; results are the "
        "same to the byte."
    ),
]


@contextmanager
def spread_by(engine: EngineName) -> Iterator[Spread]:
    """What shares out the work, as long as this is open.

    Raises:
        MissingExtraError: if the engine is not installed.
        ConfigurationError: if its cluster cannot be reached.
    """
    if engine is EngineName.LOCAL:
        yield map
        return
    from crossmodel.deployment.ray.spreading import spreading

    with spreading() as spread:
        yield spread
