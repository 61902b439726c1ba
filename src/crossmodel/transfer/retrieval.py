"""Which insights fit a question: relevance, one scope, and rules together with their examples.

An insight that matches a question but does not apply to it does more harm than an unrelated one
(in the project's measurements, 36 right answers of 36 fell to 19). So insights are judged by
subject: those that one source says under one heading, with whatever they are linked to. Only the
best subject for the question is handed over, and only when it speaks of what the question asks.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rapidfuzz import fuzz

from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.domain.records import RankedInsight
from crossmodel.ports import Transaction
from crossmodel.transfer.protocols.base import worked_example
from crossmodel.transfer.quality import RELEVANCE

LEAST_RELEVANCE: Final = 0.4
"""Subjects below this relevance, 0..1, are not handed over."""

MAX_FOUND: Final = 500
"""Insights that one search brings, links included."""

NEAREST_EXAMPLES: Final = 3
"""Worked examples that a question is given."""

LEAST_SHARED_WORDS: Final = 2
"""One word in common is chance."""

MAX_QUERY: Final = 20_000
"""Characters of a question that are read."""

_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_PLURAL_LEAST: Final = 4
_EMPTY_WORDS: Final = frozenset(
    """a an and are as at be by can could did do does for from give has have how i if in into is it
    its me my of on or our out please shall should so tell than that the their them then there
    these this those to under us was we what when where which who whose why will with would write
    you your""".split()  # noqa: SIM905 - a text reads better than seventy literals
)


def search(transaction: Transaction, tenant: str, query: str, limit: int) -> list[RankedInsight]:
    """What the store finds for ``query``, with the rules and examples that belong to it.

    ``limit`` bounds what is found; what comes by links has the relevance of what led to it.
    """
    found = {hit.insight.id: hit for hit in transaction.search_insights(tenant, query, limit=limit)}
    frontier = list(found.values())
    while frontier and len(found) < MAX_FOUND:
        leads: dict[str, float] = {}
        for hit in frontier:
            for link in hit.insight.links:
                if link not in found:
                    leads[link] = max(hit.relevance, leads.get(link, 0.0))
        linked = transaction.get_insights(tenant, list(leads)[: MAX_FOUND - len(found)])
        reached = [RankedInsight(insight, leads[insight.id]) for insight in linked]
        found.update((hit.insight.id, hit) for hit in reached)
        frontier = [hit for hit in reached if hit.insight.kind == InsightKind.RULE]
    return list(found.values())


def choose(
    query: str,
    candidates: Sequence[Insight],
    limit: int,
    takes: Callable[[Insight], bool] = lambda _: True,
) -> list[Insight]:
    """The insights of the one subject that fits ``query`` best, most useful first.

    First the rule, then its worked examples, those nearest to the question first, then what else
    the subject holds and the question speaks of: beside worked examples, only rules. The subject is
    judged by everything that is known of it; of its insights those are given that ``takes``
    accepts. Each is a copy that carries its subject's relevance.
    """
    subjects = _subjects(candidates)
    query = query[:MAX_QUERY]
    asked = _words(query)
    if not asked or not subjects or limit < 1:
        return []
    weights = _Weights(subjects)
    scored = [(_subject_relevance(asked, subject, weights), subject) for subject in subjects]
    best, subject = max(scored, key=lambda each: each[0])
    if best < LEAST_RELEVANCE:
        return []
    ordered = _in_order(query, asked, [each for each in subject if takes(each)], weights)
    return [
        dataclasses.replace(insight, metadata={**insight.metadata, RELEVANCE: best})
        for insight in ordered[:limit]
    ]


class _Weights:
    """How much a word tells: less the more subjects use it (inverse document frequency)."""

    def __init__(self, subjects: Sequence[Sequence[Insight]]) -> None:
        self._subjects = len(subjects)
        self._used = Counter(
            word
            for subject in subjects
            for word in set().union(*(_words(_said(insight)) for insight in subject))
        )

    def of(self, words: Iterable[str]) -> float:
        """The words' weight together; a word that no subject uses counts as rare."""
        rare = math.log1p(self._subjects)
        return sum(
            math.log1p(self._subjects / max(self._used[word], 1)) / rare for word in sorted(words)
        )


def _source_order(insight: Insight) -> tuple[str, int, str]:
    first = insight.evidence[0] if insight.evidence else None
    return (first.source_sha256, first.start, insight.id) if first else ("", 0, insight.id)


def _subjects(candidates: Sequence[Insight]) -> list[list[Insight]]:
    """Insights of one source and scope, and what is linked with them, as one subject.

    The order depends on the insights alone, not on that of the candidates.
    """
    insights = sorted({each.id: each for each in candidates}.values(), key=_source_order)
    parent = {insight.id: insight.id for insight in insights}

    def root(ident: str) -> str:
        while parent[ident] != ident:
            parent[ident] = parent[parent[ident]]
            ident = parent[ident]
        return ident

    first_of: dict[tuple[str, str], str] = {}
    for insight in insights:
        related = [link for link in insight.links if link in parent]
        if insight.scope and insight.evidence:
            key = (insight.evidence[0].source_sha256, insight.scope)
            related.append(first_of.setdefault(key, insight.id))
        for other in related:
            parent[root(other)] = root(insight.id)
    members: dict[str, list[Insight]] = {}
    for insight in insights:
        members.setdefault(root(insight.id), []).append(insight)
    return list(members.values())


def _subject_relevance(asked: set[str], subject: Sequence[Insight], weights: _Weights) -> float:
    """How far ``asked`` is about the subject, 0..1.

    The best match among its insights, less what the subject is always about and the question does
    not name: the words that all of its examples share or, without examples, those of its scope.
    """
    best = max(_relevance(asked, insight, weights) for insight in subject)
    inputs = [_words(pair[0]) for insight in subject if (pair := worked_example(insight))]
    always = set.intersection(*inputs) if len(inputs) > 1 else set()
    if always:
        return best * (weights.of(always & asked) / weights.of(always)) ** 2
    scopes = [_words(insight.scope) for insight in subject]
    named = [weights.of(scope & asked) / weights.of(scope) for scope in scopes if scope]
    return best * (1.0 + max(named)) / 2.0 if named else best


def _relevance(asked: set[str], insight: Insight, weights: _Weights) -> float:
    """How far the insight, or the input of a worked example, is about what is asked, 0..1."""
    example = worked_example(insight)
    return _overlap(asked, _words(example[0] if example else _said(insight)), weights)


def _overlap(asked: set[str], words: set[str], weights: _Weights) -> float:
    """Share of the words in common by weight, of whichever side has less (Szymkiewicz-Simpson)."""
    shared = asked & words
    if len(shared) < min(LEAST_SHARED_WORDS, len(asked)):
        return 0.0
    return weights.of(shared) / min(weights.of(asked), weights.of(words))


def _in_order(
    query: str, asked: set[str], subject: Sequence[Insight], weights: _Weights
) -> list[Insight]:
    """The subject's insights, most useful for the question first."""
    relevance = {i.id: _overlap(asked, _words(i.content), weights) for i in subject}
    examples = [insight for insight in subject if worked_example(insight)]
    examples.sort(key=lambda example: -_nearness(query, asked, example, weights))
    linked = {link for example in examples for link in example.links}
    others = [i for i in subject if not worked_example(i) and not _lists(i, examples)]
    others.sort(key=lambda o: (o.kind != InsightKind.RULE, o.id not in linked, -relevance[o.id]))
    others[1:] = [
        other
        for other in others[1:]
        if relevance[other.id] >= LEAST_RELEVANCE
        and (other.kind == InsightKind.RULE or not examples)
    ]
    return [*others[:1], *examples[:NEAREST_EXAMPLES], *others[1:]]


def _lists(insight: Insight, examples: Sequence[Insight]) -> bool:
    """Whether it is a table of the worked examples that are given anyway."""
    pairs = filter(None, map(worked_example, examples))
    return sum(given in insight.content and out in insight.content for given, out in pairs) > 1


def _nearness(query: str, asked: set[str], example: Insight, weights: _Weights) -> float:
    """How like the question the example's input is: in its words, then letter by letter."""
    pair = worked_example(example)
    assert pair is not None  # only worked examples are compared
    words = _words(pair[0])
    union = weights.of(asked | words)
    overlap = weights.of(asked & words) / union if union else 0.0
    return overlap + fuzz.ratio(query, pair[0]) / 1000.0


def _said(insight: Insight) -> str:
    return f"{insight.scope}\n{insight.content}"


def _words(text: str) -> set[str]:
    """The words that tell something, in one spelling; any number counts as the same word."""
    words = set()
    for match in _WORD.finditer(text):
        word = match.group().casefold()
        if word.isdigit():
            word = "0"
        elif len(word) >= _PLURAL_LEAST and word.endswith("s") and not word.endswith("ss"):
            word = word[:-1]
        if word not in _EMPTY_WORDS:
            words.add(word)
    return words
