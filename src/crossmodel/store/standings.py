"""Whether insights may be handed over: what measuring and people have made of them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from crossmodel.domain import checks
from crossmodel.domain.insight import RELEASED, Standing
from crossmodel.store import schema
from crossmodel.store.rows import chunks


class Standings:
    """The standings of one connection's insights."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def set(self, tenant: str, insight_ids: Sequence[str], standing: str, reason: str) -> list[str]:
        """Give the tenant's insights a standing; returns the ids of those that had another.

        Any but an active insight must have a reason; of an active one only its release is kept.

        Raises:
            InvalidInputError: if there is no such standing, or the reason is missing.
        """
        checks.one_of("standing", standing, Standing)
        if standing == Standing.ACTIVE:
            reason = RELEASED if reason == RELEASED else ""
        else:
            checks.text("reason", reason)
        table = schema.insights
        changed = []
        for part in chunks(dict.fromkeys(insight_ids)):
            mine = sa.and_(table.c.tenant == tenant, table.c.id.in_(part))
            other = sa.select(table.c.id).where(mine, table.c.standing != standing)
            changed += list(self._connection.scalars(other.order_by(table.c.seq)))
            self._connection.execute(
                sa.update(table).where(mine).values(standing=standing, standing_reason=reason)
            )
        return changed
