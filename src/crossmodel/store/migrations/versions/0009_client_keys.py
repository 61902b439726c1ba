"""Client keys, and what each of them and each tenant has spent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MICROSECONDS_PER_DAY = 86_400_000_000


def upgrade() -> None:
    """Apply. What outcomes did cost so far is summed up by day, once."""
    op.add_column("outcomes", sa.Column("key", sa.Text(), nullable=True))
    op.create_table(
        "spending",
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("usd", sa.Float(), nullable=False),
    )
    day = f"recorded_at / {MICROSECONDS_PER_DAY}"
    op.execute(
        'INSERT INTO spending (day, tenant, "key", usd) '  # noqa: S608 - a number of ours
        f"SELECT {day}, tenant, '', sum(cost_usd) FROM outcomes "
        f"WHERE cost_usd > 0 AND cost_usd < 1e300 GROUP BY {day}, tenant"
    )
    op.create_table(
        "client_keys",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("tokens_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("burst", sa.BigInteger(), nullable=True),
        sa.Column("concurrent", sa.BigInteger(), nullable=True),
        sa.Column("daily_budget", sa.Float(), nullable=True),
        sa.Column("monthly_budget", sa.Float(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.UniqueConstraint("digest", name="uq_client_keys_digest"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("client_keys")
    op.drop_table("spending")
    op.drop_column("outcomes", "key")
