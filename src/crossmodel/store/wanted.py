"""Which insights a search may return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

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

    def admits(self, tenant: str, trust: float, standing: str) -> bool:
        """Whether an insight of those may be returned."""
        return (
            tenant == self.tenant
            and trust >= self.least_trust
            and any(standing == each for each in self.standings)
        )


# No condition of the query: SQLite takes the tenant for a better way to a few rows than their
# numbers, and reads all that the tenant has.
JUDGED: Final = (schema.insights.c.tenant, schema.insights.c.trust, schema.insights.c.standing)
"""What ``Wanted.admits`` asks for, of rows that are looked up by their numbers."""
