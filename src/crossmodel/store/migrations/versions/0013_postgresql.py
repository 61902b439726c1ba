"""What PostgreSQL needs beside the tables: vectors as pgvector has them, words, exact order.

SQLite stays as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.drop_column("insight_vectors", "vector")
    op.execute("ALTER TABLE insight_vectors ADD COLUMN vector halfvec NOT NULL")
    op.create_table(
        "insight_words",
        sa.Column("insight_seq", sa.BigInteger(), primary_key=True, autoincrement=False),
    )
    op.execute("ALTER TABLE insight_words ADD COLUMN words tsvector NOT NULL")
    # fastupdate would let searches read a list of what was added lately, megabytes of it
    op.execute(
        "CREATE INDEX ix_insight_words_words ON insight_words USING gin (words) "
        "WITH (fastupdate = off)"
    )
    # ids and names are compared byte by byte, as on SQLite, whatever language the server speaks
    texts = connection.execute(
        sa.text(
            "SELECT table_name, "
            "string_agg(format('ALTER %I TYPE text COLLATE \"C\"', column_name), ', ') "
            "FROM information_schema.columns WHERE table_schema = current_schema() "
            "AND data_type = 'text' GROUP BY table_name ORDER BY table_name"
        )
    )
    for table, changes in texts.all():
        op.execute(f'ALTER TABLE "{table}" {changes}')


def downgrade() -> None:
    """Undo."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.drop_table("insight_words")
    op.execute("DELETE FROM insight_vectors")
    op.drop_column("insight_vectors", "vector")
    op.add_column("insight_vectors", sa.Column("vector", sa.LargeBinary(), nullable=False))
