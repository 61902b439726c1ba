"""What an erasure took away, and the receipt for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Erased:
    """What the store has erased.

    Attributes:
        insight_ids: the insights that are gone; ids that the tenant does not have are not among
            them.
        counts: rows or pieces that went, by kind, such as ``insights``, ``passages`` (pieces of
            source texts) and ``commitments``.
        still_held_by: ids of insights that are still there and hold some of the same text: they
            quote it, or stand on a part of a source that overlaps.
        records: ranges ``(first, last)``, both included, of the log's records whose hidden values
            went.
    """

    insight_ids: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    still_held_by: tuple[str, ...] = ()
    records: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """That insights were erased, and where the log says so.

    Attributes:
        erased: what went.
        reason: why, as whoever asked said it; the log only commits to it.
        erased_at: when.
        leaf: the record of the log; ``None`` where witnessing is switched off.
        disclosed: digests of the record's commitments that evidence may reveal: the ids and the
            reason.
        is_scrubbed: whether the erased bytes are gone from the store's files too; if not, a reader
            held them, and they go when it has let go and the store is written or closed.
    """

    erased: Erased
    reason: str
    erased_at: datetime
    leaf: int | None = None
    disclosed: tuple[str, ...] = ()
    is_scrubbed: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "insights": list(self.erased.insight_ids),
            "counts": dict(self.erased.counts),
            "still_held_by": list(self.erased.still_held_by),
            "reason": self.reason,
            "time": self.erased_at.isoformat(),
            "leaf": self.leaf,
            "scrubbed": self.is_scrubbed,
        }
