"""How far retention has come, what scrubbing owes, and which sources nobody stands on any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. What was erased before may still stand in a file: that is looked after first."""
    marks = op.create_table(
        "marks",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(marks, [{"name": "scrub", "value": 1}])
    op.create_index("ix_sources_created_at", "sources", ["created_at"])
    op.create_index("ix_insight_evidence_source_sha256", "insight_evidence", ["source_sha256"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_insight_evidence_source_sha256", "insight_evidence")
    op.drop_index("ix_sources_created_at", "sources")
    op.drop_table("marks")
