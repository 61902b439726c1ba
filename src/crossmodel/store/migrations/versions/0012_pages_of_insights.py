"""What people leaf through is found by an index, however many insights there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_insights_tenant_seq", "insights", ["tenant", "seq"])
    aside = sa.text("standing <> 'active'")
    op.create_index(
        "ix_insights_tenant_standing_seq",
        "insights",
        ["tenant", "standing", "seq"],
        sqlite_where=aside,
        postgresql_where=aside,
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_insights_tenant_standing_seq", "insights")
    op.drop_index("ix_insights_tenant_seq", "insights")
