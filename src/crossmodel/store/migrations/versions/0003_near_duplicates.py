"""Keys by which an insight that was told before is known again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from crossmodel.store import schema
from crossmodel.store.duplicates import missing_keys

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "insight_keys",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("key", sa.BigInteger(), primary_key=True),
        sa.Column(
            "insight_seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.ForeignKey("insights.seq"),
            primary_key=True,
        ),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    for rows in missing_keys(connection):
        if rows:
            connection.execute(sa.insert(schema.insight_keys), rows)


def downgrade() -> None:
    """Undo."""
    op.drop_table("insight_keys")
