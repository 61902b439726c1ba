"""Inserting a row, or changing or leaving the one that is there already."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite


def insert(table: sa.Table, dialect: str) -> Any:
    """An INSERT with ``on_conflict_…``, which both dialects say in the same words."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - a tenth of a second and 5 MB

        return postgresql.insert(table)
    return sqlite.insert(table)
