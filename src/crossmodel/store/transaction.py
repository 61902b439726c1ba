"""The port ``Transaction`` over SQLAlchemy Core: what is the same on every database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from crossmodel.domain import checks
from crossmodel.domain.client_key import ClientKey
from crossmodel.domain.erasure import Erased
from crossmodel.domain.insight import Evidence, Insight, Standing
from crossmodel.domain.leases import BudgetAsk, Grants, RateAsk
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.period import TimePeriod
from crossmodel.domain.playbook import Delta, Playbook
from crossmodel.domain.records import RankedInsight, SelectionRecord, SourceText, TransferRecord
from crossmodel.domain.reliability import DayBin, Judgement, Observed
from crossmodel.domain.selection import Outcome
from crossmodel.domain.traffic import Traffic, TrafficKey, TrafficSums
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.domain.witness import LogLeaf
from crossmodel.store import marks, playbooks, requests, schema
from crossmodel.store.alerts import AlertTables
from crossmodel.store.client_keys import ClientKeys
from crossmodel.store.duplicates import DuplicateIndex
from crossmodel.store.erasure import Eraser
from crossmodel.store.hidden import HiddenValues
from crossmodel.store.leases import Leases
from crossmodel.store.log import LogTables
from crossmodel.store.pages import Pages
from crossmodel.store.reliability import ReliabilityTable
from crossmodel.store.rows import chunks
from crossmodel.store.search import SearchIndex
from crossmodel.store.snapshots import Snapshots
from crossmodel.store.sources import SourceTexts
from crossmodel.store.spending import Spending
from crossmodel.store.standings import Standings
from crossmodel.store.traffic import TrafficTable
from crossmodel.store.uplift import UpliftTable
from crossmodel.store.wanted import LISTED, Wanted

_SEQS: Final = sa.bindparam("seqs", expanding=True, type_=sa.BigInteger)

# made once: to make a query costs as much as to run it
_NUMBERED: Final = sa.select(schema.insights).where(schema.insights.c.seq.in_(_SEQS))
_CHILDREN: Final = {
    table.name: sa.select(table)
    .where(table.c.insight_seq.in_(_SEQS))
    .order_by(table.c.insight_seq, table.c.position)
    for table in (schema.insight_evidence, schema.insight_links)
}


class SqlTransaction(LogTables, AlertTables):
    """One transaction. ``search`` finds insights, and is shared by all transactions.

    ``erased`` collects the row numbers of insights that are gone once this is committed, by tenant:
    then ``search`` is told to forget them.
    """

    def __init__(self, connection: sa.Connection, search: SearchIndex) -> None:
        super().__init__(connection)
        self._search = search
        self.erased: list[tuple[str, Sequence[int]]] = []
        self._duplicates = DuplicateIndex(connection)
        self._standings = Standings(connection)
        self._uplift = UpliftTable(connection)
        self._reliability = ReliabilityTable(connection)
        self._snapshots = Snapshots(connection)
        self._spending = Spending(connection)
        self._traffic = TrafficTable(connection)
        self._client_keys = ClientKeys(connection)
        self._leases = Leases(connection)

    # models, selections, outcomes, transfers

    def put_models(self, models: Sequence[ModelSpec]) -> None:
        """Keep the rows, replacing those of the same id."""
        rows = {model.id: {"id": model.id, "spec": asdict(model)} for model in models}
        for chunk in chunks(list(rows)):
            self._connection.execute(sa.delete(schema.models).where(schema.models.c.id.in_(chunk)))
        self._insert(schema.models, rows.values())

    def add_selection(self, record: SelectionRecord) -> None:
        """Keep one selection."""
        self.add_selections([record])

    def add_selections(self, records: Sequence[SelectionRecord]) -> None:
        """Keep many selections."""
        names = SelectionRecord.__slots__
        self._insert_tuples(schema.selections, names, list(map(attrgetter(*names), records)))

    def get_selection(self, tenant: str, request_id: str) -> SelectionRecord | None:
        """The selection made for that request."""
        row = self._one(schema.selections, tenant=tenant, request_id=request_id)
        if row is None:
            return None
        return SelectionRecord(**{**row, "alternatives": tuple(row["alternatives"])})

    def add_outcome(self, tenant: str, outcome: Outcome) -> None:
        """Keep how an answer turned out."""
        self.add_outcomes([(tenant, outcome)])

    def add_outcomes(self, outcomes: Sequence[tuple[str, Outcome]]) -> None:
        """Keep how many answers turned out, each with its tenant."""
        names = Outcome.__slots__
        values = attrgetter(*names)
        rows = [(tenant, *values(outcome)) for tenant, outcome in outcomes]
        self._insert_tuples(schema.outcomes, ("tenant", *names), rows)
        self._spending.add(outcomes)

    def outcomes(self, tenant: str, request_id: str) -> list[Outcome]:
        """All that was said of that answer, oldest first."""
        table = schema.outcomes
        wanted = [table.c[name] for name in Outcome.__slots__]
        rows = self._connection.execute(
            sa.select(*wanted)
            .where(table.c.tenant == tenant, table.c.request_id == request_id)
            .order_by(table.c.seq)
        )
        return [Outcome(**row) for row in rows.mappings()]

    def spent_usd(self, since: date) -> dict[tuple[str, str | None], float]:
        """What calls since the beginning of that day (UTC) did cost, in USD, by tenant and key."""
        return self._spending.since(since)

    def add_traffic(self, sums: Mapping[TrafficKey, TrafficSums]) -> None:
        """Add to what requests came to."""
        self._traffic.add(sums)

    def traffic(self, tenant: str, period: TimePeriod, *, most_steps: int = 100) -> Traffic:
        """What a tenant's requests came to within a period; see the port."""
        return self._traffic.of_period(tenant, period, most_steps=most_steps)

    def roll_up_traffic(self, now: datetime) -> bool:
        """Move the oldest sums that are due into coarser ones; whether there were any."""
        return self._traffic.roll_up(now)

    def put_client_key(self, key: ClientKey) -> None:
        """Keep a new key, or other limits of one that is kept; names are never used again."""
        self._client_keys.put(key)

    def client_keys(self) -> list[ClientKey]:
        """All client keys, revoked ones too, oldest first."""
        return self._client_keys.all()

    def client_keys_version(self) -> int:
        """How often client keys were changed."""
        return self._client_keys.version()

    def revoke_client_key(self, name: str, at: datetime) -> ClientKey:
        """Let a key be of no use from that moment on; returns it as it is now."""
        return self._client_keys.revoke(name, at)

    # shared limits

    def lease(self, holder: str, budgets: Sequence[BudgetAsk], rates: Sequence[RateAsk]) -> Grants:
        """Give a process its part of budgets and rates, and take back what it lets go of."""
        return self._leases.lease(holder, budgets, rates)

    def end_leases(self, holder: str) -> None:
        """Forget a process that holds nothing any more; what it has committed stays committed."""
        self._leases.end(holder)

    def forget_leases(self, budget: str, before: str) -> None:
        """Forget what was committed of a budget in the periods before the one that is named."""
        self._leases.forget(budget, before)

    def leased_budgets(self, budget: str, period: str) -> dict[tuple[str, str], int]:
        """What all processes have committed of a budget, by scope and owner, in 1e-9 USD."""
        return self._leases.committed(budget, period)

    # handing over

    def add_transfer(self, record: TransferRecord) -> None:
        """Keep one transfer."""
        self.add_transfers([record])

    def add_transfers(self, records: Sequence[TransferRecord]) -> None:
        """Keep many transfers."""
        names = TransferRecord.__slots__
        self._insert_tuples(schema.transfers, names, list(map(attrgetter(*names), records)))

    def get_transfer(self, tenant: str, request_id: str) -> TransferRecord | None:
        """The transfer made for that request."""
        row = self._one(schema.transfers, tenant=tenant, request_id=request_id)
        if row is None:
            return None
        return TransferRecord(**{**row, "insight_ids": tuple(row["insight_ids"])})

    # effects

    def add_uplift(self, tenant: str, keys: Iterable[UpliftKey], score: float) -> None:
        """Count a score, 0..1, once for each of the keys."""
        self._uplift.add(tenant, keys, score)

    def replace_uplift(
        self, tenant: str, keys: Iterable[UpliftKey], old_score: float, new_score: float
    ) -> None:
        """Let the last word on a request count, and the one before no more."""
        self._uplift.replace(tenant, keys, old_score, new_score)

    def clear_uplift(self, tenant: str, units: Collection[str]) -> None:
        """Forget all scores of these units."""
        self._uplift.clear(tenant, units)

    def tallies(
        self,
        tenant: str,
        *,
        unit: str | None = None,
        target_model: str | None = None,
        units: Collection[str] | None = None,
        kind: str | None = None,
    ) -> dict[UpliftKey, Tally]:
        """The sums of scores; of one unit, several, a kind, one model, where that is asked."""
        return self._uplift.tallies(
            tenant, unit=unit, target_model=target_model, units=units, kind=kind
        )

    # reliability of models

    def add_reliability(self, tenant: str, source_model: str, at: DayBin, change: Observed) -> None:
        """Add to the sums of a model's day and bin; what takes back makes no new row."""
        self._reliability.add(tenant, source_model, at, change)

    def reliability(
        self, tenant: str, source_model: str | None = None
    ) -> dict[str, dict[DayBin, Observed]]:
        """The sums of each model, or of one, by day and bin."""
        return self._reliability.by_day(tenant, source_model)

    def reliability_bins(self, tenant: str, source_model: str) -> dict[int, Observed]:
        """The sums of a model by bin, over all days."""
        return self._reliability.by_bin(tenant, source_model)

    def get_judgement(self, tenant: str, insight_id: str) -> Judgement | None:
        """What counts of an insight outside of feedback."""
        row = self._one(schema.judgements, tenant=tenant, insight_id=insight_id)
        if row is None:
            return None
        return Judgement(**{name: row[name] for name in Judgement.__slots__})

    def put_judgement(self, tenant: str, insight_id: str, said: Judgement | None) -> None:
        """Keep what counts of an insight, instead of what did; ``None`` forgets it."""
        table = schema.judgements
        mine = sa.and_(table.c.tenant == tenant, table.c.insight_id == insight_id)
        self._connection.execute(sa.delete(table).where(mine))
        if said is not None:
            row = {"tenant": tenant, "insight_id": insight_id, **asdict(said)}
            self._connection.execute(sa.insert(table), row)

    # recorded inputs

    def put_snapshots(self, bodies: Mapping[str, bytes]) -> None:
        """Keep bodies by their SHA-256; those that are there already are left as they are."""
        self._snapshots.put(bodies)

    def get_snapshot(self, sha256: str) -> bytes | None:
        """The body of that SHA-256, as it is kept: its reader checks it."""
        return self._snapshots.get(sha256)

    # sources and insights

    def add_source(self, source: SourceText) -> None:
        """Keep a text that insights come from; again is no error."""
        if self._one(schema.sources, tenant=source.tenant, sha256=source.sha256) is None:
            self._connection.execute(
                sa.insert(schema.sources), {"sha256": source.sha256, **asdict(source)}
            )

    def get_source(self, tenant: str, sha256: str) -> SourceText | None:
        """The text of that hash."""
        row = self._one(schema.sources, tenant=tenant, sha256=sha256)
        if row is None:
            return None
        return SourceText(**{name: row[name] for name in SourceText.__slots__})

    def add_insights(self, tenant: str, insights: Sequence[Insight]) -> list[str]:
        """Keep those insights that are new; returns their ids.

        One that says the same as a kept one of the tenant is not kept again: its evidence and
        links go to that one, and links to it lead there.
        """
        known = self._known_ids(tenant, [insight.id for insight in insights])
        fresh = {insight.id: insight for insight in insights if insight.id not in known}
        fresh = self._merged(tenant, fresh)
        if not fresh:
            return []
        last = self._connection.scalar(sa.select(sa.func.max(schema.insights.c.seq))) or 0
        numbered = list(enumerate(fresh.values(), last + 1))
        self._insert(schema.insights, (_insight_row(seq, tenant, i) for seq, i in numbered))
        self._insert(
            schema.insight_evidence,
            (
                {"insight_seq": seq, "position": position, **asdict(evidence)}
                for seq, insight in numbered
                for position, evidence in enumerate(insight.evidence)
            ),
        )
        self._insert(
            schema.insight_links,
            (
                {"insight_seq": seq, "position": position, "target_id": target}
                for seq, insight in numbered
                for position, target in enumerate(insight.links)
            ),
        )
        self._search.add(self._connection, tenant, numbered)
        self._duplicates.add(tenant, numbered)
        return list(fresh)

    def _merged(self, tenant: str, fresh: dict[str, Insight]) -> dict[str, Insight]:
        """Those of the insights that nobody has told yet."""
        told = self._duplicates.known(tenant, list(fresh.values()))
        if not told:
            return fresh
        renamed = {old: new for old, (_, new) in told.items()}
        relinked = {
            insight_id: replace(
                insight, links=tuple(renamed.get(link, link) for link in insight.links)
            )
            for insight_id, insight in fresh.items()
        }
        for insight_id, (seq, _) in told.items():
            self._duplicates.support(seq, relinked.pop(insight_id))
        return relinked

    def get_insights(self, tenant: str, ids: Sequence[str]) -> list[Insight]:
        """Those of the insights that there are, in the order asked for."""
        table = schema.insights
        found = {}
        for chunk in chunks(list(dict.fromkeys(ids))):
            query = sa.select(table).where(table.c.tenant == tenant, table.c.id.in_(chunk))
            found.update({insight.id: insight for insight in self._load(query)})
        return [found[insight_id] for insight_id in ids if insight_id in found]

    def insights_of_source(self, tenant: str, sha256: str) -> list[Insight]:
        """The insights that stand on a source, oldest first."""
        insights, evidence = schema.insights, schema.insight_evidence
        of = sa.select(evidence.c.insight_seq).where(evidence.c.source_sha256 == sha256)
        mine = sa.select(insights).where(insights.c.tenant == tenant, insights.c.seq.in_(of))
        return self._load(mine.order_by(insights.c.seq))

    def list_insights(
        self,
        tenant: str,
        *,
        limit: int = 50,
        offset: int = 0,
        insight_type: str | None = None,
        standing: str | None = None,
    ) -> list[Insight]:
        """Insights, newest first; of one type or standing, if one is named."""
        checks.at_least("limit", limit, 0)
        checks.at_least("offset", offset, 0)
        table = schema.insights
        query = sa.select(table).where(table.c.tenant == tenant)
        if insight_type is not None:
            query = query.where(table.c.insight_type == insight_type)
        if standing is not None:
            checks.one_of("standing", standing, Standing)
            query = query.where(table.c.standing == standing)
        return self._load(query.order_by(table.c.seq.desc()).limit(limit).offset(offset))

    def page_of_insights(
        self,
        tenant: str,
        *,
        before: int | None = None,
        limit: int = 50,
        insight_type: str | None = None,
        standing: str | None = None,
    ) -> tuple[list[Insight], int | None]:
        """A page of insights, newest first, and what to go on before."""
        query, more = Pages(self._connection).insights(
            tenant, before=before, limit=limit, insight_type=insight_type, standing=standing
        )
        return self._load(query), more

    def page_of_selections(
        self,
        tenant: str,
        *,
        before: str | None = None,
        limit: int = 50,
        model_id: str | None = None,
    ) -> tuple[list[SelectionRecord], str | None]:
        """A page of selections, newest first, and what to go on before."""
        pages = Pages(self._connection)
        return pages.selections(tenant, before=before, limit=limit, model_id=model_id)

    def uses_of_insight(
        self, tenant: str, insight_id: str, *, limit: int = 20
    ) -> list[TransferRecord]:
        """The latest transfers of an insight."""
        return Pages(self._connection).uses(tenant, insight_id, limit)

    def count_insights(self, tenant: str) -> int:
        """How many there are."""
        table = schema.insights
        count = sa.select(sa.func.count()).select_from(table).where(table.c.tenant == tenant)
        return self._connection.scalar(count) or 0

    def insight_sources(self, after: int = 0) -> tuple[int, set[tuple[str, str]]]:
        """The number to go on from, and whose insights are of which source model.

        The newest is looked at again: if it is there, so is the number, and none is missed whose
        row took the place of one that was erased.
        """
        table = schema.insights
        query = sa.select(table.c.tenant, table.c.source_model, sa.func.max(table.c.seq))
        rows = self._connection.execute(
            query.where(table.c.seq >= after).group_by(table.c.tenant, table.c.source_model)
        ).all()
        newest = max((last for _, _, last in rows), default=0)
        return newest, {(tenant, model) for tenant, model, _ in rows}

    def search_insights(
        self,
        tenant: str,
        query: str,
        *,
        limit: int = 10,
        least_trust: float = 0.0,
        standings: Sequence[str] = LISTED,
        diversity: float = 0.0,
    ) -> list[RankedInsight]:
        """Insights that ``query`` is about, best first; any text is a valid query.

        See the port; how, is told in :mod:`crossmodel.store.search`.
        """
        wanted = Wanted(tenant, least_trust, standings)
        ranked = self._search.find(
            self._connection, query, limit=limit, wanted=wanted, diversity=diversity
        )
        found = {}
        for chunk in chunks(list(ranked)):
            found.update(self._load_by_seq(_NUMBERED, {"seqs": chunk}))
        return [RankedInsight(found[seq], relevance) for seq, relevance in ranked.items()]

    def set_standing(
        self, tenant: str, insight_ids: Sequence[str], standing: str, reason: str
    ) -> list[str]:
        """Give insights a standing; returns the ids of those that had another."""
        return self._standings.set(tenant, insight_ids, standing, reason)

    def erase_insights(self, tenant: str, insight_ids: Sequence[str]) -> Erased:
        """Erase insights with everything that holds their text; see the module of that name."""
        marks.owe_scrub(self._connection)
        eraser = Eraser(self._connection, self._search)
        erased = eraser.erase(tenant, insight_ids)
        self.erased.append((tenant, eraser.rows))
        return erased

    def erase_request(self, tenant: str, request_id: str, *, with_insights: bool) -> Erased:
        """Erase what was asked, handed over and answered; see :mod:`crossmodel.store.requests`."""
        marks.owe_scrub(self._connection)
        eraser = Eraser(self._connection, self._search)
        about = self.leaves_about(tenant, request_id)
        erased = requests.erase_request(
            self._connection, eraser, tenant, request_id, about, with_insights=with_insights
        )
        self.erased.append((tenant, eraser.rows))
        return erased

    def erase_values(self, leaves: Sequence[LogLeaf]) -> Erased:
        """Erase the hidden values of whole turns, of whichever tenants."""
        marks.owe_scrub(self._connection)
        return requests.erase_values(self._connection, leaves)

    def count_values(self, leaves: Sequence[LogLeaf]) -> int:
        """How many hidden values are kept with these records."""
        return HiddenValues(self._connection).count([leaf.index for leaf in leaves])

    def erase_unused_sources(self, start: datetime, stop: datetime, limit: int) -> int:
        """Erase sources of ``start <= created_at < stop`` that no insight stands on."""
        gone = SourceTexts(self._connection).drop_expired(start, stop, limit)
        if gone:
            marks.owe_scrub(self._connection)
        return gone

    def count_unused_sources(self, start: datetime, stop: datetime) -> int:
        """How many sources of ``start <= created_at < stop`` no insight stands on."""
        return SourceTexts(self._connection).count_unused(start, stop)

    # upkeep

    def get_mark(self, name: str) -> int | None:
        """How far a piece of upkeep has come."""
        return marks.get_mark(self._connection, name)

    def set_mark(self, name: str, value: int | None) -> None:
        """Remember how far a piece of upkeep has come; with ``None`` forget it."""
        marks.set_mark(self._connection, name, value)

    def _known_ids(self, tenant: str, ids: Sequence[str]) -> set[str]:
        table = schema.insights
        known: set[str] = set()
        for chunk in chunks(ids):
            query = sa.select(table.c.id).where(table.c.tenant == tenant, table.c.id.in_(chunk))
            known.update(self._connection.scalars(query))
        return known

    def _load(self, query: sa.Select[Any]) -> list[Insight]:
        return list(self._load_by_seq(query).values())

    def _load_by_seq(
        self, query: sa.Select[Any], values: Mapping[str, Any] | None = None
    ) -> dict[int, Insight]:
        rows = {row["seq"]: row for row in self._connection.execute(query, values).mappings().all()}
        evidence = self._children(schema.insight_evidence, rows)
        links = self._children(schema.insight_links, rows)
        return {
            seq: Insight(
                **{name: row[name] for name in Insight.__slots__ if name in row},
                evidence=tuple(
                    Evidence(e["start"], e["end"], e["source_sha256"])
                    for e in evidence.get(seq, [])
                ),
                links=tuple(link["target_id"] for link in links.get(seq, [])),
            )
            for seq, row in rows.items()
        }

    def _children(
        self, table: sa.Table, parents: Mapping[int, Any]
    ) -> dict[int, list[Mapping[str, Any]]]:
        children: dict[int, list[Mapping[str, Any]]] = {}
        for chunk in chunks(list(parents)):
            found = self._connection.execute(_CHILDREN[table.name], {"seqs": chunk})
            for row in found.mappings().all():
                children.setdefault(row["insight_seq"], []).append(dict(row))
        return children

    # playbooks

    def playbook(self, tenant: str, topic: str) -> Playbook:
        """The topic's items with what is known of their effect; none for an unknown topic."""
        return playbooks.load(self._connection, tenant, topic)

    def edit_playbook(self, tenant: str, topic: str, deltas: Sequence[Delta]) -> None:
        """Apply the deltas in their order."""
        playbooks.edit(self._connection, tenant, topic, deltas)

    def playbook_topics(self, tenant: str) -> dict[str, int]:
        """How many items of each topic are in use, by topic in order of their names."""
        return playbooks.topics(self._connection, tenant)


def _insight_row(seq: int, tenant: str, insight: Insight) -> dict[str, Any]:
    names = [name for name in Insight.__slots__ if name not in {"evidence", "links"}]
    return {"seq": seq, "tenant": tenant, **{name: getattr(insight, name) for name in names}}
