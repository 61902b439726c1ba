"""Recorded inputs, each state once: kept under the SHA-256 of their bytes."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from crossmodel.store import schema
from crossmodel.store.rows import chunks, exact_bytes


class Snapshots:
    """The bodies of one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(self, bodies: Mapping[str, bytes]) -> None:
        """Keep bodies by their SHA-256; those that are there already are left as they are."""
        table = schema.snapshots
        for chunk in chunks(sorted(bodies)):
            known = sa.select(table.c.sha256).where(table.c.sha256.in_(chunk))
            there = set(self._connection.scalars(known))
            rows = [{"sha256": each, "body": bodies[each]} for each in chunk if each not in there]
            if rows:
                self._connection.execute(sa.insert(table), rows)

    def get(self, sha256: str) -> bytes | None:
        """The body of that SHA-256, as it is kept: its reader checks it."""
        table = schema.snapshots
        body = self._connection.scalar(sa.select(table.c.body).where(table.c.sha256 == sha256))
        return None if body is None else exact_bytes(body)
