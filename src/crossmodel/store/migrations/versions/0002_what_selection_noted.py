"""Outcomes say who answered in truth and at which prices, selections how likely they were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("selections", sa.Column("propensity", sa.Float(), nullable=True))
    op.add_column("outcomes", sa.Column("served_model", sa.Text(), nullable=True))
    op.add_column("outcomes", sa.Column("price_version", sa.Text(), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("outcomes", "price_version")
    op.drop_column("outcomes", "served_model")
    op.drop_column("selections", "propensity")
