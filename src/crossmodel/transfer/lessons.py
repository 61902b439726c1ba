"""Lessons: insights that stand or fall together, such as a rule with its worked examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossmodel.domain.insight import Insight
from crossmodel.transfer.protocols.base import worked_example
from crossmodel.transfer.relevance import words_in


@dataclass(frozen=True, slots=True)
class Lesson:
    """Insights that are linked with each other, in the order of their source."""

    insights: tuple[Insight, ...]

    @property
    def source(self) -> str:
        """SHA-256 of the text that it is from; empty if nothing is known."""
        evidence = self.insights[0].evidence
        return evidence[0].source_sha256 if evidence else ""

    @property
    def is_pattern(self) -> bool:
        """Whether it is a rule that an example shows applied."""
        return self.has_examples and any(not worked_example(each) for each in self.insights)

    @property
    def has_examples(self) -> bool:
        """Whether it holds worked examples."""
        return any(worked_example(insight) for insight in self.insights)


def lessons(candidates: Sequence[Insight]) -> list[Lesson]:
    """The candidates as lessons.

    Worked examples of one source and scope belong together, whatever else they are linked with;
    without a scope, those whose inputs are alike.
    The order depends on the insights alone, not on that of the candidates.
    """
    insights = sorted({each.id: each for each in candidates}.values(), key=_source_order)
    parent = {insight.id: insight.id for insight in insights}

    def root(ident: str) -> str:
        while parent[ident] != ident:
            parent[ident] = parent[parent[ident]]
            ident = parent[ident]
        return ident

    alike: dict[tuple[str, str], list[tuple[str, frozenset[str]]]] = {}
    for insight in insights:
        related = [link for link in insight.links if link in parent]
        if insight.evidence and (pair := worked_example(insight)):
            kin = alike.setdefault((insight.evidence[0].source_sha256, insight.scope), [])
            words = words_in(pair[0])
            related += [other for other, theirs in kin if insight.scope or _alike(words, theirs)][
                :1
            ]
            kin.append((insight.id, words))
        for other in related:
            parent[root(other)] = root(insight.id)
    members: dict[str, list[Insight]] = {}
    for insight in insights:
        members.setdefault(root(insight.id), []).append(insight)
    return [Lesson(tuple(each)) for each in members.values()]


def _alike(first: frozenset[str], second: frozenset[str]) -> bool:
    return 2 * len(first & second) >= len(first | second)


def _source_order(insight: Insight) -> tuple[str, int, str]:
    first = insight.evidence[0] if insight.evidence else None
    return (first.source_sha256, first.start, insight.id) if first else ("", 0, insight.id)
