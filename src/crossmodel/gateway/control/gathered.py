"""What metrics say besides the hot path's counts: the rest of the gateway as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossmodel.domain.witness import LogStanding
from crossmodel.gateway.control.ports import Counts, ModelState
from crossmodel.selection import Standing

MOST_BUDGETS: Final = 200
"""Budgets that are shown, those first of which the largest share is gone."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """The gateway as it is now.

    Attributes:
        models: with the endpoints that serve them.
        providers: the kinds of the models' providers, such as ``openai``, by model.
        counts: what parts of the gateway have counted.
        budgets: at most :data:`MOST_BUDGETS`.
        budgets_left_out: how many there are besides.
        log: how the log stands; ``None`` if the store did not say in time.
    """

    models: Sequence[ModelState] = ()
    providers: Mapping[str, str] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    budgets: Sequence[Standing] = ()
    budgets_left_out: int = 0
    log: LogStanding | None = None
