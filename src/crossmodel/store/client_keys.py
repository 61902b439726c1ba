"""Client keys by their hash, in rows of their own: a name or hash that was used is never free."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crossmodel.domain.client_key import ClientKey
from crossmodel.errors import NotFoundError, StoreConflictError
from crossmodel.store import marks, schema


class ClientKeys:
    """The client keys of one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(self, key: ClientKey) -> None:
        """Keep a new key; or, of one that is kept and not revoked, other limits.

        Raises:
            StoreConflictError: if the name belongs to another key or to one that was revoked, or
                the same clear key goes by another name.
        """
        table = schema.client_keys
        values = {name: getattr(key, name) for name in ClientKey.__slots__}
        query = sa.select(table).where(
            sa.or_(table.c.name == key.name, table.c.digest == key.digest)
        )
        kept = [_key(row) for row in self._connection.execute(query).mappings()]
        for other in kept:
            if other.name != key.name:
                raise StoreConflictError(
                    f"key {key.name!r} is the same as {other.name!r}: make another one"
                )
            if other.revoked_at is not None:
                raise StoreConflictError(
                    f"key {key.name!r} was revoked at {other.revoked_at:%Y-%m-%d %H:%M} UTC, and "
                    "names are not used again: take another name"
                )
            if other.digest != key.digest:
                raise StoreConflictError(
                    f"there is a key {key.name!r} already: revoke it, and take another name"
                )
        if kept:
            changed = sa.update(table).where(table.c.name == key.name)
            self._connection.execute(changed, values)
        else:
            self._connection.execute(sa.insert(table), values)
        marks.count_up(self._connection, marks.CLIENT_KEYS)

    def version(self) -> int:
        """How often they were changed: other processes look whether that is still the same."""
        return marks.get_mark(self._connection, marks.CLIENT_KEYS) or 0

    def all(self) -> list[ClientKey]:
        """All of them, revoked ones too, oldest first."""
        table = schema.client_keys
        query = sa.select(table).order_by(table.c.created_at, table.c.name)
        return [_key(row) for row in self._connection.execute(query).mappings()]

    def revoke(self, name: str, at: datetime) -> ClientKey:
        """Let a key be of no use from ``at`` on; the first such moment stays.

        Raises:
            NotFoundError: if there is no such key.
        """
        table = schema.client_keys
        mine = sa.update(table).where(table.c.name == name, table.c.revoked_at.is_(None))
        if self._connection.execute(mine, {"revoked_at": at}).rowcount:
            marks.count_up(self._connection, marks.CLIENT_KEYS)
        row = self._connection.execute(sa.select(table).where(table.c.name == name))
        found = row.mappings().first()
        if found is None:
            raise NotFoundError(f"there is no client key {name!r} in the store")
        return _key(found)


def _key(row: sa.RowMapping) -> ClientKey:
    fields: dict[str, Any] = {name: row[name] for name in ClientKey.__slots__}
    return ClientKey(**fields | {"models": tuple(fields["models"])})
