"""Near-duplicates over the whole store: the same lesson told twice is kept once, with both sources.

Keys (:mod:`crossmodel.text.fingerprint`) lead to the few insights of a tenant that a new one can be
the same as; the rule of :mod:`crossmodel.text.sameness` decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import sqlalchemy as sa

from crossmodel.domain.insight import Evidence, Insight
from crossmodel.store import schema
from crossmodel.store.rows import CHUNK, chunks

THRESHOLD: Final = 0.9
"""How alike in words two insights must be: what extraction demands by default."""

_MOST_COMPARED: Final = 64
"""Insights with a key in common that a new one is compared with, those with the most first."""


class DuplicateIndex:
    """The keys of one connection's insights."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._keys: dict[str, list[int]] = {}  # of insights that this transaction looked for

    def known(self, tenant: str, insights: Sequence[Insight]) -> dict[str, tuple[int, str]]:
        """By id, those of the insights that were told before: number and id of the kept one."""
        from crossmodel.text.sameness import say_the_same  # noqa: PLC0415 - 3 MB, for writers alone

        keys = {insight.id: self._keys_of(insight) for insight in insights}
        holders = self._holders(tenant, {key for each in keys.values() for key in each})
        near = {insight.id: _nearest(holders, keys[insight.id]) for insight in insights}
        rows = self._rows({seq for each in near.values() for seq in each})
        found = {}
        for insight in insights:
            for seq in near[insight.id]:
                insight_id, kind, content = rows[seq]
                if kind == insight.kind and say_the_same(kind, insight.content, content, THRESHOLD):
                    found[insight.id] = seq, insight_id
                    break
        return found

    def _keys_of(self, insight: Insight) -> list[int]:
        if insight.id not in self._keys:
            self._keys[insight.id] = _distinct_keys(insight.kind, insight.content)
        return self._keys[insight.id]

    def _holders(self, tenant: str, keys: Collection[int]) -> dict[int, list[int]]:
        """The numbers of the insights that have each key."""
        table = schema.insight_keys
        holders: dict[int, list[int]] = {}
        for chunk in chunks(keys):
            query = sa.select(table.c.key, table.c.insight_seq).where(
                table.c.tenant == tenant, table.c.key.in_(chunk)
            )
            for key, seq in self._connection.execute(query):
                holders.setdefault(key, []).append(seq)
        return holders

    def _rows(self, seqs: Collection[int]) -> dict[int, tuple[str, str, str]]:
        """Id, kind and content of kept insights, by number."""
        table = schema.insights
        found: dict[int, tuple[str, str, str]] = {}
        for chunk in chunks(seqs):
            query = sa.select(table.c.seq, table.c.id, table.c.kind, table.c.content)
            for seq, *row in self._connection.execute(query.where(table.c.seq.in_(chunk))):
                found[seq] = row[0], row[1], row[2]
        return found

    def add(self, tenant: str, insights: Sequence[tuple[int, Insight]]) -> None:
        """Keep the keys of new insights, which come with their numbers."""
        rows = [
            {"tenant": tenant, "key": key, "insight_seq": seq}
            for seq, insight in insights
            for key in self._keys_of(insight)
        ]
        if rows:
            self._connection.execute(sa.insert(schema.insight_keys), rows)

    def support(self, seq: int, insight: Insight) -> None:
        """Let a kept insight stand on the evidence of another as well, and on its trust if more."""
        evidence, links = schema.insight_evidence, schema.insight_links
        columns = [evidence.c[name] for name in Evidence.__slots__]
        known = [
            Evidence(**row)
            for row in self._connection.execute(
                sa.select(*columns).where(evidence.c.insight_seq == seq)
            ).mappings()
        ]
        new = [asdict(each) for each in insight.evidence if each not in known]
        self._append(evidence, seq, len(known), new)
        targets = list(
            self._connection.scalars(sa.select(links.c.target_id).where(links.c.insight_seq == seq))
        )
        fresh = [{"target_id": link} for link in insight.links if link not in targets]
        self._append(links, seq, len(targets), fresh)
        insights = schema.insights
        self._connection.execute(
            sa.update(insights)
            .where(insights.c.seq == seq, insights.c.trust < insight.trust)
            .values(trust=insight.trust)
        )

    def _append(
        self, table: sa.Table, seq: int, position: int, rows: Sequence[dict[str, Any]]
    ) -> None:
        if rows:
            self._connection.execute(
                sa.insert(table),
                [
                    {"insight_seq": seq, "position": place, **row}
                    for place, row in enumerate(rows, position)
                ],
            )


def _distinct_keys(kind: str, content: str) -> list[int]:
    """The keys of an insight, each once."""
    from crossmodel.text.fingerprint import keys_of  # noqa: PLC0415 - likewise

    return list(dict.fromkeys(keys_of(kind, content)))


def _nearest(holders: Mapping[int, Sequence[int]], keys: Iterable[int]) -> list[int]:
    """The insights that have most of the keys."""
    meeting = Counter(seq for key in keys for seq in holders.get(key, ()))
    return [seq for seq, _ in meeting.most_common(_MOST_COMPARED)]


def missing_keys(connection: sa.Connection) -> Iterator[list[dict[str, Any]]]:
    """Keys of all insights, in parts, for a store that was made before there were any."""
    insights = schema.insights
    query = sa.select(insights.c.seq, insights.c.tenant, insights.c.kind, insights.c.content)
    for rows in connection.execute(query).partitions(CHUNK):
        yield [
            {"tenant": row.tenant, "key": key, "insight_seq": row.seq}
            for row in rows
            for key in _distinct_keys(row.kind, row.content)
        ]
