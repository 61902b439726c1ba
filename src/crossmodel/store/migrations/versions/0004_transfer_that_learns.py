"""What transfer learns: standing and trust of insights, vectors, arms, effects, playbooks.

Hidden values get their tenant too, so that erasing one tenant's takes nothing of another's.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from crossmodel.store import schema
from crossmodel.store.words import indexed, tenant_code

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHUNK = 1_000
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    no_bytes = "X''" if op.get_bind().dialect.name == "sqlite" else r"'\x'"
    for table, column in (
        ("insights", sa.Column("trust", sa.Float(), nullable=False, server_default="0.5")),
        ("insights", sa.Column("standing", sa.Text(), nullable=False, server_default="active")),
        (
            "insights",
            sa.Column(
                "standing_reason",
                sa.LargeBinary(),
                nullable=False,
                server_default=sa.text(no_bytes),
            ),
        ),
        ("transfers", sa.Column("arm", sa.Text(), nullable=False, server_default="insights")),
        ("transfers", sa.Column("task_type", sa.Text(), nullable=False, server_default="")),
        ("transfers", sa.Column("propensity", sa.Float(), nullable=False, server_default="1.0")),
        ("transfers", sa.Column("relevance", sa.Float(), nullable=True)),
        ("commitments", sa.Column("tenant", sa.Text(), nullable=False, server_default="")),
    ):
        op.add_column(table, column)
    op.create_table(
        "insight_vectors",
        sa.Column("insight_seq", SEQUENCE, sa.ForeignKey("insights.seq"), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("embedder", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
    )
    op.create_index(
        "ix_insight_vectors_tenant_embedder_insight_seq",
        "insight_vectors",
        ["tenant", "embedder", "insight_seq"],
    )
    op.create_table(
        "uplift",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("unit", sa.Text(), primary_key=True),
        sa.Column("target_model", sa.Text(), primary_key=True),
        sa.Column("task_type", sa.Text(), primary_key=True),
        sa.Column("arm", sa.Text(), primary_key=True),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Float(), nullable=False),
        sa.Column("squares", sa.Float(), nullable=False),
    )
    op.create_table(
        "playbook_items",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("topic", sa.Text(), primary_key=True),
        sa.Column("item", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("insight_id", sa.Text(), nullable=False),
        sa.Column("retired", sa.Text(), nullable=False),
        sa.UniqueConstraint("tenant", "topic", "insight_id"),
    )
    connection = op.get_bind()
    if (
        connection.dialect.name == "sqlite"
    ):  # words of each tenant apart: see crossmodel.store.words
        op.execute("DROP TABLE insights_fts")
        op.execute(
            "CREATE VIRTUAL TABLE insights_fts USING fts5(content, scope, tokenize = 'ascii')"
        )
        _fill(connection, lambda tenant, text: indexed(tenant_code(tenant), text))


def downgrade() -> None:
    """Undo."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        op.execute("DROP TABLE insights_fts")
        op.execute(
            "CREATE VIRTUAL TABLE insights_fts USING fts5("
            "content, scope, tokenize = 'unicode61 remove_diacritics 2')"
        )
        _fill(
            connection, lambda _, text: text.encode("utf-8", "replace").decode().replace("\0", " ")
        )
    for table in ("playbook_items", "uplift", "insight_vectors"):
        op.drop_table(table)
    for table, column in (
        ("commitments", "tenant"),
        ("transfers", "relevance"), ("transfers", "propensity"), ("transfers", "task_type"),
        ("transfers", "arm"),
        ("insights", "standing_reason"), ("insights", "standing"), ("insights", "trust"),
    ):  # fmt: skip
        op.drop_column(table, column)


def _fill(connection: sa.Connection, text: Callable[[str, str], str]) -> None:
    insert = sa.text("INSERT INTO insights_fts (rowid, content, scope) VALUES (:seq, :c, :s)")
    table = schema.insights
    query = sa.select(table.c.seq, table.c.tenant, table.c.content, table.c.scope)
    for rows in connection.execute(query).partitions(CHUNK):
        connection.execute(
            insert,
            [
                {"seq": seq, "c": text(tenant, content), "s": text(tenant, scope)}
                for seq, tenant, content, scope in rows
            ],
        )
