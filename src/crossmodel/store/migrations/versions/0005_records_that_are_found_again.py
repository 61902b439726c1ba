"""Records are found by what they are about; hidden values stand with their record.

Of the tree's nodes only every fourth level stays: the rest is a few hashes away.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CHUNK = 500


def upgrade() -> None:
    """Apply."""
    for column in ("tenant", "about"):
        op.add_column("log_leaves", sa.Column(column, sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "log_signatures",
        sa.Column("leaf", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("key_id", sa.Text(), primary_key=True),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
    )
    op.rename_table("commitments", "commitments_by_digest")
    op.create_table(
        "commitments",
        sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        *_value_columns(),
        sa.PrimaryKeyConstraint("leaf", "position", name="pk_commitments_by_leaf"),
    )
    _place_values(op.get_bind())
    op.drop_table("commitments_by_digest")
    op.create_index("ix_log_leaves_about_tenant", "log_leaves", ["about", "tenant"])
    op.execute("DELETE FROM log_nodes WHERE level NOT IN (4, 8, 12, 16, 20, 24, 28, 32, 36, 40)")


def downgrade() -> None:
    """Undo. The nodes that were left out do not come back: such a log must be built anew."""
    op.drop_index("ix_log_leaves_about_tenant", "log_leaves")
    op.rename_table("commitments", "commitments_by_leaf")
    op.create_table(
        "commitments",
        *_value_columns(),
        sa.PrimaryKeyConstraint("digest", name="pk_commitments"),
    )
    op.execute(
        "INSERT INTO commitments (digest, salt, value, tenant) "
        "SELECT DISTINCT digest, salt, value, tenant FROM commitments_by_leaf"
    )
    op.drop_table("commitments_by_leaf")
    op.drop_table("log_signatures")
    for column in ("about", "tenant"):
        op.drop_column("log_leaves", column)


def _value_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
    ]


def _place_values(connection: sa.Connection) -> None:
    """Each hidden value to the first record that commits to it, in bounded memory."""
    after = -1
    while rows := connection.execute(
        sa.text(
            'SELECT "index", statement FROM log_leaves WHERE "index" > :after '
            'ORDER BY "index" LIMIT :chunk'
        ),
        {"after": after, "chunk": CHUNK},
    ).all():
        for leaf, statement in rows:
            _place(connection, leaf, json.loads(statement))
        after = rows[-1][0]


def _place(connection: sa.Connection, leaf: int, statement: dict[str, Any]) -> None:
    tenant = ""
    for position, subject in enumerate(statement["subject"]):
        named = {"digest": subject["digest"]["sha256"]}
        row = connection.execute(
            sa.text("SELECT salt, value, tenant FROM commitments_by_digest WHERE digest = :digest"),
            named,
        ).first()
        if row is None:
            continue
        tenant = row.tenant
        known = "SELECT 1 FROM commitments WHERE digest = :digest AND leaf >= :near"
        near = named | {"near": leaf - CHUNK}
        if connection.execute(sa.text(known), near).first() is None:
            connection.execute(
                sa.text(
                    "INSERT INTO commitments (leaf, position, digest, salt, value, tenant) "
                    "VALUES (:leaf, :position, :digest, :salt, :value, :tenant)"
                ),
                named
                | {"leaf": leaf, "position": position, "salt": row.salt, "value": row.value}
                | {"tenant": tenant},
            )
    predicate = statement["predicate"]
    about = predicate.get("request_id") or predicate.get("insight_id") or ""
    connection.execute(
        sa.text('UPDATE log_leaves SET tenant = :tenant, about = :about WHERE "index" = :leaf'),
        {"tenant": tenant, "about": about, "leaf": leaf},
    )
