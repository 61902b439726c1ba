"""Erasing insights: what a person gets who asks that one be deleted.

Everything of it goes: its rows, its words in the search index, what was counted of it, its text in
the sources that it was found in, and the hidden values of the log that hold it. What the log
itself holds are hashes under salts that go too, so its proofs stay valid and tell nothing.

The text is blotted out of every source of the tenant, wherever it stands; offsets of other
insights stay right. A source that was blotted is another text, so it gets the hash of that text,
and so does the evidence that points into it: the old hash would let the missing words be guessed.
A source goes altogether with the last insight that stands on it.
Insights that are still there and hold some of the text are reported, not changed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from crossmodel.domain.erasure import Erased
from crossmodel.store import schema
from crossmodel.store.hidden import HiddenValues, as_ranges
from crossmodel.store.passages import Needles, as_json, raw, telling
from crossmodel.store.rows import chunks
from crossmodel.store.search import SearchIndex
from crossmodel.store.sources import SourceTexts, Span, scan
from crossmodel.text.redaction import overlaps

ERASED: Final = "erased"
"""Why an item of a playbook is retired whose insight is gone."""


class Eraser:
    """Erases within one connection's transaction."""

    def __init__(self, connection: sa.Connection, search: SearchIndex) -> None:
        self._connection = connection
        self._search = search
        self.rows: list[int] = []
        """Row numbers of what was erased, for indexes outside of the database."""
        self._sources = SourceTexts(connection)
        self._hidden = HiddenValues(connection)

    def erase(self, tenant: str, insight_ids: Sequence[str]) -> Erased:
        """Erase the tenant's insights; ids that it does not have are passed over."""
        contents = self._contents(tenant, insight_ids)
        if not contents:
            return Erased()
        ids = [insight_id for insight_id, _ in contents.values()]
        spans = self._evidence(list(contents))
        sources = self._sources.read(tenant, spans)
        passages = {content for _, content in contents.values()}
        passages |= {
            sources[sha256][start:end]
            for sha256, each in spans.items()
            if sha256 in sources
            for start, end in each
        }
        wanted = telling(passages)
        sources |= self._sources.holding(tenant, wanted)
        contexts = self._contexts(tenant, ids)
        self.rows += contents
        counts = self._delete_rows(tenant, contents, ids)
        held = self._overlapping(tenant, spans) | self.quoting(tenant, wanted)
        counts["passages"], renamed = self._sources.redact(tenant, sources, spans, wanted)
        exact = {*passages, *sources.values(), *sources}
        within = wanted | telling(sources.values())
        counts["sources"] = self._sources.drop_unused(
            tenant, [renamed.get(sha256, sha256) for sha256 in spans]
        )
        counts["commitments"], records = self._hidden.forget(tenant, contexts, exact, within)
        return Erased(tuple(ids), counts, tuple(sorted(held)), as_ranges(records))

    # what there is

    def _contents(self, tenant: str, insight_ids: Sequence[str]) -> dict[int, tuple[str, str]]:
        """Id and content of the insights, by row number."""
        table = schema.insights
        found: dict[int, tuple[str, str]] = {}
        for chunk in chunks(dict.fromkeys(insight_ids)):
            query = sa.select(table.c.seq, table.c.id, table.c.content).where(
                table.c.tenant == tenant, table.c.id.in_(chunk)
            )
            found |= {row.seq: (row.id, row.content) for row in self._connection.execute(query)}
        return found

    def _evidence(self, seqs: Collection[int]) -> dict[str, list[Span]]:
        """The spans that the insights stand on, by the hash of their source."""
        table = schema.insight_evidence
        found: dict[str, list[Span]] = {}
        for chunk in chunks(seqs):
            query = sa.select(table).where(table.c.insight_seq.in_(chunk))
            for row in self._connection.execute(query).mappings():
                found.setdefault(row["source_sha256"], []).append((row["start"], row["end"]))
        return found

    def _contexts(self, tenant: str, ids: Sequence[str]) -> set[str]:
        """Digests of the contexts in which the insights were handed over."""
        table = schema.transfers
        listed = sa.type_coerce(table.c.insight_ids, sa.LargeBinary)
        needles = Needles(raw(json.dumps(insight_id)) for insight_id in ids)
        rows = scan(
            self._connection,
            sa.select(table.c.context_digest, listed).where(table.c.tenant == tenant),
        )
        return {digest for digest, names in rows if needles.are_in(_bytes(names))}

    # who else has it

    def standing_on(self, tenant: str, sources: Mapping[str, str]) -> set[str]:
        """Ids of the tenant's insights that stand on any part of these texts."""
        return self._overlapping(tenant, {each: [(0, len(sources[each]))] for each in sources})

    def _overlapping(self, tenant: str, spans: Mapping[str, Sequence[Span]]) -> set[str]:
        """Ids of the tenant's insights whose evidence overlaps with these spans."""
        insights, evidence = schema.insights, schema.insight_evidence
        joined = sa.join(evidence, insights, evidence.c.insight_seq == insights.c.seq)
        columns = (insights.c.id, evidence.c.start, evidence.c.end, evidence.c.source_sha256)
        found: set[str] = set()
        for chunk in chunks(spans):
            query = (
                sa.select(*columns)
                .select_from(joined)
                .where(insights.c.tenant == tenant, evidence.c.source_sha256.in_(chunk))
            )
            for insight_id, start, end, sha256 in self._connection.execute(query):
                if any(overlaps((start, end), span) for span in spans[sha256]):
                    found.add(insight_id)
        return found

    def quoting(self, tenant: str, passages: Collection[str]) -> set[str]:
        """Ids of the tenant's insights that hold one of these passages."""
        table = schema.insights
        columns = [
            sa.type_coerce(column, sa.LargeBinary)
            for column in (table.c.content, table.c.scope, table.c.metadata)
        ]
        needles = Needles(raw(form(each)) for each in passages for form in (str, as_json))
        rows = scan(
            self._connection, sa.select(table.c.id, *columns).where(table.c.tenant == tenant)
        )
        return {
            insight_id
            for insight_id, *texts in rows
            if any(needles.are_in(_bytes(text)) for text in texts)
        }

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
        judged = schema.judgements
        mine = sa.select(insights.c.seq).where(insights.c.tenant == tenant)
        for names in chunks(ids):
            units = [f"insight:{name}" for name in names]
            delete("links", links, links.c.target_id.in_(names), links.c.insight_seq.in_(mine))
            delete("uplift", uplift, uplift.c.tenant == tenant, uplift.c.unit.in_(units))
            delete("judgements", judged, judged.c.tenant == tenant, judged.c.insight_id.in_(names))
            # the item stays, retired: its number must not come back for another
            retired = sa.update(items).where(
                items.c.tenant == tenant, items.c.insight_id.in_(names)
            )
            done = self._connection.execute(retired.values(retired=ERASED))
            counts["playbook_items"] = counts.get("playbook_items", 0) + done.rowcount
        for chunk in chunks(seqs):
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


def _bytes(stored: str | bytes) -> bytes:
    """What stands in a column, whether the database keeps it as text or as bytes."""
    return stored.encode() if isinstance(stored, str) else stored
