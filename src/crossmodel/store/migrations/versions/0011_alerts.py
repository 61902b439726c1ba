"""Alerts, silences, and the outbox of what sinks are to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("check", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("told", sa.Text(), nullable=True),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("reminders", sa.Integer(), nullable=False),
    )
    op.create_index("ix_alerts_opened_at", "alerts", ["opened_at"])
    op.create_index("ix_alerts_state_opened_at", "alerts", ["state", "opened_at"])
    op.create_table(
        "alert_silences",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("check", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_alert_silences_until", "alert_silences", ["until"])
    op.create_table(
        "alert_notifications",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_alert_notifications_created_at", "alert_notifications", ["created_at"])
    op.create_table(
        "alert_deliveries",
        sa.Column(
            "notification_id",
            sa.Text(),
            sa.ForeignKey(
                "alert_notifications.id",
                name="fk_alert_deliveries_notification_id",
                ondelete="CASCADE",
            ),
            primary_key=True,
        ),
        sa.Column("sink", sa.Text(), primary_key=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
    )
    op.create_index(
        "ix_alert_deliveries_state_sink_notification_id",
        "alert_deliveries",
        ["state", "sink", "notification_id"],
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("alert_deliveries")
    op.drop_table("alert_notifications")
    op.drop_table("alert_silences")
    op.drop_table("alerts")
