"""All insights of a tenant as rows to train on, page by page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from crossmodel.domain import checks
from crossmodel.domain.transfer_config import ExportConfig
from crossmodel.ports import Transaction
from crossmodel.transfer.protocols.export import Exporter, encoded

PAGE: Final = 2_000
"""Insights in memory at a time, with those that they link to."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of an export: rows written, insights looked at, and those left out by reason."""

    written: int
    insights: int
    left_out: Mapping[str, int]


def export_insights(
    transaction: Transaction,
    tenant: str,
    write: Callable[[bytes], object],
    config: ExportConfig,
    *,
    insight_type: str | None = None,
    least_confidence: float = 0.0,
    leaf_of: Callable[[str], int | None] = lambda _: None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Exported:
    """Give every row to ``write``, newest insight first, as lines of JSON.

    ``leaf_of`` knows the log's record of an insight. ``progress`` is told how many insights of at
    most how many are done.

    Raises:
        InvalidInputError: if ``least_confidence`` lies outside of 0..1.
    """
    checks.unit_interval("least_confidence", least_confidence)
    exporter = Exporter(config, least_confidence, leaf_of)
    total = transaction.count_insights(tenant)
    done = 0
    while page := transaction.list_insights(
        tenant, limit=PAGE, offset=done, insight_type=insight_type
    ):
        links = sorted({link for insight in page for link in insight.links})
        linked = {insight.id: insight for insight in transaction.get_insights(tenant, links)}
        for row in exporter.rows(page, linked):
            write(encoded(row) + b"\n")
        done += len(page)
        progress(done, total)
    return Exported(exporter.written, done, dict(exporter.left_out.most_common()))
