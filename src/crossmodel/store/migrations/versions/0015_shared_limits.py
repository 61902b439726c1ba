"""Budgets and rates that processes share by leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    budget = [
        sa.Column("budget", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, primary_key=True),
    ]
    rate = [
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("what", sa.Text, primary_key=True),
    ]
    op.create_table(
        "budget_periods", *_copies(budget), sa.Column("committed", sa.BigInteger, nullable=False)
    )
    op.create_table(
        "budget_leases",
        *_copies(budget),
        sa.Column("holder", sa.Text, primary_key=True),
        sa.Column("granted", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_budget_leases_holder", "budget_leases", ["holder"])
    op.create_table(
        "rate_buckets",
        *_copies(rate),
        sa.Column("units", sa.Float, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_table(
        "rate_leases",
        *_copies(rate),
        sa.Column("holder", sa.Text, primary_key=True),
        sa.Column("held", sa.Float, nullable=False),
        sa.Column("used", sa.Float, nullable=False),
        sa.Column("ends_at", sa.Float, nullable=False),
    )
    op.create_index("ix_rate_leases_holder", "rate_leases", ["holder"])


def downgrade() -> None:
    """Undo."""
    for table in ("rate_leases", "rate_buckets", "budget_leases", "budget_periods"):
        op.drop_table(table)


def _copies(columns: list[sa.Column[str]]) -> list[sa.Column[str]]:
    return [sa.Column(each.name, each.type, primary_key=True) for each in columns]
