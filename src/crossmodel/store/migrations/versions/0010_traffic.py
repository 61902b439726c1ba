"""What requests came to, summed up: see crossmodel.store.traffic."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEY = "tenant, span, start, model_id"
SUMS = (
    "requests", "errors", "cached", "streams", "uncounted", "input_tokens", "output_tokens",
    "cost_nano", "baseline_nano", "scores", "score_nano", "selection_us", "suitability_nano",
    "extractions", "extraction_us", "insights", "confidence_nano", "transfers", "transferred",
    "withheld", "handed_over", "handed_tokens", "quality_nano",
)  # fmt: skip
LATENCIES = tuple(f"latency_{bucket:02d}" for bucket in range(80))
BOUNDS = tuple(2 ** (n / 4) for n in range(79))
DAY = "(coalesce(s.selected_at, o.recorded_at) / 86400000000 * 86400)"
COST = "CASE WHEN cost_usd > 0 AND cost_usd < 10000 THEN CAST(round(cost_usd * 1e9) AS BIGINT) END"
TIMED = "s.request_id IS NOT NULL AND o.source = 'engine'"


def upgrade() -> None:
    """Apply. Requests and scores so far are summed up by day, once; nobody counted their tokens."""
    op.create_table(
        "traffic",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("span", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("start", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("model_id", sa.Text(), primary_key=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*SUMS, *LATENCIES)),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_traffic_span_start", "traffic", ["span", "start"])
    _add(
        {
            "requests": "count(s.request_id)",
            "errors": "sum(CASE WHEN s.request_id IS NOT NULL AND NOT o.success THEN 1 ELSE 0 END)",
            "cached": "sum(CASE WHEN o.source = 'cache' THEN 1 ELSE 0 END)",
            "uncounted": "count(s.request_id)",
            "cost_nano": _total(COST),
            "baseline_nano": _total(f"CASE WHEN s.request_id IS NOT NULL THEN {COST} END"),
            "selection_us": _total("CAST(round(s.latency_ms * 1000) AS BIGINT)"),
            "suitability_nano": _total("CAST(round(s.suitability_score * 1e9) AS BIGINT)"),
        }
        | {
            name: f"sum(CASE WHEN {TIMED} AND {_within(bucket)} THEN 1 ELSE 0 END)"
            for bucket, name in enumerate(LATENCIES)
        },
        "o.source IN ('engine', 'cache')",
    )
    last = "SELECT max(seq) FROM outcomes WHERE score IS NOT NULL GROUP BY tenant, request_id"
    _add(
        {"scores": "count(*)", "score_nano": "sum(CAST(round(o.score * 1e9) AS BIGINT))"},
        f"s.request_id IS NOT NULL AND o.score >= 0 AND o.score <= 1 AND o.seq IN ({last})",
    )


def _add(sums: dict[str, str], where: str) -> None:
    """Sum up outcomes by day, tenant and model."""
    columns = (*SUMS, *LATENCIES)
    added = ", ".join(f"{name} = traffic.{name} + excluded.{name}" for name in sums)
    op.execute(
        f"INSERT INTO traffic ({KEY}, {', '.join(columns)}) "  # noqa: S608 - our own names
        f"SELECT o.tenant, 86400, {DAY}, o.model_id, "
        f"{', '.join(sums.get(name, '0') for name in columns)} "
        "FROM outcomes AS o LEFT JOIN selections AS s "
        "ON s.tenant = o.tenant AND s.request_id = o.request_id "
        f"WHERE {where} AND o.recorded_at >= 0 GROUP BY o.tenant, {DAY}, o.model_id "
        f"ON CONFLICT ({KEY}) DO UPDATE SET {added}"
    )


def _total(each: str) -> str:
    return f"coalesce(sum({each}), 0)"


def _within(bucket: int) -> str:
    parts = ["o.latency_ms IS NOT NULL"]
    if bucket > 0:
        parts.append(f"o.latency_ms > {BOUNDS[bucket - 1]!r}")
    if bucket < len(BOUNDS):
        parts.append(f"o.latency_ms <= {BOUNDS[bucket]!r}")
    return " AND ".join(parts)


def downgrade() -> None:
    """Undo."""
    op.drop_table("traffic")
