"""SQLite's full text (FTS5) of insights, in a time that does not grow with how common words are.

FTS5 by itself ranks every row that holds any word of a query: one common word costs as much as the
store is large. Here the rarest words alone say which insights are looked at; the most promising of
those are scored by all words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final

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


class Fts5Index:
    """SQLite's FTS5, ranked by BM25 (Robertson and Zaragoza, 2009); safe to share among threads."""

    _insert = sa.text("INSERT INTO insights_fts (rowid, content, scope) VALUES (:seq, :c, :s)")
    _delete = sa.text("DELETE FROM insights_fts WHERE rowid = :seq")
    _merge = sa.text("INSERT INTO insights_fts (insights_fts) VALUES ('optimize')")
    _rows: Final = "(SELECT group_concat(rowid) FROM insights_fts WHERE insights_fts MATCH ?)"
    _some: Final = (
        "SELECT group_concat(rowid) FROM (SELECT rowid FROM insights_fts "
        "WHERE insights_fts MATCH ? ORDER BY rowid DESC LIMIT ?)"
    )

    # the index's own table of texts: by way of the index itself, a row costs twice as much
    _read: Final = (
        "SELECT texts.id, c0, c1 FROM json_each(?) CROSS JOIN insights_fts_content AS texts "
        "ON texts.id = value"
    )
    _judge: Final = (
        "SELECT seq, tenant, trust, standing FROM json_each(?) CROSS JOIN insights ON seq = value"
    )

    def __init__(self) -> None:
        self._sampler = Sampler()

    def add(
        self, connection: sa.Connection, tenant: str, insights: Sequence[tuple[int, Insight]]
    ) -> None:
        """Index new insights, each with its row number."""
        code = tenant_code(tenant)
        rows = [
            {"seq": seq, "c": indexed(code, insight.content), "s": indexed(code, insight.scope)}
            for seq, insight in insights
        ]
        connection.execute(self._insert, rows)

    def remove(self, connection: sa.Connection, seqs: Sequence[int]) -> None:
        """Take insights out so that none of their words is left in the index.

        FTS5 notes a deletion beside the old entry; merging the whole index drops both. Its option
        ``secure-delete`` would do so at once, but writes what SQLite before 3.42 cannot read.
        """
        if seqs:
            connection.execute(self._delete, [{"seq": seq} for seq in seqs])
            connection.execute(self._merge)

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
            part = json.dumps(rows[start : start + SCORED].tolist())
            scores = {
                seq: _bm25(weights, content.split(), scope.split(), known.length)
                for seq, content, scope in connection.exec_driver_sql(self._read, (part,)).all()
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
            part = json.dumps(ordered[start : start + limit])
            for seq, *judged in connection.exec_driver_sql(self._judge, (part,)).all():
                if wanted.admits(*judged):
                    found[seq] = scores[seq]
            if len(found) >= limit:
                break
        return found

    def _holders(
        self, connection: sa.Connection, code: str, words: Sequence[str]
    ) -> dict[str, Rows]:
        """The insights that have each of the words; lists as text, as rows cost three times it."""
        if not words:
            return {}
        query = "SELECT " + ", ".join([self._rows] * len(words))
        found = connection.exec_driver_sql(query, tuple(f'"{code}{word}"' for word in words)).one()
        return {word: _numbers(listed) for word, listed in zip(words, found, strict=True)}

    def _meeting(self, connection: sa.Connection, code: str, words: Sequence[str]) -> Rows:
        """Insights where the rarest two of common words meet, then others that have the rarest."""
        rows: list[Rows] = [np.empty(0, dtype=np.int64)]
        for together in (words[:2], words[:1]):
            if together and sum(map(len, rows)) < SCORED:
                match = " AND ".join(f'"{code}{word}"' for word in together)
                found = connection.exec_driver_sql(self._some, (match, SCORED)).scalar()
                rows.append(_numbers(found))
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


def _numbers(listed: str | None) -> Rows:
    return np.fromstring(listed or "", dtype=np.int64, sep=",")
