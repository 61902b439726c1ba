"""Which insights a question is given: the one lesson that fits it, and what that leads on to.

An insight that matches a question but does not apply to it does more harm than an unrelated one
(in the project's measurements, 36 right answers of 36 fell to 19), and seven lessons beside the
right one cost a small model a quarter of its answers. So as little as possible is given: the lesson
that covers most of what is asked, then only what covers the rest of it and is named by the first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from rapidfuzz import fuzz

from crossmodel.domain.insight import Insight, InsightKind, Standing
from crossmodel.transfer.lessons import Lesson, lessons
from crossmodel.transfer.quality import RELEVANCE
from crossmodel.transfer.relevance import (
    MAX_QUERY,
    Weights,
    coverage,
    names_in,
    overlap,
    words_in,
    words_matched,
    words_said,
)
from crossmodel.transfer.wording import worked_example

LEAST_RELEVANCE: Final = 0.4
"""Lessons below this relevance, 0..1, are not handed over."""

NEAREST_EXAMPLES: Final = 3
"""Worked examples that a question is given."""

MOST_HOPS: Final = 3
"""Lessons that are chained: each names what the next is about."""

LEAST_REST: Final = 0.25
"""Share of what is left of the question that a lesson must cover to be chained to another."""

ALIKE: Final = 0.97
"""Lessons of one source that are nearly as relevant as the best are given together."""

MOST_ALIKE: Final = 3

NEARLY_THE_SAME: Final = 75
"""How alike two lessons must be, letter by letter, to be about the same: 0..100."""

_ABOUT_OTHERS: Final = 0.6
_DISTRUST: Final = 0.1
"""Share of its rank that a lesson loses whose source is not trusted at all: of two that say nearly
the same the better supported one is given, even where no rule sees that they contradict."""
_COVERS: Final = 0.8
_DEMOTED: Final = 0.5
"""What is left of the rank of an insight that did not help."""


def choose(
    query: str,
    candidates: Sequence[Insight],
    limit: int,
    takes: Callable[[Insight], bool] = lambda _: True,
    *,
    least_relevance: float = LEAST_RELEVANCE,
) -> list[Insight]:
    """The insights that fit ``query``, most useful first; empty if none does.

    A rule comes before its worked examples, those nearest to the question first. A lesson is judged
    by everything that is known of it; of its insights those are given that ``takes`` accepts. Each
    is a copy that carries its lesson's relevance.
    """
    asked = words_in(query[:MAX_QUERY])
    known = lessons(candidates)
    if not asked or not known or limit < 1:
        return []
    named = names_in(query, within=True)
    question = _Question(query[:MAX_QUERY], asked, named, Weights(map(_all_words, known)))
    ranked = sorted(
        (_Judged(lesson, question) for lesson in known), key=lambda each: each.rank, reverse=True
    )
    best = next((each for each in ranked if each.relevance >= least_relevance), None)
    if best is None:
        return []
    best = max((best, *_rivals(best, ranked)), key=lambda each: each.lesson.trust)
    chosen = _chain(best, ranked, question)
    given: dict[str, Insight] = {}
    for judged in chosen:
        for insight in _in_order(question, judged.lesson, takes):
            metadata = {**insight.metadata, RELEVANCE: best.relevance}
            given.setdefault(insight.id, dataclasses.replace(insight, metadata=metadata))
    return list(given.values())[:limit]


@dataclass(frozen=True, slots=True)
class _Question:
    text: str
    asked: frozenset[str]
    named: frozenset[str]
    weights: Weights


@dataclass(frozen=True)
class _Judged:
    """A lesson as an answer to a question."""

    lesson: Lesson
    question: _Question

    @cached_property
    def covered(self) -> frozenset[str]:
        """What it says itself of what is asked; what its heading says, a reader will not see."""
        said = (words_in(insight.content) for insight in self.lesson.insights)
        return self.question.asked & frozenset().union(*said)

    @cached_property
    def relevance(self) -> float:
        """How far the question is about the lesson, 0..1.

        The best match among its insights, less what the lesson is always about and the question
        does not name: the words that all of its examples share.
        """
        best = max(self._match(insight) for insight in self.lesson.insights)
        return best * self._applies

    @cached_property
    def rank(self) -> float:
        """What the best lesson has most of: it covers the question, and says little else."""
        asked, weights = self.question.asked, self.question.weights

        def of(insight: Insight) -> float:
            said = words_in(insight.content)
            covered = coverage(
                asked, words_matched(insight) & said, weights, words_matched(insight)
            )
            rank = _COVERS * covered + (1.0 - _COVERS) * self._match(insight)
            return rank * (_DEMOTED if insight.standing == Standing.DEMOTED else 1.0)

        best = self._applies * max(map(of, self.lesson.insights))
        return best * (1.0 - _DISTRUST * (1.0 - self.lesson.trust))

    @cached_property
    def _applies(self) -> float:
        asked, weights = self.question.asked, self.question.weights
        inputs = [
            words_in(pair[0]) for each in self.lesson.insights if (pair := worked_example(each))
        ]
        always = frozenset.intersection(*inputs) if len(inputs) > 1 else frozenset()
        if always:
            return coverage(always, asked, weights) ** 2
        scopes = [words_in(insight.scope) for insight in self.lesson.insights]
        named = [coverage(scope, asked, weights) for scope in scopes if scope]
        # a heading may be anything: one that the question does not name tells a little against it
        applies = (3.0 + max(named)) / 4.0 if named else 1.0
        return applies * (_ABOUT_OTHERS if self._is_about_others else 1.0)

    @cached_property
    def _is_about_others(self) -> bool:
        """Whether it names others, and nobody whom the question names.

        A rule with an example names others too, as what it can be applied to.
        """
        if not self.question.named or self.question.named & _all_words(self.lesson):
            return False
        if self.lesson.is_pattern:
            return False
        insights = self.lesson.insights
        return any(names_in(insight.content, within=True) for insight in insights)

    def _match(self, insight: Insight) -> float:
        asked, named, weights = self.question.asked, self.question.named, self.question.weights
        return overlap(asked, words_matched(insight), weights, named)


def _rivals(best: _Judged, ranked: Sequence[_Judged]) -> list[_Judged]:
    """Lessons that say of the question's subject nearly what the best says.

    Of these the better supported one is given, even where no rule sees a contradiction.
    """
    if best.lesson.has_examples:
        return []
    said = best.lesson.text
    return [
        other
        for other in ranked
        if other is not best
        and other.covered == best.covered
        and not other.lesson.has_examples
        and fuzz.ratio(said, other.lesson.text) >= NEARLY_THE_SAME
    ]


def _chain(first: _Judged, ranked: Sequence[_Judged], question: _Question) -> list[_Judged]:
    """The best lesson, those as good from the same source, and those that these lead on to."""
    chosen = [first]
    for other in ranked:
        if other is first or len(chosen) >= MOST_ALIKE:
            continue
        if other.lesson.source == first.lesson.source and _belongs(other, first):
            chosen.append(other)
            if first.lesson.has_examples:
                break
    covered = frozenset().union(*(each.covered for each in chosen))
    for _ in range(MOST_HOPS - 1):
        named = frozenset().union(*(_names(each.lesson, leading=True) for each in chosen))
        named -= question.asked | names_in(question.text)
        onward = [
            (coverage(question.asked - covered, each.covered, question.weights), each)
            for each in ranked
            if each not in chosen and _names(each.lesson) & named
        ]
        gain, following = max(onward, key=lambda each: each[0], default=(0.0, first))
        if gain < LEAST_REST:
            break
        chosen.append(following)
        covered |= following.covered
    return chosen


def _belongs(other: _Judged, first: _Judged) -> bool:
    """Whether a lesson of the same source is as good, or the rule of examples without one.

    Such a rule is linked with them, or speaks of what their results are made of.
    """
    if first.lesson.has_examples:
        examples = [each for each in first.lesson.insights if worked_example(each)]
        lacks_rule = all(
            worked_example(each) or _lists(each, examples) for each in first.lesson.insights
        )
        if not lacks_rule or all(worked_example(each) for each in other.lesson.insights):
            return False
        if not other.lesson.ids.isdisjoint(first.lesson.links):
            return not _lists(other.lesson.insights[0], examples)
        results = (pair[1] for each in examples if (pair := worked_example(each)))
        made_of = frozenset().union(*map(words_in, results)) - {"0"}
        is_named = made_of | (_names(first.lesson) & first.question.asked)
        statement = words_in(other.lesson.insights[0].content)
        return 2 * other.relevance >= LEAST_RELEVANCE and bool(is_named & statement)
    return other.rank >= ALIKE * first.rank


def _names(lesson: Lesson, *, leading: bool = False) -> frozenset[str]:
    """The names in a lesson; those that lead on are not in worked examples, which name anything."""
    told = [each for each in lesson.insights if not (leading and worked_example(each))]
    return frozenset().union(*(names_in(insight.content) for insight in told))


def _all_words(lesson: Lesson) -> frozenset[str]:
    return frozenset().union(*map(words_said, lesson.insights))


def _in_order(
    question: _Question, lesson: Lesson, takes: Callable[[Insight], bool]
) -> list[Insight]:
    """The lesson's insights that are given, most useful for the question first."""
    insights = [insight for insight in lesson.insights if takes(insight)]
    examples = [insight for insight in insights if worked_example(insight)]
    if row := _looked_up(question, examples):
        return [row]
    asked, weights = question.asked, question.weights
    relevance = {i.id: overlap(asked, words_in(i.content), weights) for i in insights}
    examples.sort(key=lambda example: -_nearness(question, example))
    linked = {link for example in examples for link in example.links}
    others = [i for i in insights if not worked_example(i) and not _lists(i, examples)]
    others.sort(key=lambda o: (o.kind != InsightKind.RULE, o.id not in linked, -relevance[o.id]))
    others[1:] = [
        other
        for other in others[1:]
        if relevance[other.id] >= LEAST_RELEVANCE
        and (other.kind == InsightKind.RULE or not examples)
    ]
    return [*others[:1], *examples[:NEAREST_EXAMPLES], *others[1:]]


def _looked_up(question: _Question, examples: Sequence[Insight]) -> Insight | None:
    """The one row whose key the question names, of a table of keys and values.

    Rows with other keys are values of other things: they would only be in the way.
    """
    keyed = [
        example
        for example in examples
        if (pair := worked_example(example)) and "?" not in pair[0]
        and (key := words_in(pair[0])) and key <= question.asked
    ]  # fmt: skip
    return keyed[0] if len(keyed) == 1 else None


def _lists(insight: Insight, examples: Sequence[Insight]) -> bool:
    """Whether it is a table of the worked examples that are given anyway."""
    pairs = filter(None, map(worked_example, examples))
    return sum(given in insight.content and out in insight.content for given, out in pairs) > 1


def _nearness(question: _Question, example: Insight) -> float:
    """How like the question the example's input is: in its words, then letter by letter."""
    pair = worked_example(example)
    assert pair is not None  # only worked examples are compared
    words = words_in(pair[0])
    union = question.weights.of(question.asked | words)
    shared = question.weights.of(question.asked & words) / union if union else 0.0
    return shared + fuzz.ratio(question.text, pair[0]) / 1000.0
