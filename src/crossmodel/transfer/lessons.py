"""Lessons: what is handed over or not as one, such as a rule with its worked examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from crossmodel.domain.insight import Insight
from crossmodel.transfer.relevance import columns_of, words_in
from crossmodel.transfer.wording import one_line, unannounced, worked_example

RIGHT_AFTER: Final = 80
"""Characters that may stand between a statement and an example that shares no word with it."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A statement, if there is one, and its worked examples in the order of their source."""

    insights: tuple[Insight, ...]

    @property
    def source(self) -> str:
        """SHA-256 of the text that it is from; empty if nothing is known."""
        evidence = self.insights[0].evidence
        return evidence[0].source_sha256 if evidence else ""

    @property
    def ids(self) -> frozenset[str]:
        """The ids of its insights."""
        return frozenset(insight.id for insight in self.insights)

    @property
    def links(self) -> frozenset[str]:
        """The ids that its insights are linked with."""
        return frozenset(link for insight in self.insights for link in insight.links)

    @property
    def trust(self) -> float:
        """How well it is supported, 0..1: by the trust in its sources, each of which tells more."""
        return max(
            1.0 - (1.0 - each.trust) / (1 + len({e.source_sha256 for e in each.evidence[1:]}))
            for each in self.insights
        )

    @property
    def text(self) -> str:
        """What it says, in one line."""
        return " ".join(unannounced(one_line(insight.content)) for insight in self.insights)

    @property
    def is_pattern(self) -> bool:
        """Whether it is a rule that an example shows applied."""
        return self.has_examples and any(not worked_example(each) for each in self.insights)

    @property
    def has_examples(self) -> bool:
        """Whether it holds worked examples."""
        return any(worked_example(insight) for insight in self.insights)


def lessons(candidates: Sequence[Insight]) -> list[Lesson]:
    """The candidates as lessons: each statement with its worked examples, which it may share.

    With the examples that are linked with it come those that are like them, from the same source.
    Worked examples of no statement belong together if they are of one source and scope; without a
    scope, if their inputs are alike. The order depends on the insights alone, not on that of the
    candidates.
    """
    insights = sorted({each.id: each for each in candidates}.values(), key=_source_order)
    examples = {each.id: each for each in insights if worked_example(each)}
    by_statement: dict[str, set[str]] = {}
    for example in examples.values():
        for link in example.links:
            by_statement.setdefault(link, set()).add(example.id)
    found, taken = [], set[str]()
    for statement in insights:
        if statement.id in examples:
            continue
        linked = by_statement.get(statement.id, set()) | examples.keys() & set(statement.links)
        shown = [examples[each] for each in sorted(linked) if _shows(examples[each], statement)]
        kin = {each.id for first in shown for each in _kin(first, examples.values())}
        mine = [each for each in insights if each.id in kin]
        taken |= kin
        found.append(Lesson((statement, *mine)))
    return [*found, *_alone([each for each in examples.values() if each.id not in taken])]


def _kin(first: Insight, examples: Iterable[Insight]) -> list[Insight]:
    """The example itself, and those of its source and scope whose inputs are like its own."""
    words, sources = _input_words(first), {each.source_sha256 for each in first.evidence}
    return [
        each
        for each in examples
        if each is first
        or (
            each.scope == first.scope
            and any(evidence.source_sha256 in sources for evidence in each.evidence)
            and _alike(words, _input_words(each))
        )
    ]


def _shows(example: Insight, statement: Insight) -> bool:
    """Whether a linked example has to do with the statement: a table may follow any sentence.

    They share a word, or one stands right after the other.
    """
    about = words_in("\n".join([example.content, *columns_of(example)]))
    if about & words_in(statement.content):
        return True
    ends = {each.source_sha256: each.end for each in statement.evidence}
    return any(
        0 <= each.start - ends.get(each.source_sha256, each.start + 1) <= RIGHT_AFTER
        for each in example.evidence
    )


def _alone(examples: Sequence[Insight]) -> list[Lesson]:
    """Worked examples without a statement, those of one sort together."""
    groups: dict[tuple[str, str], list[list[Insight]]] = {}
    for example in examples:
        source = example.evidence[0].source_sha256 if example.evidence else example.id
        kin = groups.setdefault((source, example.scope), [])
        words = _input_words(example)
        group = next((g for g in kin if example.scope or _alike(words, _input_words(g[0]))), None)
        if group is None:
            kin.append([example])
        else:
            group.append(example)
    return [Lesson(tuple(group)) for kin in groups.values() for group in kin]


def _input_words(example: Insight) -> frozenset[str]:
    pair = worked_example(example)
    return words_in(pair[0]) if pair else frozenset()


def _alike(first: frozenset[str], second: frozenset[str]) -> bool:
    return 2 * len(first & second) >= len(first | second)


def _source_order(insight: Insight) -> tuple[str, int, str]:
    first = insight.evidence[0] if insight.evidence else None
    return (first.source_sha256, first.start, insight.id) if first else ("", 0, insight.id)
