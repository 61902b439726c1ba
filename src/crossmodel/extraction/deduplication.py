"""Insights of one extraction that say the same become one, which keeps all their evidence."""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.text.sameness import EXACT_KINDS, say_the_same

_WORD: Final = re.compile(r"\w+")
_MAX_COMPARED: Final = 32
"""Insights that share a rare word with a new one and are compared with it."""
_MAX_EVIDENCE: Final = 16
_FIRST_AND_LAST: Final = (InsightKind.FINAL_ANSWER, InsightKind.CLAIM)
"""Of the same words, what is kept of all kinds, and what gives way to every other kind."""
_LEAST_SHARED: Final = 0.5
"""Share of its words that a duplicate has in common with an insight, at least."""


def merge_duplicates(insights: Sequence[Insight], threshold: float) -> dict[int, int]:
    """Merge near-duplicates in place; maps the index of each that went to that of the one kept.

    :func:`crossmodel.text.sameness.say_the_same` decides, for insights of one kind; the same words
    are the same insight whatever the kind. A final answer is kept, a plain claim gives way, else
    the more confident one is kept; it gains the other's evidence and links. Takes near-linear time:
    an insight is compared only with those that share one of its rarest words (prefix filtering:
    Chaudhuri, Ganti and Kaushik, ICDE 2006), at most 32 of them for each.
    """
    kinds = Counter(insight.kind for insight in insights)
    words = {
        i: frozenset(_WORD.findall(insight.content.lower()))
        for i, insight in enumerate(insights)
        if kinds[insight.kind] > 1 and insight.kind not in EXACT_KINDS
    }
    frequency = Counter(chain.from_iterable(words.values()))
    same: dict[str, int] = {}
    sharing: dict[tuple[str, str], deque[int]] = defaultdict(lambda: deque(maxlen=_MAX_COMPARED))
    merged: dict[int, int] = {}
    for index in sorted(range(len(insights)), key=lambda i: _precedence(insights[i], i)):
        insight = insights[index]
        exact = " ".join(insight.content.split())
        kept = same.get(exact)
        if kept is None and index in words:
            keys = [(insight.kind, word) for word in _telling(words[index], frequency)]
            kept = _match(insight, keys, sharing, insights, threshold)
            if kept is None:
                for key in keys:
                    sharing[key].append(index)
        if kept is None:
            same[exact] = index
        else:
            merged[index] = kept
            _merge(insights[kept], insight)
    return merged


def _precedence(insight: Insight, index: int) -> tuple[bool, bool, float, int]:
    is_answer, is_claim = (insight.kind == kind for kind in _FIRST_AND_LAST)
    return not is_answer, is_claim, -insight.confidence_score, index


def _telling(words: frozenset[str], frequency: Mapping[str, int]) -> list[str]:
    """Those of the rarest words, one of which two texts that share enough must share."""
    elsewhere = [word for word in words if frequency[word] > 1]
    count = len(elsewhere) - int(_LEAST_SHARED * len(words)) + 1
    if count <= 0:
        return []
    elsewhere.sort(key=lambda word: (frequency[word], word))
    return elsewhere[:count]


def _match(
    insight: Insight,
    keys: Sequence[tuple[str, str]],
    sharing: Mapping[tuple[str, str], deque[int]],
    insights: Sequence[Insight],
    threshold: float,
) -> int | None:
    seen = set()
    for key in keys:
        for other in sharing.get(key, ()):
            if other in seen:
                continue
            seen.add(other)
            if say_the_same(insight.kind, insight.content, insights[other].content, threshold):
                return other
    return None


def _merge(kept: Insight, other: Insight) -> None:
    evidence = dict.fromkeys((*kept.evidence, *other.evidence))
    kept.evidence = tuple(evidence)[:_MAX_EVIDENCE]
    kept.links = tuple(dict.fromkeys((*kept.links, *other.links)))
    kept.scope = kept.scope or other.scope
