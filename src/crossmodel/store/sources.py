"""Source texts from which passages are taken out, and the evidence that points into them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
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
    ) -> tuple[int, dict[str, str]]:
        """Blot the spans, and the passages wherever they stand, out of sources.

        Returns how many went, and the new hashes of sources that have changed, by the old ones.
        """
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
        return blotted, renamed

    def of_request(self, tenant: str, request_id: str, hashes: Collection[str]) -> dict[str, str]:
        """The texts, by hash, that came of a request, or have one of these hashes."""
        table = schema.sources
        query = sa.select(table.c.sha256, table.c.text).where(
            table.c.tenant == tenant, table.c.origin == request_id
        )
        found = {row.sha256: row.text for row in self._connection.execute(query)}
        return found | self.read(tenant, hashes)

    def keep_evidence(self, tenant: str, sources: Mapping[str, str]) -> int:
        """Of sources, keep what insights stand on, and nothing of one that none stands on.

        Returns how many of them have changed or are gone.
        """
        spans = self._stood_on(tenant, sources)
        renamed: dict[str, str] = {}
        for sha256 in spans:
            text = sources[sha256]
            redacted = blot(text, _around(spans[sha256], len(text)))
            if redacted != text:
                renamed[sha256] = self._replace_source(tenant, sha256, redacted)
        self._follow(tenant, renamed)
        return len(renamed) + self.drop_unused(tenant, set(sources) - set(spans))

    def drop_unused(self, tenant: str, hashes: Collection[str]) -> int:
        """Delete those of the sources that no insight stands on; how many went."""
        table = schema.sources
        return sum(
            self._connection.execute(
                sa.delete(table).where(
                    table.c.tenant == tenant, table.c.sha256.in_(chunk), _is_unused()
                )
            ).rowcount
            for chunk in chunks(hashes)
        )

    def count_unused(self, start: datetime, stop: datetime) -> int:
        """How many of ``start <= created_at < stop`` no insight stands on, of all tenants."""
        query = sa.select(sa.func.count()).select_from(schema.sources)
        return self._connection.scalar(query.where(_is_of(start, stop), _is_unused())) or 0

    def drop_expired(self, start: datetime, stop: datetime, limit: int) -> int:
        """Delete at most ``limit`` of those that ``count_unused`` counts; how many went."""
        table = schema.sources
        key = sa.tuple_(table.c.tenant, table.c.sha256)
        expired = (
            sa.select(table.c.tenant, table.c.sha256)
            .where(_is_of(start, stop), _is_unused())
            .order_by(table.c.created_at)
            .limit(limit)
        )
        return self._connection.execute(sa.delete(table).where(key.in_(expired))).rowcount

    def _stood_on(self, tenant: str, hashes: Collection[str]) -> dict[str, list[Span]]:
        """The spans of these sources that the tenant's insights stand on."""
        insights, evidence = schema.insights, schema.insight_evidence
        joined = sa.join(evidence, insights, evidence.c.insight_seq == insights.c.seq)
        columns = (evidence.c.source_sha256, evidence.c.start, evidence.c.end)
        found: dict[str, list[Span]] = {}
        for chunk in chunks(hashes):
            query = (
                sa.select(*columns)
                .select_from(joined)
                .where(insights.c.tenant == tenant, evidence.c.source_sha256.in_(chunk))
            )
            for sha256, start, end in self._connection.execute(query):
                found.setdefault(sha256, []).append((start, end))
        return found

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


def _around(spans: Iterable[Span], length: int) -> list[Span]:
    """What of a text of that length lies outside of all the spans."""
    outside: list[Span] = []
    at = 0
    for start, end in sorted(spans):
        if start > at:
            outside.append((at, start))
        at = max(at, end)
    return [*outside, (at, length)] if at < length else outside


def _is_of(start: datetime, stop: datetime) -> sa.ColumnElement[bool]:
    created_at = schema.sources.c.created_at
    return sa.and_(created_at >= start, created_at < stop)


def _is_unused() -> sa.ColumnElement[bool]:
    """Whether no insight of the source's tenant stands on it."""
    sources, insights, evidence = schema.sources, schema.insights, schema.insight_evidence
    return ~(
        sa.exists()
        .where(
            evidence.c.source_sha256 == sources.c.sha256,
            evidence.c.insight_seq == insights.c.seq,
            insights.c.tenant == sources.c.tenant,
        )
        .correlate(sources)
    )
