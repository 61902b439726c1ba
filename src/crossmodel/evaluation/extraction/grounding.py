"""Does every insight stand in its source, and is nothing grounded that its source does not say?"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossmodel.domain.insight import Insight, Span, text_sha256
from crossmodel.evaluation.extraction.edits import FLIPS, flipped
from crossmodel.evaluation.extraction.rows import Extracted, Progress
from crossmodel.evaluation.statistics import wilson_interval
from crossmodel.text.grounding import Grounder
from crossmodel.text.segments import parse
from crossmodel.text.sentences import sentences

FOREIGN: Final = "another answer"
CLIPPED: Final = "cut out of context"
_CUTS: Final = re.compile(
    r"\b(?:not|never|no|without|cannot)\s+(?=\w)|(?<=[\s(=])[-\u2212](?=\d)|\d(?=\d)", re.IGNORECASE
)
"""Behind these a claim begins to say something else: the negation, sign or digit is lost."""
_SENTENCES: Final = 8
"""Of an answer that are corrupted, besides its insights."""
_STRANGERS: Final = 3
"""Claims of other answers that each answer is asked for."""
_LEAST_WORDS: Final = 3
_MAX_CLAIM: Final = 600

Ground = Callable[[str], Span | None]
"""Grounds claims in one source."""
Flip = Callable[[str, str, random.Random], str | None]
"""A claim with one thing of a kind changed, or ``None`` where it has none."""


@dataclass(frozen=True, slots=True)
class Ungrounded:
    """An insight that its source does not say, and what is wrong with it."""

    row_id: str
    insight_id: str
    insight_type: str
    kind: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Plain values, for JSON."""
        return {
            "id": self.row_id,
            "insight": self.insight_id,
            "type": self.insight_type,
            "kind": self.kind,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class GroundedInsights:
    """How many insights there are, by type and kind, and which do not stand in their source."""

    counts: Mapping[tuple[str, str], int]
    ungrounded: tuple[Ungrounded, ...]

    @property
    def insights(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    @property
    def rate(self) -> float | None:
        """Share that is grounded, 0..1; ``None`` without insights."""
        return 1 - len(self.ungrounded) / self.insights if self.counts else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "insights": self.insights,
            "grounded": self.insights - len(self.ungrounded),
            "rate": self.rate,
            "by_type_and_kind": [
                {"type": insight_type, "kind": kind, "insights": count}
                for (insight_type, kind), count in sorted(self.counts.items())
            ],
            "ungrounded": [each.to_dict() for each in self.ungrounded],
        }


@dataclass(frozen=True, slots=True)
class Corrupted:
    """Claims that one kind of corruption made false, and the rows where one was grounded.

    ``said_elsewhere`` were left out: the source happens to say them as well.
    """

    what: str
    claims: int
    accepted: int
    accepted_ids: tuple[str, ...]
    said_elsewhere: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: ids, never texts."""
        return {
            "corruption": self.what,
            "claims": self.claims,
            "accepted": self.accepted,
            "rate": self.accepted / self.claims if self.claims else None,
            "interval_95": list(wilson_interval(self.accepted, self.claims)),
            "accepted_ids": list(self.accepted_ids),
            "said_elsewhere": self.said_elsewhere,
        }


def judge_grounding(extracted: Sequence[Extracted]) -> GroundedInsights:
    """Which insights stand on evidence: spans of this very source that say what they say."""
    counts: Counter[tuple[str, str]] = Counter()
    wrong = []
    for each in extracted:
        sha256 = text_sha256(each.row.output)
        ground = Grounder(each.row.output).ground
        for insight in each.insights:
            counts[str(insight.insight_type), str(insight.kind)] += 1
            reason = _fault(insight, each.row.output, sha256, ground)
            if reason:
                wrong.append(
                    Ungrounded(
                        each.row.id,
                        insight.id,
                        str(insight.insight_type),
                        str(insight.kind),
                        reason,
                    )
                )
    return GroundedInsights(dict(counts), tuple(wrong))


def judge_false_grounding(
    extracted: Sequence[Extracted],
    *,
    flip: Flip = flipped,
    grounder: Callable[[str], Ground] = lambda source: Grounder(source).ground,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> list[Corrupted]:
    """How many claims are grounded that their source does not say, by kind of corruption.

    Corrupted are the insights and some sentences of each answer; cut out of context are their
    endings behind a negation, a sign or the first digits of a number, which the source holds letter
    for letter; of another answer are insights and sentences to a different question, a third of
    them from the same task. What the source does say, letter for letter but for white space and
    case, is no corruption and is left out.
    """
    rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
    tallies = {what: _Tally() for what in (*FLIPS, CLIPPED, FOREIGN)}
    claims = [list(dict.fromkeys(_claims(each, rng))) for each in extracted]
    of_task: dict[str, list[int]] = {}
    for index, each in enumerate(extracted):
        of_task.setdefault(each.row.task, []).append(index)
    for index, each in enumerate(extracted):
        progress(f"corrupting claims of {index + 1} of {len(extracted)}")
        row = each.row
        ground, said = grounder(row.output), _said(row.output)
        for claim in claims[index]:
            for what in FLIPS:
                false = flip(claim, what, rng)
                if false is not None and _said(false) != _said(claim):
                    tallies[what].add(row.id, false, ground, is_said=_says(said, false))
            for cut, whole in _endings(claim):
                # nothing but the part of the whole may say it
                is_said = said.count(_said(cut)) > said.count(_said(whole))
                tallies[CLIPPED].add(row.id, cut, ground, is_said=is_said)
        for number in range(_STRANGERS):
            pool = of_task[row.task] if number % 2 else range(len(extracted))
            other = rng.choice(pool)
            if extracted[other].row.question != row.question and claims[other]:
                claim = rng.choice(claims[other])
                tallies[FOREIGN].add(row.id, claim, ground, is_said=_says(said, claim))
    return [tally.result(what) for what, tally in tallies.items()]


class _Tally:
    def __init__(self) -> None:
        self.claims = self.accepted = self.said_elsewhere = 0
        self.ids: dict[str, None] = {}

    def add(self, row_id: str, claim: str, ground: Ground, *, is_said: bool) -> None:
        if is_said:
            self.said_elsewhere += 1
            return
        self.claims += 1
        if ground(claim) is not None:
            self.accepted += 1
            self.ids[row_id] = None

    def result(self, what: str) -> Corrupted:
        return Corrupted(what, self.claims, self.accepted, tuple(self.ids), self.said_elsewhere)


def _fault(insight: Insight, source: str, sha256: str, ground: Ground) -> str:
    if not insight.evidence:
        return "no evidence"
    if any(each.source_sha256 != sha256 for each in insight.evidence):
        return "evidence of another source"
    if any(each.end > len(source) for each in insight.evidence):
        return "evidence beyond the end"
    wanted = insight.content.split()
    if not any(source[each.start : each.end].split() == wanted for each in insight.evidence):
        return "evidence that says something else"
    return "" if ground(insight.content) is not None else "does not ground"


def _claims(each: Extracted, rng: random.Random) -> Iterator[str]:
    """The insights of an answer, and some of its sentences."""
    text = each.row.output
    spoken = [
        text[start:end]
        for segment in parse(text)
        if segment.is_prose
        for start, end in sentences(text, segment.start, segment.end)
    ]
    chosen = rng.sample(spoken, min(_SENTENCES, len(spoken)))
    for claim in [*(insight.content for insight in each.insights), *chosen]:
        if len(claim.split()) >= _LEAST_WORDS and len(claim) <= _MAX_CLAIM:
            yield claim


def _endings(claim: str) -> Iterator[tuple[str, str]]:
    """What remains of a claim behind each place where it must not be cut, and from there on."""
    for cut in _CUTS.finditer(claim):
        ending = claim[cut.end() :]
        if len(ending.split()) >= _LEAST_WORDS:
            yield ending, claim[cut.start() :]


def _says(said: str, claim: str) -> bool:
    """Whether an answer, in the form of `_said`, holds the claim and no word goes on across it."""
    wanted = re.escape(_said(claim))
    before, after = (
        r"\b" if edge.isalnum() else "" for edge in (claim.strip()[0], claim.strip()[-1])
    )
    return re.search(before + wanted + after, said) is not None


def _said(text: str) -> str:
    return " ".join(text.casefold().split())
