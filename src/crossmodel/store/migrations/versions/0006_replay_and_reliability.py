"""What selections were made from, and how often what each model said came true."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "snapshots",
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "reliability",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("source_model", sa.Text(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("bin", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("correct", sa.Float(), nullable=False),
    )
    op.create_table(
        "judgements",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("insight_id", sa.Text(), primary_key=True),
        sa.Column("correct", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
    )


def downgrade() -> None:
    """Undo."""
    for table in ("judgements", "reliability", "snapshots"):
        op.drop_table(table)
