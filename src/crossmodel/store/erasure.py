"""Erasing insights: what a person gets who asks that one be deleted.

Everything of it goes: its rows, its words in the search index, what was counted of it, its text in
the sources that it was found in, and the hidden values of the log that hold it. What the log
itself holds are hashes under salts that go too, so its proofs stay valid and tell nothing.

The text is blotted out of every source of the tenant, wherever it stands; offsets of other
insights stay right. A source that was blotted is another text, so it gets the hash of that text,
and so does the evidence that points into it: the old hash would let the missing words be guessed.
Insights that are still there and hold some of the text are reported, not changed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from crossmodel.domain.erasure import Erased
from crossmodel.domain.insight import text_sha256
from crossmodel.store import schema
from crossmodel.store.passages import as_json, forms, holds_any, raw, telling
from crossmodel.store.search import SearchIndex
from crossmodel.text.redaction import blot, occurrences, overlaps

CHUNK: Final = 100
ERASED: Final = "erased"
"""Why an item of a playbook is retired whose insight is gone."""

Span = tuple[int, int]


class Eraser:
    """Erases within one connection's transaction."""

    def __init__(self, connection: sa.Connection, search: SearchIndex) -> None:
        self._connection = connection
        self._search = search
        self.rows: list[int] = []
        """Row numbers of what was erased, for indexes outside of the database."""

    def erase(self, tenant: str, insight_ids: Sequence[str]) -> Erased:
        """Erase the tenant's insights; ids that it does not have are passed over."""
        contents = self._contents(tenant, insight_ids)
        if not contents:
            return Erased()
        ids = [insight_id for insight_id, _ in contents.values()]
        spans = self._evidence(list(contents))
        sources = self._sources(tenant, spans)
        passages = {content for _, content in contents.values()}
        passages |= {
            sources[sha256][start:end]
            for sha256, each in spans.items()
            if sha256 in sources
            for start, end in each
        }
        wanted = telling(passages)
        sources |= self._sources_with(tenant, wanted)
        contexts = self._contexts(tenant, ids)
        self.rows += contents
        counts = self._delete_rows(tenant, contents, ids)
        held = self._standing_on(tenant, spans) | self._quoting(tenant, wanted)
        counts |= self._redact(tenant, sources, spans, wanted)
        exact = {*passages, *sources.values(), *sources}
        within = wanted | telling(sources.values())
        counts["commitments"] = self._forget(tenant, contexts, exact, within)
        return Erased(tuple(ids), counts, tuple(sorted(held)))

    # what there is

    def _contents(self, tenant: str, insight_ids: Sequence[str]) -> dict[int, tuple[str, str]]:
        """Id and content of the insights, by row number."""
        table = schema.insights
        found: dict[int, tuple[str, str]] = {}
        for chunk in _batched(dict.fromkeys(insight_ids)):
            query = sa.select(table.c.seq, table.c.id, table.c.content).where(
                table.c.tenant == tenant, table.c.id.in_(chunk)
            )
            found |= {row.seq: (row.id, row.content) for row in self._connection.execute(query)}
        return found

    def _evidence(self, seqs: Collection[int]) -> dict[str, list[Span]]:
        """The spans that the insights stand on, by the hash of their source."""
        table = schema.insight_evidence
        found: dict[str, list[Span]] = {}
        for chunk in _batched(seqs):
            query = sa.select(table).where(table.c.insight_seq.in_(chunk))
            for row in self._connection.execute(query).mappings():
                found.setdefault(row["source_sha256"], []).append((row["start"], row["end"]))
        return found

    def _sources(self, tenant: str, hashes: Collection[str]) -> dict[str, str]:
        table = schema.sources
        found: dict[str, str] = {}
        for chunk in _batched(hashes):
            found |= self._texts(tenant, table.c.sha256.in_(chunk))
        return found

    def _sources_with(self, tenant: str, passages: Collection[str]) -> dict[str, str]:
        table = schema.sources
        found: dict[str, str] = {}
        for chunk in _batched(map(raw, passages)):
            found |= self._texts(tenant, holds_any(table.c.text, chunk))
        return found

    def _texts(self, tenant: str, where: sa.ColumnElement[bool]) -> dict[str, str]:
        table = schema.sources
        query = sa.select(table.c.sha256, table.c.text).where(table.c.tenant == tenant, where)
        return {row.sha256: row.text for row in self._connection.execute(query)}

    def _contexts(self, tenant: str, ids: Sequence[str]) -> set[str]:
        """Digests of the contexts in which the insights were handed over."""
        table = schema.transfers
        listed = sa.type_coerce(table.c.insight_ids, sa.Text)
        found: set[str] = set()
        for chunk in _batched(ids):
            names = [json.dumps(insight_id) for insight_id in chunk]
            query = sa.select(table.c.context_digest).where(
                table.c.tenant == tenant, holds_any(listed, names)
            )
            found.update(self._connection.scalars(query))
        return found

    # who else has it

    def _standing_on(self, tenant: str, spans: Mapping[str, Sequence[Span]]) -> set[str]:
        """Ids of the tenant's insights whose evidence overlaps with these spans."""
        insights, evidence = schema.insights, schema.insight_evidence
        joined = sa.join(evidence, insights, evidence.c.insight_seq == insights.c.seq)
        columns = (insights.c.id, evidence.c.start, evidence.c.end, evidence.c.source_sha256)
        found: set[str] = set()
        for chunk in _batched(spans):
            query = (
                sa.select(*columns)
                .select_from(joined)
                .where(insights.c.tenant == tenant, evidence.c.source_sha256.in_(chunk))
            )
            for insight_id, start, end, sha256 in self._connection.execute(query):
                if any(overlaps((start, end), span) for span in spans[sha256]):
                    found.add(insight_id)
        return found

    def _quoting(self, tenant: str, passages: Collection[str]) -> set[str]:
        """Ids of the tenant's insights that hold one of these passages."""
        table = schema.insights
        documents = sa.type_coerce(table.c.metadata, sa.Text)
        found: set[str] = set()
        for chunk in _batched(passages):
            holds = sa.or_(
                holds_any(table.c.content, map(raw, chunk)),
                holds_any(table.c.scope, map(raw, chunk)),
                holds_any(documents, map(as_json, chunk)),
            )
            query = sa.select(table.c.id).where(table.c.tenant == tenant, holds)
            found.update(self._connection.scalars(query))
        return found

    # what goes

    def _delete_rows(
        self, tenant: str, seqs: Collection[int], ids: Sequence[str]
    ) -> dict[str, int]:
        """The insights' own rows, and those of others that name them."""
        counts: dict[str, int] = {}

        def delete(kind: str, table: sa.Table, *where: sa.ColumnElement[bool]) -> None:
            done = self._connection.execute(sa.delete(table).where(*where))
            counts[kind] = counts.get(kind, 0) + done.rowcount

        insights, links = schema.insights, schema.insight_links
        uplift, items = schema.uplift, schema.playbook_items
        mine = sa.select(insights.c.seq).where(insights.c.tenant == tenant)
        for names in _batched(ids):
            units = [f"insight:{name}" for name in names]
            delete("links", links, links.c.target_id.in_(names), links.c.insight_seq.in_(mine))
            delete("uplift", uplift, uplift.c.tenant == tenant, uplift.c.unit.in_(units))
            # the item stays, retired: its number must not come back for another
            retired = sa.update(items).where(
                items.c.tenant == tenant, items.c.insight_id.in_(names)
            )
            done = self._connection.execute(retired.values(retired=ERASED))
            counts["playbook_items"] = counts.get("playbook_items", 0) + done.rowcount
        for chunk in _batched(seqs):
            for kind, table in (
                ("evidence", schema.insight_evidence),
                ("links", links),
                ("keys", schema.insight_keys),
                ("vectors", schema.insight_vectors),
            ):
                delete(kind, table, table.c.insight_seq.in_(chunk))
            delete("insights", insights, insights.c.seq.in_(chunk))
        self._search.remove(self._connection, list(seqs))
        return counts

    def _redact(
        self,
        tenant: str,
        sources: Mapping[str, str],
        spans: Mapping[str, Sequence[Span]],
        passages: Collection[str],
    ) -> dict[str, int]:
        """Blot the spans, and the passages wherever they stand, out of the sources."""
        blotted = 0
        for sha256, text in sources.items():
            places = {place for each in passages for place in occurrences(text, each)}
            places.update(span for span in spans.get(sha256, ()) if span[0] < len(text))
            redacted = blot(text, places)
            if redacted != text:
                blotted += len(places)
                self._replace_source(tenant, sha256, redacted)
        return {"passages": blotted}

    def _replace_source(self, tenant: str, sha256: str, redacted: str) -> None:
        """Let a source, and the evidence that points into it, go by what is left of its text."""
        sources, insights, evidence = schema.sources, schema.insights, schema.insight_evidence
        renamed = text_sha256(redacted)
        old = sa.and_(sources.c.tenant == tenant, sources.c.sha256 == sha256)
        same = sa.and_(sources.c.tenant == tenant, sources.c.sha256 == renamed)
        if self._connection.scalar(sa.select(sources.c.sha256).where(same)) is None:
            self._connection.execute(
                sa.update(sources).where(old).values(sha256=renamed, text=redacted)
            )
        else:  # another source that is the same but for what was blotted out of both
            self._connection.execute(sa.delete(sources).where(old))
        mine = sa.select(insights.c.seq).where(insights.c.tenant == tenant)
        self._connection.execute(
            sa.update(evidence)
            .where(evidence.c.source_sha256 == sha256, evidence.c.insight_seq.in_(mine))
            .values(source_sha256=renamed)
        )

    def _forget(
        self, tenant: str, digests: Iterable[str], exact: Iterable[str], within: Iterable[str]
    ) -> int:
        """Delete the tenant's hidden values: by digest, by what they are, by what they hold.

        Of values from before their tenant was kept nobody knows whose they are; they go as well.
        """
        table = schema.commitments
        mine = table.c.tenant.in_([tenant, ""])
        conditions: list[sa.ColumnElement[bool]] = []
        conditions += [table.c.digest.in_(chunk) for chunk in _batched(digests)]
        conditions += [table.c.value.in_(chunk) for chunk in _batched({raw(e) for e in exact})]
        needles = {form for passage in within for form in forms(passage)}
        conditions += [holds_any(table.c.value, chunk) for chunk in _batched(needles)]
        return sum(
            self._connection.execute(sa.delete(table).where(mine, condition)).rowcount
            for condition in conditions
        )


def _batched(items: Iterable[Any]) -> Iterator[list[Any]]:
    listed = list(items)
    for start in range(0, len(listed), CHUNK):
        yield listed[start : start + CHUNK]
