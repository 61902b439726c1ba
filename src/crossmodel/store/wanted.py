"""Which insights a search may return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from crossmodel.domain import checks
from crossmodel.domain.insight import Standing
from crossmodel.store import schema

LISTED = (Standing.ACTIVE, Standing.DEMOTED)
"""The standings of insights that a search returns unless it is asked for others."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The tenant's insights of at least that trust, 0..1, and one of those standings.

    Raises:
        InvalidInputError: if the trust is out of range, or a standing is none.
    """

    tenant: str
    least_trust: float = 0.0
    standings: Sequence[str] = LISTED

    def __post_init__(self) -> None:
        checks.unit_interval("least_trust", self.least_trust)
        for standing in self.standings:
            checks.one_of("standing", standing, Standing)

    def conditions(self) -> list[sa.ColumnElement[Any]]:
        """The same about rows of the table ``insights``."""
        table = schema.insights
        return [
            table.c.tenant == self.tenant,
            table.c.trust >= self.least_trust,
            table.c.standing.in_([str(standing) for standing in self.standings]),
        ]
