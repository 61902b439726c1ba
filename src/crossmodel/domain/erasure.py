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
    """That insights or a request were erased, and where the log says so.

    ``CrossModel.witness(receipt.leaf, disclose=receipt.disclosed)`` is the evidence of it, which
    anyone can verify.

    Attributes:
        erased: what went.
        reason: why, as whoever asked said it; the log only commits to it.
        erased_at: when.
        leaf: the record of the log; ``None`` where witnessing is switched off.
        disclosed: digests of the record's commitments that evidence may reveal: the ids and the
            reason.
        is_scrubbed: whether the erased bytes are gone from the store's files too; if not, a reader
            held them, and they go when it has let go and the store is opened again.
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
            "records": [list(each) for each in self.erased.records],
            "reason": self.reason,
            "time": self.erased_at.isoformat(),
            "leaf": self.leaf,
            "scrubbed": self.is_scrubbed,
        }


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What a run of retention has erased, or would erase.

    Attributes:
        cutoff: what the log took before this moment is due.
        records: how many records were due whose hidden values do not stay.
        values: how many hidden values went with them.
        sources: how many source texts went that no insight stands on.
        oldest: when the log took the first of the records; ``None`` if there is none.
        newest: when it took the last of them.
        leaves: the records of the log that say so, one for each batch.
        is_scrubbed: as in :class:`ErasureReceipt`.
        held_until: nothing went yet, because the clock has leapt: when it will go unless the clock
            is set back; ``None`` where nothing is held.
    """

    cutoff: datetime
    records: int = 0
    values: int = 0
    sources: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    leaves: tuple[int, ...] = ()
    is_scrubbed: bool = True
    held_until: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        moments = {
            "cutoff": self.cutoff,
            "oldest": self.oldest,
            "newest": self.newest,
            "held_until": self.held_until,
        }
        return {
            "records": self.records,
            "values": self.values,
            "sources": self.sources,
            **{name: moment and moment.isoformat() for name, moment in moments.items()},
            "leaves": list(self.leaves),
            "scrubbed": self.is_scrubbed,
        }
