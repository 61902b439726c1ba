"""Source texts from which passages are taken out, and the evidence that points into them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from crossmodel.domain.insight import text_sha256
from crossmodel.store import schema
from crossmodel.store.passages import Needles, raw
from crossmodel.store.rows import chunks
from crossmodel.text.redaction import blot, occurrences

AT_ONCE: Final = 100
"""Texts that are in memory at once when a whole table is read: they may be long."""

Span = tuple[int, int]


class SourceTexts:
    """The sources of one connection's insights."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def read(self, tenant: str, hashes: Collection[str]) -> dict[str, str]:
        """Texts by their hashes."""
        table = schema.sources
        found: dict[str, str] = {}
        for chunk in chunks(hashes):
            query = sa.select(table.c.sha256, table.c.text).where(
                table.c.tenant == tenant, table.c.sha256.in_(chunk)
            )
            found |= {row.sha256: row.text for row in self._connection.execute(query)}
        return found

    def holding(self, tenant: str, passages: Collection[str]) -> dict[str, str]:
        """The tenant's sources in which one of the passages stands."""
        table = schema.sources
        stored = sa.type_coerce(table.c.text, sa.LargeBinary)
        needles = Needles(map(raw, passages))
        rows = scan(
            self._connection, sa.select(table.c.sha256, stored).where(table.c.tenant == tenant)
        )
        return self.read(tenant, [sha256 for sha256, text in rows if needles.are_in(text)])

    def redact(
        self,
        tenant: str,
        sources: Mapping[str, str],
        spans: Mapping[str, Sequence[Span]],
        passages: Collection[str],
    ) -> int:
        """Blot the spans, and the passages wherever they stand, out of sources; how many went."""
        blotted = 0
        renamed: dict[str, str] = {}
        for sha256, text in sources.items():
            places = {place for each in passages for place in occurrences(text, each)}
            places.update(span for span in spans.get(sha256, ()) if span[0] < len(text))
            redacted = blot(text, places)
            if redacted != text:
                blotted += len(places)
                renamed[sha256] = self._replace_source(tenant, sha256, redacted)
        self._follow(tenant, renamed)
        return blotted

    def _replace_source(self, tenant: str, sha256: str, redacted: str) -> str:
        """Keep what is left of a source under its own hash, which is returned."""
        table = schema.sources
        new = text_sha256(redacted)
        old = sa.and_(table.c.tenant == tenant, table.c.sha256 == sha256)
        same = sa.and_(table.c.tenant == tenant, table.c.sha256 == new)
        if self._connection.scalar(sa.select(table.c.sha256).where(same)) is None:
            self._connection.execute(sa.update(table).where(old).values(sha256=new, text=redacted))
        else:  # another source that is the same but for what was blotted out of both
            self._connection.execute(sa.delete(table).where(old))
        return new

    def _follow(self, tenant: str, renamed: Mapping[str, str]) -> None:
        """Let evidence point to the sources' new hashes."""
        insights, evidence = schema.insights, schema.insight_evidence
        mine = sa.select(insights.c.seq).where(insights.c.tenant == tenant)
        for chunk in chunks(renamed):
            self._connection.execute(
                sa.update(evidence)
                .where(evidence.c.source_sha256.in_(chunk), evidence.c.insight_seq.in_(mine))
                .values(
                    source_sha256=sa.case(
                        {old: renamed[old] for old in chunk}, value=evidence.c.source_sha256
                    )
                )
            )


def scan(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Any]:
    """Rows of a whole table, in parts."""
    for part in connection.execute(query).partitions(AT_ONCE):
        yield from part
