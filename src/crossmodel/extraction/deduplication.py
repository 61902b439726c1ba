"""Insights of one extraction that say the same become one, which keeps all their evidence."""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.text.similarity import guard, similarity, substitutes

_WORD: Final = re.compile(r"\w+")
_MAX_COMPARED: Final = 32
"""Insights that share a rare word with a new one and are compared with it."""
_MAX_EVIDENCE: Final = 16
_EXACT_KINDS: Final = frozenset({InsightKind.CODE, InsightKind.EQUATION, InsightKind.EXAMPLE})
"""These differ where one character differs."""
_STRICT_KINDS: Final = frozenset(
    {InsightKind.RULE, InsightKind.DEFINITION, InsightKind.TRANSLATION, InsightKind.FINAL_ANSWER}
)
"""These differ where one word is exchanged for another: a table of rules is full of such."""


def merge_duplicates(insights: Sequence[Insight], threshold: float) -> dict[int, int]:
    """Merge near-duplicates in place; maps the index of each that went to that of the one kept.

    Two are duplicates if they are of the same kind, agree exactly in numbers, negations, operators
    and identifiers (rules in each of their words), and are at least ``threshold`` (0..1) alike in
    words. The more confident one is kept, and gains the other's evidence and links. Takes
    near-linear time: an insight is compared only with those that share one of its rarest words
    (prefix filtering: Chaudhuri, Ganti and Kaushik, ICDE 2006), at most 32 of them for each.
    """
    kinds = Counter(insight.kind for insight in insights)
    words = [
        frozenset() if kinds[each.kind] == 1 else frozenset(_WORD.findall(each.content.lower()))
        for each in insights
    ]
    frequency = Counter(chain.from_iterable(words))
    order = sorted(range(len(insights)), key=lambda i: (-insights[i].confidence_score, i))
    same: dict[tuple[object, ...], int] = {}
    sharing: dict[tuple[object, ...], deque[int]] = defaultdict(lambda: deque(maxlen=_MAX_COMPARED))
    merged: dict[int, int] = {}
    for index in order:
        insight = insights[index]
        if kinds[insight.kind] == 1:
            continue
        exact = (insight.kind, " ".join(insight.content.split()))
        kept = same.get(exact)
        if insight.kind in _EXACT_KINDS:
            if kept is None:
                same[exact] = index
        elif kept is None:
            agree = (insight.kind, guard(insight.content))
            distinct = sorted(words[index], key=lambda word: (frequency[word], word))
            keys = [(*agree, word) for word in distinct[: _prefix(len(distinct), threshold)]]
            kept = _match(insight, keys, sharing, insights, threshold)
            if kept is None:
                same[exact] = index
                for key in keys:
                    sharing[key].append(index)
        if kept is not None:
            merged[index] = kept
            _merge(insights[kept], insight)
    return merged


def _prefix(size: int, threshold: float) -> int:
    """How many of the rarest words two texts of that likeness must share one of."""
    return size - int(threshold * size) + 1


def _match(
    insight: Insight,
    keys: Sequence[tuple[object, ...]],
    sharing: Mapping[tuple[object, ...], deque[int]],
    insights: Sequence[Insight],
    threshold: float,
) -> int | None:
    for key in keys:
        for other in sharing.get(key, ()):
            known = insights[other].content
            if similarity(insight.content, known) < threshold:
                continue
            if insight.kind not in _STRICT_KINDS or not substitutes(insight.content, known):
                return other
    return None


def _merge(kept: Insight, other: Insight) -> None:
    evidence = dict.fromkeys((*kept.evidence, *other.evidence))
    kept.evidence = tuple(evidence)[:_MAX_EVIDENCE]
    kept.links = tuple(dict.fromkeys((*kept.links, *other.links)))
    kept.scope = kept.scope or other.scope
