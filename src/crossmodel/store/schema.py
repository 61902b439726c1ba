"""The tables. People's data leads with its tenant; times are microseconds since 1970 in UTC."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from crossmodel.domain.traffic import BUCKETS, SUMS
from crossmodel.errors import InvalidInputError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class ExactText(sa.TypeDecorator[str]):
    """Text that comes back exactly: any NUL, CRLF or lone surrogate, on every database."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> bytes | None:  # noqa: ARG002 - the base class's signature
        """Text as UTF-8."""
        return None if value is None else value.encode("utf-8", "surrogatepass")

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - the base class's signature
        """UTF-8 as text."""
        return None if value is None else value.decode("utf-8", "surrogatepass")


_DOCUMENT: Final = json.JSONEncoder(default=str, separators=(",", ":")).encode
_PLAIN: Final = msgspec.json.Encoder(enc_hook=str).encode


class Json(sa.TypeDecorator[Any]):
    """A JSON document as ASCII text; what JSON does not know is kept as its string."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:  # noqa: ARG002 - the base class's signature
        """A document as text."""
        return _DOCUMENT(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:  # noqa: ARG002 - the base class's signature
        """Text as a document."""
        return None if value is None else json.loads(value)


class PlainJson(Json):
    """Likewise, but quicker, and only for what JSON knows: no NaN."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:
        """A document as text."""
        try:
            return _PLAIN(value).decode()
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape
            return super().process_bind_param(value, dialect)


class Moment(sa.TypeDecorator[datetime]):
    """A moment in UTC, exact to the microsecond."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002 - the base class's signature
        """A moment as microseconds."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidInputError(f"the time {value} has no time zone: give it one, such as UTC")
        return (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - the base class's signature
        """Microseconds as a moment."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Real(sa.TypeDecorator[float]):
    """A number that is not NaN, which SQLite would keep as NULL without a word."""

    impl = sa.Float
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: sa.Dialect) -> float | None:  # noqa: ARG002 - the base class's signature
        """The number itself."""
        if value is not None and math.isnan(value):
            raise InvalidInputError("a figure to be kept is NaN; leave out what was not measured")
        return value


Sequence_ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite only counts up by itself in columns of type INTEGER."""

models = sa.Table(
    "models",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("spec", Json, nullable=False),
)

selections = sa.Table(
    "selections",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("model_id", sa.Text, nullable=False),
    sa.Column("suitability_score", Real, nullable=False),
    sa.Column("alternatives", PlainJson, nullable=False),
    sa.Column("requirement", PlainJson, nullable=False),
    sa.Column("selected_at", Moment, nullable=False),
    sa.Column("latency_ms", Real, nullable=False),
    sa.Column("propensity", Real),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("seq", Sequence_, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("model_id", sa.Text, nullable=False),
    sa.Column("success", sa.Boolean, nullable=False),
    sa.Column("score", Real),
    sa.Column("latency_ms", Real),
    sa.Column("cost_usd", Real),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("served_model", sa.Text),
    sa.Column("price_version", sa.Text),
    sa.Column("key", sa.Text),
    sa.Index(None, "tenant", "request_id"),
    sa.Index(None, "recorded_at"),
)

# What outcomes did cost, summed up by day (of UTC, since 1970): see crossmodel.store.spending.
spending = sa.Table(
    "spending",
    metadata,
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("usd", Real, nullable=False),
)

# What processes that share limits have leased, and of what; amounts of money are in billionths of a
# USD, times in seconds since 1970: see crossmodel.store.leases.
budget_periods = sa.Table(
    "budget_periods",
    metadata,
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("committed", sa.BigInteger, nullable=False),
)

budget_leases = sa.Table(
    "budget_leases",
    metadata,
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, primary_key=True),
    sa.Column("granted", sa.BigInteger, nullable=False),
    sa.Index(None, "holder"),
)

rate_buckets = sa.Table(
    "rate_buckets",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("units", Real, nullable=False),
    sa.Column("at", Real, nullable=False),
)

rate_leases = sa.Table(
    "rate_leases",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, primary_key=True),
    sa.Column("held", Real, nullable=False),
    sa.Column("used", Real, nullable=False),
    sa.Column("ends_at", Real, nullable=False),
    sa.Index(None, "holder"),
)

LATENCY_COLUMNS: Final = tuple(f"latency_{bucket:02d}" for bucket in range(BUCKETS))

# What requests came to; ``start`` and ``span`` are seconds: see crossmodel.store.traffic.
traffic = sa.Table(
    "traffic",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("span", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("model_id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in (*SUMS, *LATENCY_COLUMNS)),
    sa.Index(None, "span", "start"),
    sqlite_with_rowid=False,
)

# Client keys by their hash; the keys themselves are kept nowhere.
client_keys = sa.Table(
    "client_keys",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("models", PlainJson, nullable=False),
    sa.Column("requests_per_minute", sa.BigInteger),
    sa.Column("tokens_per_minute", sa.BigInteger),
    sa.Column("burst", sa.BigInteger),
    sa.Column("concurrent", sa.BigInteger),
    sa.Column("daily_budget", Real),
    sa.Column("monthly_budget", Real),
    sa.Column("expires_at", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("revoked_at", Moment),
    sa.UniqueConstraint("digest"),
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("text", ExactText, nullable=False),
    sa.Column("source_model", sa.Text, nullable=False),
    sa.Column("origin", ExactText, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index(None, "created_at"),
)

insights = sa.Table(
    "insights",
    metadata,
    sa.Column("seq", Sequence_, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("content", ExactText, nullable=False),
    sa.Column("insight_type", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("scope", ExactText, nullable=False),
    sa.Column("source_model", sa.Text, nullable=False),
    sa.Column("confidence_score", Real, nullable=False),
    sa.Column("validation_status", sa.Text, nullable=False),
    sa.Column("extraction_timestamp", Moment, nullable=False),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("trust", Real, nullable=False),
    sa.Column("standing", sa.Text, nullable=False),
    sa.Column("standing_reason", ExactText, nullable=False),
    sa.UniqueConstraint("tenant", "id"),
    sa.Index("ix_insights_tenant_seq", "tenant", "seq"),
    # Few are set aside: those are found without looking at the others. On PostgreSQL it is partial
    # too, by its migration: to say so here would load that dialect at every start.
    sa.Index(
        "ix_insights_tenant_standing_seq",
        "tenant",
        "standing",
        "seq",
        sqlite_where=sa.text("standing <> 'active'"),
    ),
)

# Unit vectors of an insight's scope and content, one float16 a dimension, by the embedder's name.
insight_vectors = sa.Table(
    "insight_vectors",
    metadata,
    sa.Column("insight_seq", sa.ForeignKey("insights.seq"), primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("embedder", sa.Text, nullable=False),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.Index(None, "tenant", "embedder", "insight_seq"),
)

insight_evidence = sa.Table(
    "insight_evidence",
    metadata,
    sa.Column("insight_seq", sa.ForeignKey("insights.seq"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("start", sa.BigInteger, nullable=False),
    sa.Column("end", sa.BigInteger, nullable=False),
    sa.Column("source_sha256", sa.Text, nullable=False),
    sa.Index(None, "source_sha256"),
)

# An insight may name one that is not kept (a duplicate, say), so the target is no foreign key.
insight_links = sa.Table(
    "insight_links",
    metadata,
    sa.Column("insight_seq", sa.ForeignKey("insights.seq"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("target_id", sa.Text, nullable=False),
)

# Near-duplicates have a key in common: see crossmodel.text.fingerprint.
insight_keys = sa.Table(
    "insight_keys",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("key", sa.BigInteger, primary_key=True),
    sa.Column("insight_seq", sa.ForeignKey("insights.seq"), primary_key=True),
    sqlite_with_rowid=False,
)

transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("target_model", sa.Text, nullable=False),
    sa.Column("protocol", sa.Text, nullable=False),
    sa.Column("success", sa.Boolean, nullable=False),
    sa.Column("insight_ids", PlainJson, nullable=False),
    sa.Column("quality_score", Real, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("context_digest", sa.Text, nullable=False),
    sa.Column("transferred_at", Moment, nullable=False),
    sa.Column("error", ExactText),
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("task_type", sa.Text, nullable=False),
    sa.Column("propensity", Real, nullable=False),
    sa.Column("relevance", Real),
)

# Scores by what they tell of: see crossmodel.domain.uplift.
uplift = sa.Table(
    "uplift",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("unit", sa.Text, primary_key=True),
    sa.Column("target_model", sa.Text, primary_key=True),
    sa.Column("task_type", sa.Text, primary_key=True),
    sa.Column("arm", sa.Text, primary_key=True),
    sa.Column("n", sa.BigInteger, nullable=False),
    sa.Column("total", Real, nullable=False),
    sa.Column("squares", Real, nullable=False),
)

# A topic's curated list: items keep their ids and places for ever; what is retired stays known.
playbook_items = sa.Table(
    "playbook_items",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("insight_id", sa.Text, nullable=False),
    sa.Column("retired", sa.Text, nullable=False),
    sa.UniqueConstraint("tenant", "topic", "insight_id"),
)

# How often what a model said came true: see crossmodel.domain.reliability. Days are in UTC.
reliability = sa.Table(
    "reliability",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("source_model", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("bin", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("n", sa.BigInteger, nullable=False),
    sa.Column("confidence", Real, nullable=False),
    sa.Column("correct", Real, nullable=False),
)

# What counts of an insight there, so that a change of mind does not count twice.
judgements = sa.Table(
    "judgements",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("insight_id", sa.Text, primary_key=True),
    sa.Column("correct", sa.Boolean, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
)

# What selections were made from, by content: settings and profiles, nothing of anybody's requests.
snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

log_leaves = sa.Table(
    "log_leaves",
    metadata,
    sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("payload_type", sa.Text, nullable=False),
    sa.Column("statement", sa.LargeBinary, nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("about", sa.Text, nullable=False),
    sa.Index("ix_log_leaves_about_tenant", "about", "tenant"),
)

log_signatures = sa.Table(
    "log_signatures",
    metadata,
    sa.Column("leaf", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("signature", sa.LargeBinary, nullable=False),
)

log_nodes = sa.Table(
    "log_nodes",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

# How far the spool of each process that hands over has been written: see witness.handing_over.
log_spools = sa.Table(
    "log_spools",
    metadata,
    sa.Column("producer", sa.Text, primary_key=True),
    sa.Column("segment", sa.BigInteger, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)

# Who signs the log's head just now: one row. See crossmodel.witness.signing.
log_signer = sa.Table(
    "log_signer",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("until", Moment, nullable=False),
)

commitments = sa.Table(
    "commitments",
    metadata,
    # led by the leaf, not by the digest: an index grows at its end however long the log is
    sa.Column("leaf", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
)

# How far upkeep has come, and what it owes: see crossmodel.store.marks.
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

# Episodes of trouble; of the operator's machines, so of no tenant: see crossmodel.telemetry.alerts.
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("instance", sa.Text, nullable=False),
    sa.Column("check", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
    sa.Column("resolved_at", Moment, nullable=True),
    sa.Column("told", sa.Text, nullable=True),
    sa.Column("told_at", Moment, nullable=True),
    sa.Column("reminders", sa.Integer, nullable=False),
    sa.Index(None, "opened_at"),
    sa.Index(None, "state", "opened_at"),
)

alert_silences = sa.Table(
    "alert_silences",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("check", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("until", Moment, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index(None, "until"),
)

alert_notifications = sa.Table(
    "alert_notifications",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index(None, "created_at"),
)

alert_deliveries = sa.Table(
    "alert_deliveries",
    metadata,
    sa.Column(
        "notification_id",
        sa.Text,
        sa.ForeignKey("alert_notifications.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("sink", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Moment, nullable=False),  # or, while it is being delivered, when that ends
    sa.Column("settled_at", Moment, nullable=True),
    sa.Column("error", sa.Text, nullable=False),
    sa.Index(None, "state", "sink", "notification_id"),
)
