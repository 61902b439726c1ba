"""Full text of insights, in a time that does not grow with how common words are.

Databases by themselves rank every row that holds any word of a query: one common word costs as much
as the store is large. Here the rarest words alone say which insights are looked at; the most
promising of those are scored by all words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from crossmodel.domain.insight import Insight
from crossmodel.store.frequencies import Frequencies, Sampler
from crossmodel.store.wanted import Wanted
from crossmodel.store.words import indexed, tenant_code, words_of

LOOKED_AT: Final = 10_000
"""Places of words in insights that a search reads: some 0.3 microseconds each."""

SCORED: Final = 160
"""Insights that are scored by all words: of those that hold the most of the rarest ones."""

MOST_SCORED: Final = 2_000
"""Insights that are scored at most, where few of them are wanted."""

SCOPE_WEIGHT: Final = 0.5
"""What a word in the scope counts, where one in the content counts 1."""

K1: Final = 1.2
B: Final = 0.75
"""The parameters of BM25, as FTS5 has them."""

Rows = npt.NDArray[np.int64]

Texts = Sequence[tuple[int, str, str]]
"""Row numbers with the indexed words of content and of scope, apart by spaces."""

Judged = Sequence[tuple[int, str, float, str]]
"""Row numbers with tenant, trust and standing."""


class WordTables(Protocol):
    """Where a database keeps which words insights have. Words come with their tenant's code."""

    def add(self, connection: sa.Connection, texts: Texts) -> None:
        """Keep the words of insights; no row number is there already."""
        ...

    def remove(self, connection: sa.Connection, seqs: Sequence[int]) -> None:
        """Take insights out; there is at least one."""
        ...

    def holders(self, connection: sa.Connection, words: Sequence[str]) -> list[Rows]:
        """The insights that have each of the words, of which there is at least one."""
        ...

    def some(self, connection: sa.Connection, words: Sequence[str], most: int) -> Rows:
        """At most so many of the insights that have all of the words."""
        ...

    def read(self, connection: sa.Connection, seqs: Sequence[int]) -> Texts:
        """The words of those of the insights that are there."""
        ...

    def judge(self, connection: sa.Connection, seqs: Sequence[int]) -> Judged:
        """What decides whether those of the insights that are there are wanted."""
        ...


class WordIndex:
    """Insights ranked by BM25 (Robertson and Zaragoza, 2009); safe to share among threads."""

    def __init__(self, tables: WordTables) -> None:
        self._tables = tables
        self._sampler = Sampler()

    def add(
        self, connection: sa.Connection, tenant: str, insights: Sequence[tuple[int, Insight]]
    ) -> None:
        """Index new insights, each with its row number."""
        code = tenant_code(tenant)
        texts = [
            (q, indexed(code, each.content), indexed(code, each.scope)) for q, each in insights
        ]
        self._tables.add(connection, texts)

    def remove(self, connection: sa.Connection, seqs: Sequence[int]) -> None:
        """Take insights out so that none of their words is left in the index."""
        if seqs:
            self._tables.remove(connection, seqs)

    def find(
        self, connection: sa.Connection, query: str, limit: int, wanted: Wanted
    ) -> dict[int, float]:
        """Row numbers of the best matches, best first, each with its BM25, more than 0."""
        words = words_of(query)
        if not words or limit < 1:
            return {}
        code = tenant_code(wanted.tenant)
        known = self._sampler.frequencies(connection, wanted.tenant)
        rarest = sorted(words, key=known.of)
        affordable = _affordable(rarest, known)
        holders = self._holders(connection, code, affordable)
        rows = _most_promising(holders, known)
        if len(rows) < limit:
            common = self._meeting(connection, code, rarest[len(affordable) :])
            rows = np.concatenate([rows, common[~np.isin(common, rows)]])
        holding = {word: len(held) for word, held in holders.items()}
        weights = {
            code + word: _weight(holding.get(word, known.of(word)), known.total) for word in words
        }
        found: dict[int, float] = {}
        for start in range(0, min(len(rows), MOST_SCORED), SCORED):
            part = rows[start : start + SCORED].tolist()
            scores = {
                seq: _bm25(weights, content.split(), scope.split(), known.length)
                for seq, content, scope in self._tables.read(connection, part)
            }
            found |= self._wanted(connection, scores, limit, wanted)
            if len(found) >= limit:
                break
        best = sorted(found, key=lambda seq: (-found[seq], seq))[:limit]
        return {seq: found[seq] for seq in best}

    def _wanted(
        self, connection: sa.Connection, scores: Mapping[int, float], limit: int, wanted: Wanted
    ) -> dict[int, float]:
        """The best that are wanted, no less than ``limit`` if there are as many."""
        ordered = sorted(scores, key=lambda seq: (-scores[seq], seq))
        found: dict[int, float] = {}
        for start in range(0, len(ordered), limit):
            part = ordered[start : start + limit]
            for seq, tenant, trust, standing in self._tables.judge(connection, part):
                if wanted.admits(tenant, trust, standing):
                    found[seq] = scores[seq]
            if len(found) >= limit:
                break
        return found

    def _holders(
        self, connection: sa.Connection, code: str, words: Sequence[str]
    ) -> dict[str, Rows]:
        """The insights that have each of the words."""
        if not words:
            return {}
        found = self._tables.holders(connection, [code + word for word in words])
        return dict(zip(words, found, strict=True))

    def _meeting(self, connection: sa.Connection, code: str, words: Sequence[str]) -> Rows:
        """Insights where the rarest two of common words meet, then others that have the rarest."""
        rows: list[Rows] = [np.empty(0, dtype=np.int64)]
        for together in (words[:2], words[:1]):
            if together and sum(map(len, rows)) < SCORED:
                coded = [code + word for word in together]
                rows.append(self._tables.some(connection, coded, SCORED))
        joined = np.concatenate(rows)
        return joined[np.sort(np.unique(joined, return_index=True)[1])]


def _affordable(rarest: Sequence[str], known: Frequencies) -> Sequence[str]:
    """The rarest of the words, as many as a search may look at all insights of."""
    places = 0.0
    for count, word in enumerate(rarest):
        places += known.of(word)
        if places > LOOKED_AT:
            return rarest[:count]
    return rarest


def _most_promising(holders: Mapping[str, Rows], known: Frequencies) -> Rows:
    """The insights that hold any of the words, those that hold the most by weight first."""
    lists = [held for held in holders.values() if len(held)]
    if not lists:
        return np.empty(0, dtype=np.int64)
    weights = [_weight(len(held), known.total) for held in lists]
    rows, places = np.unique(np.concatenate(lists), return_inverse=True)
    held = np.bincount(places, np.repeat(weights, [len(each) for each in lists]))
    if len(rows) > MOST_SCORED:  # to sort all would take as long as to read them
        most = np.sort(np.argpartition(held, -MOST_SCORED)[-MOST_SCORED:])
        rows, held = rows[most], held[most]
    return rows[np.argsort(-held, kind="stable")]


def _weight(holding: float, total: int) -> float:
    """Inverse document frequency, the variant that is never negative."""
    return math.log1p((max(total - holding, 0.0) + 0.5) / (holding + 0.5))


def _bm25(
    weights: Mapping[str, float], content: list[str], scope: list[str], average: float
) -> float:
    """The score of one insight by all words, from the words that are indexed of it."""
    counts: dict[str, float] = {}
    for words, each in ((content, 1.0), (scope, SCOPE_WEIGHT)):
        for word in [word for word in words if word in weights]:
            counts[word] = counts.get(word, 0.0) + each
    damping = K1 * (1.0 - B + B * (len(content) + len(scope)) / average)
    return sum(
        weights[word] * count * (K1 + 1.0) / (count + damping) for word, count in counts.items()
    )


def numbers(listed: str | None) -> Rows:
    """Row numbers that stand in a text, apart by commas."""
    return np.fromstring(listed or "", dtype=np.int64, sep=",")
