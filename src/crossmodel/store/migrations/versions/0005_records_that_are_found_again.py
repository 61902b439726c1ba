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
    op.create_index("ix_commitments_by_digest", "commitments_by_leaf", ["digest"])
    op.execute(
        "INSERT INTO commitments (digest, salt, value, tenant) "
        "SELECT c.digest, c.salt, c.value, c.tenant FROM commitments_by_leaf c WHERE c.leaf = "
        "(SELECT MIN(d.leaf) FROM commitments_by_leaf d WHERE d.digest = c.digest)"
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
    """Each hidden value to the first record of each subject that commits to it.

    Insights of one source share a value and are looked up apart, so that each gets its own.
    """
    leaves = sa.text(
        'SELECT "index", payload_type, statement FROM log_leaves WHERE "index" > :after '
        'ORDER BY "index" LIMIT :chunk'
    )
    after = -1
    before: set[tuple[str, str]] = set()  # records of one append may stand in two chunks
    while rows := connection.execute(leaves, {"after": after, "chunk": CHUNK}).all():
        before = _place(connection, [(row[0], *_read(row[1], row[2])) for row in rows], before)
        after = rows[-1][0]
    _find_tenants(connection)


def _place(
    connection: sa.Connection,
    records: list[tuple[int, str, list[str]]],
    before: set[tuple[str, str]],
) -> set[tuple[str, str]]:
    """Place the values of records (index, whom about, digests) that stand in a row."""
    wanted = sorted({digest for _, _, digests in records for digest in digests})
    query = sa.text("SELECT digest, tenant FROM commitments_by_digest WHERE digest IN :digests")
    query = query.bindparams(sa.bindparam("digests", expanding=True))
    tenants: dict[str, str] = {}
    for start in range(0, len(wanted), CHUNK):
        found = connection.execute(query, {"digests": wanted[start : start + CHUNK]})
        tenants |= {row.digest: row.tenant for row in found}
    placed: set[tuple[str, str]] = set()
    values: list[dict[str, Any]] = []
    owners: list[dict[str, Any]] = []
    for leaf, about, digests in records:
        known = [digest for digest in digests if digest in tenants]
        owner = next((tenants[digest] for digest in known if tenants[digest]), "")
        owners.append({"leaf": leaf, "about": about, "tenant": owner})
        for position, digest in enumerate(digests):
            place = (digest, about)
            if digest in tenants and place not in placed and place not in before:
                values.append({"leaf": leaf, "position": position, "digest": digest})
                placed.add(place)
    if values:
        connection.execute(
            sa.text(
                "INSERT INTO commitments (leaf, position, digest, salt, value, tenant) "
                "SELECT :leaf, :position, digest, salt, value, tenant "
                "FROM commitments_by_digest WHERE digest = :digest"
            ),
            values,
        )
    connection.execute(
        sa.text('UPDATE log_leaves SET tenant = :tenant, about = :about WHERE "index" = :leaf'),
        owners,
    )
    return placed


def _read(payload_type: str, statement: bytes) -> tuple[str, list[str]]:
    """Whom a record is about, and its digests; nothing of what is no statement of ours."""
    if payload_type != "application/vnd.in-toto+json":
        return "", []
    try:
        document = json.loads(statement)
        predicate = document["predicate"]
        about = predicate.get("request_id") or predicate.get("insight_id") or ""
        return str(about), [each["digest"]["sha256"] for each in document["subject"]]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return "", []


def _find_tenants(connection: sa.Connection) -> None:
    """Whose the records are whose values do not say so, where only one tenant can be meant."""
    op.create_index("ix_selections_for_0005", "selections", ["request_id"])
    op.create_index("ix_insights_for_0005", "insights", ["id"])
    connection.execute(
        sa.text(
            "UPDATE log_leaves SET tenant = COALESCE("
            "(SELECT CASE WHEN MIN(tenant) = MAX(tenant) THEN MIN(tenant) END "
            "FROM selections WHERE selections.request_id = log_leaves.about), "
            "(SELECT CASE WHEN MIN(tenant) = MAX(tenant) THEN MIN(tenant) END "
            "FROM insights WHERE insights.id = log_leaves.about), '') "
            "WHERE tenant = '' AND about <> ''"
        )
    )
    connection.execute(
        sa.text(
            "UPDATE commitments SET tenant = (SELECT log_leaves.tenant FROM log_leaves "
            "WHERE log_leaves.\"index\" = commitments.leaf) WHERE tenant = ''"
        )
    )
    op.drop_index("ix_selections_for_0005", "selections")
    op.drop_index("ix_insights_for_0005", "insights")
