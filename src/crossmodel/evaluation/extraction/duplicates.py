"""Are planted near-duplicates merged, and are claims that differ in one thing kept apart?"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossmodel.domain.insight import Evidence, Insight, text_sha256
from crossmodel.evaluation.extraction.edits import FLIPS, STRENGTHS, edited, flipped
from crossmodel.evaluation.extraction.grounding import Flip
from crossmodel.evaluation.extraction.rows import Extracted, Progress
from crossmodel.evaluation.statistics import Interval, wilson_interval
from crossmodel.extraction.deduplication import merge_duplicates
from crossmodel.text.sameness import EXACT_KINDS

_LEAST_WORDS: Final = 5
_MOST: Final = 1000
"""Insights that are edited and flipped."""

Edit = Callable[[str, str, random.Random], str]
"""A claim in slightly other words."""
Merges = Callable[[Insight, Insight], bool]
"""Whether two insights become one."""


@dataclass(frozen=True, slots=True)
class Merged:
    """How many pairs of one sort became one, and the ids of the rows where one went wrong.

    ``what`` is the strength of the edits, or what was flipped.
    """

    what: str
    pairs: int
    merged: int
    wrong_ids: tuple[str, ...]

    @property
    def share(self) -> float | None:
        """Share that was merged, 0..1; ``None`` without pairs."""
        return self.merged / self.pairs if self.pairs else None

    @property
    def interval(self) -> Interval:
        """95 % interval of the share."""
        return wilson_interval(self.merged, self.pairs)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: ids, never texts."""
        return {
            "what": self.what,
            "pairs": self.pairs,
            "merged": self.merged,
            "share": self.share,
            "interval_95": list(self.interval),
            "wrong_ids": list(self.wrong_ids),
        }


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Edits should be merged, flips should not."""

    edits: tuple[Merged, ...]
    flips: tuple[Merged, ...]

    @property
    def false_merges(self) -> float | None:
        """Share of all flips that was merged."""
        pairs = sum(each.pairs for each in self.flips)
        return sum(each.merged for each in self.flips) / pairs if pairs else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "recall_on_edits": [each.to_dict() for each in self.edits],
            "false_merges_on_flips": [each.to_dict() for each in self.flips],
            "false_merge_rate": self.false_merges,
        }


def merges_at(threshold: float) -> Merges:
    """Whether the extraction merges two at that ``similarity_threshold``; neither is changed."""

    def merges(first: Insight, second: Insight) -> bool:
        return bool(merge_duplicates([copy.copy(first), copy.copy(second)], threshold))

    return merges


def judge_duplicates(
    extracted: Sequence[Extracted],
    merge: Merges,
    *,
    edit: Edit = edited,
    flip: Flip = flipped,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Duplicates:
    """Plant edits and flips of the insights that are sentences, and see which become one."""
    rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
    known = [
        (each.row.id, insight)
        for each in extracted
        for insight in each.insights
        if insight.kind not in EXACT_KINDS and len(insight.content.split()) >= _LEAST_WORDS
    ]
    chosen = rng.sample(known, min(_MOST, len(known)))

    def planted(what: str, change: Flip, *, should_merge: bool) -> Merged:
        progress(f"planting duplicates: {what}")
        pairs = list(_pairs(chosen, lambda text: change(text, what, rng)))
        outcomes = [(row_id, merge(first, second)) for row_id, first, second in pairs]
        wrong = dict.fromkeys(row_id for row_id, done in outcomes if done != should_merge)
        return Merged(what, len(pairs), sum(done for _, done in outcomes), tuple(wrong))

    return Duplicates(
        tuple(planted(strength, edit, should_merge=True) for strength in STRENGTHS),
        tuple(planted(what, flip, should_merge=False) for what in FLIPS),
    )


def _pairs(
    known: Sequence[tuple[str, Insight]], change: Callable[[str], str | None]
) -> Iterator[tuple[str, Insight, Insight]]:
    for row_id, insight in known:
        text = change(insight.content)
        if text is None or text.split() == insight.content.split():
            continue
        other = Insight(
            text,
            insight_type=insight.insight_type,
            kind=insight.kind,
            evidence=(Evidence(0, len(text), text_sha256(text)),),
            confidence_score=insight.confidence_score,
        )
        yield row_id, insight, other
