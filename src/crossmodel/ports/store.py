"""Durable state, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol, TypeVar

from crossmodel.domain.alerts import Alert, Delivery, DeliveryCounts, Notification, Silence
from crossmodel.domain.client_key import ClientKey
from crossmodel.domain.erasure import Erased
from crossmodel.domain.incidents import Incident
from crossmodel.domain.insight import Insight, Standing
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
from crossmodel.ports.log import LogTransaction

Result = TypeVar("Result")


class AlertTransaction(Protocol):
    """Alerts and who is told of them. They are of whoever runs this, so of no tenant."""

    def put_alerts(self, alerts: Sequence[Alert]) -> None:
        """Keep alerts, replacing those of the same id."""
        ...

    def alerts_of(self, instance: str, since: datetime) -> list[Alert]:
        """What an instance goes on with: what lasts or was not told, and what opened since."""
        ...

    def list_alerts(
        self, *, state: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[Alert]:
        """Alerts of all instances, newest first; of one state, if one is named."""
        ...

    def incidents(self, period: TimePeriod) -> list[Incident]:
        """What was wrong at some time of a period, oldest first."""
        ...

    def add_notification(self, notification: Notification, sinks: Collection[str]) -> None:
        """Promise a notification to sinks: it is theirs until each has it or was given up."""
        ...

    def claim_delivery(
        self, sink: str, now: datetime, until: datetime
    ) -> tuple[Delivery | None, datetime | None]:
        """The sink's next delivery, for the caller alone until then; or when to ask again.

        They come in the order in which they were promised. With nothing to deliver both are
        ``None``.
        """
        ...

    def settle_delivery(
        self,
        delivery: Delivery,
        at: datetime,
        *,
        error: str = "",
        again_at: datetime | None = None,
    ) -> None:
        """Say how an attempt went: delivered without error, tried again then, or given up."""
        ...

    def delivery_counts(self) -> dict[str, DeliveryCounts]:
        """How the deliveries stand that are still kept, by sink."""
        ...

    def put_silence(self, silence: Silence) -> None:
        """Keep a new silence."""
        ...

    def silences(self, at: datetime) -> list[Silence]:
        """Those that have not ended by then, oldest first."""
        ...

    def end_silence(self, silence_id: str, at: datetime) -> Silence:
        """End a silence now; returns it as it was.

        Raises:
            NotFoundError: if there is none of that id that lasts.
        """
        ...

    def prune_alerts(self, before: datetime, told_before: datetime) -> int:
        """Forget alerts that were over, and notifications of, before then; returns how many."""
        ...


class Transaction(LogTransaction, AlertTransaction, Protocol):
    """Everything that the store keeps. Every read and write of people's data names its tenant."""

    def spools(self) -> list[str]:
        """The producers whose spools have been read."""
        ...

    def spool_position(self, producer: str) -> tuple[int, int]:
        """How far a producer's spool has been read: segment and offset, (0, 0) at first."""
        ...

    def set_spool_position(self, producer: str, segment: int, offset: int) -> None:
        """Note how far it has been read, in the transaction that keeps what was read."""
        ...

    def forget_spool(self, producer: str) -> None:
        """Forget a producer whose spool is gone."""
        ...

    def put_models(self, models: Sequence[ModelSpec]) -> None:
        """Keep the rows, replacing those of the same id."""
        ...

    def add_selection(self, record: SelectionRecord) -> None:
        """Keep one selection."""
        ...

    def add_selections(self, records: Sequence[SelectionRecord]) -> None:
        """Keep many selections."""
        ...

    def get_selection(self, tenant: str, request_id: str) -> SelectionRecord | None:
        """The selection made for that request."""
        ...

    def add_outcome(self, tenant: str, outcome: Outcome) -> None:
        """Keep how an answer turned out."""
        ...

    def add_outcomes(self, outcomes: Sequence[tuple[str, Outcome]]) -> None:
        """Keep how many answers turned out, each with its tenant."""
        ...

    def outcomes(self, tenant: str, request_id: str) -> list[Outcome]:
        """All that was said of that answer, oldest first."""
        ...

    def spent_usd(self, since: date) -> dict[tuple[str, str | None], float]:
        """What calls since the beginning of that day (UTC) did cost, in USD, by tenant and key."""
        ...

    def add_traffic(self, sums: Mapping[TrafficKey, TrafficSums]) -> None:
        """Add to what requests came to, by minute, tenant and model."""
        ...

    def traffic(self, tenant: str, period: TimePeriod, *, most_steps: int = 100) -> Traffic:
        """What a tenant's requests came to within a period, in steps of equal length.

        There are at most ``most_steps``, unless the longest steps there can be are more. The period
        is widened to what is kept: minutes of the last two days, then hours, then days.
        """
        ...

    def roll_up_traffic(self, now: datetime) -> bool:
        """Move the oldest minutes that are due into an hour, or hours into a day; whether any were.

        Call it until it says no, each time in a transaction of its own.
        """
        ...

    def put_client_key(self, key: ClientKey) -> None:
        """Keep a new key, or other limits of one that is kept; names are never used again."""
        ...

    def client_keys(self) -> list[ClientKey]:
        """All client keys, revoked ones too, oldest first."""
        ...

    def client_keys_version(self) -> int:
        """How often client keys were changed: other processes look whether that is the same."""
        ...

    def revoke_client_key(self, name: str, at: datetime) -> ClientKey:
        """Let a key be of no use from that moment on; returns it as it is now."""
        ...

    def add_source(self, source: SourceText) -> None:
        """Keep a text that insights come from; again is no error."""
        ...

    def get_source(self, tenant: str, sha256: str) -> SourceText | None:
        """The text of that hash."""
        ...

    def add_insights(self, tenant: str, insights: Sequence[Insight]) -> list[str]:
        """Keep those insights that are new; returns their ids."""
        ...

    def get_insights(self, tenant: str, ids: Sequence[str]) -> list[Insight]:
        """Those of the insights that there are, in the order asked for."""
        ...

    def insights_of_source(self, tenant: str, sha256: str) -> list[Insight]:
        """The insights that stand on a source, oldest first."""
        ...

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
        ...

    def page_of_insights(
        self,
        tenant: str,
        *,
        before: int | None = None,
        limit: int = 50,
        insight_type: str | None = None,
        standing: str | None = None,
    ) -> tuple[list[Insight], int | None]:
        """A page of insights, newest first, and what to go on before; ``None`` after the last.

        It may be short, or empty, with more to come: a page looks at so many insights at most.
        """
        ...

    def page_of_selections(
        self,
        tenant: str,
        *,
        before: str | None = None,
        limit: int = 50,
        model_id: str | None = None,
    ) -> tuple[list[SelectionRecord], str | None]:
        """A page of selections, newest first, of one model if one is named; likewise."""
        ...

    def uses_of_insight(
        self, tenant: str, insight_id: str, *, limit: int = 20
    ) -> list[TransferRecord]:
        """The latest transfers of an insight, newest first, among the tenant's latest 20,000."""
        ...

    def set_standing(
        self, tenant: str, insight_ids: Sequence[str], standing: str, reason: str
    ) -> list[str]:
        """Give insights a standing; returns the ids of those that had another."""
        ...

    def count_insights(self, tenant: str) -> int:
        """How many there are."""
        ...

    def insight_sources(self, after: int = 0) -> tuple[int, set[tuple[str, str]]]:
        """Whose insights are of which source model, as (tenant, model), of those kept lately.

        ``after`` is the number that the call before returned; with 0 all are looked at. It comes
        back as 0 where the newest were erased since, so that the next call looks at all.
        """
        ...

    def search_insights(
        self,
        tenant: str,
        query: str,
        *,
        limit: int = 10,
        least_trust: float = 0.0,
        standings: Sequence[str] = (Standing.ACTIVE, Standing.DEMOTED),
        diversity: float = 0.0,
    ) -> list[RankedInsight]:
        """Insights that ``query`` is about, best first; any text is a valid query.

        By words, and by meaning where the store has an embedder. ``limit`` is at most 1,000,
        ``least_trust`` within 0..1; quarantined insights come only when asked for by ``standings``.
        ``diversity``, 0..1, prefers what is unlike what stands before it: relevance need not fall
        from place to place then.
        """
        ...

    def erase_insights(self, tenant: str, insight_ids: Sequence[str]) -> Erased:
        """Erase insights, their text in sources, and hidden values of the log that hold it.

        Follow it with the store's ``scrub``, once the transaction is durable.
        """
        ...

    def erase_request(self, tenant: str, request_id: str, *, with_insights: bool) -> Erased:
        """Erase what was asked, handed over and answered, and what stands of it in sources.

        Insights that stand on the answer go too or are named in ``still_held_by``; their evidence
        stays with them. Follow it with the store's ``scrub``, once the transaction is durable.
        """
        ...

    def erase_values(self, leaves: Sequence[LogLeaf]) -> Erased:
        """Erase the hidden values of records, of whichever tenants; they must be whole turns.

        Follow it with the store's ``scrub``, once the transaction is durable.
        """
        ...

    def count_values(self, leaves: Sequence[LogLeaf]) -> int:
        """How many hidden values are kept with these records."""
        ...

    def erase_unused_sources(self, start: datetime, stop: datetime, limit: int) -> int:
        """Erase source texts that no insight stands on, of whichever tenants; how many went.

        They are of ``start <= created_at < stop``, at most ``limit``. Follow it with ``scrub``.
        """
        ...

    def count_unused_sources(self, start: datetime, stop: datetime) -> int:
        """How many source texts of ``start <= created_at < stop`` no insight stands on."""
        ...

    def get_mark(self, name: str) -> int | None:
        """How far a piece of upkeep has come; ``None`` if it has not begun."""
        ...

    def set_mark(self, name: str, value: int | None) -> None:
        """Remember how far a piece of upkeep has come; with ``None`` forget it."""
        ...

    def lease(self, holder: str, budgets: Sequence[BudgetAsk], rates: Sequence[RateAsk]) -> Grants:
        """Give a process its part of budgets and rates, and take back what it lets go of.

        Granted by this transaction, which must be durable before the process relies on it.
        """
        ...

    def end_leases(self, holder: str) -> None:
        """Forget a process that holds nothing any more; what it has committed stays committed."""
        ...

    def forget_leases(self, budget: str, before: str) -> None:
        """Forget what was committed of a budget in the periods before the one that is named."""
        ...

    def leased_budgets(self, budget: str, period: str) -> dict[tuple[str, str], int]:
        """What all processes have committed of a budget, by scope and owner, in 1e-9 USD."""
        ...

    def add_transfer(self, record: TransferRecord) -> None:
        """Keep one transfer."""
        ...

    def add_transfers(self, records: Sequence[TransferRecord]) -> None:
        """Keep many transfers."""
        ...

    def get_transfer(self, tenant: str, request_id: str) -> TransferRecord | None:
        """The transfer made for that request."""
        ...

    def playbook(self, tenant: str, topic: str) -> Playbook:
        """The topic's items with what is known of their effect; none for an unknown topic."""
        ...

    def edit_playbook(self, tenant: str, topic: str, deltas: Sequence[Delta]) -> None:
        """Apply the deltas in their order.

        Raises:
            InvalidInputError: if what is to be added is an item already.
            NotFoundError: if what is to be retired or restored is none.
        """
        ...

    def playbook_topics(self, tenant: str) -> dict[str, int]:
        """How many items of each topic are in use, by topic in order of their names."""
        ...

    def add_uplift(self, tenant: str, keys: Iterable[UpliftKey], score: float) -> None:
        """Count a score, 0..1, once for each of the keys."""
        ...

    def replace_uplift(
        self, tenant: str, keys: Iterable[UpliftKey], old_score: float, new_score: float
    ) -> None:
        """Let the last word on a request count, and the one before no more."""
        ...

    def clear_uplift(self, tenant: str, units: Collection[str]) -> None:
        """Forget all scores of these units, as if nothing had been measured of them."""
        ...

    def tallies(
        self,
        tenant: str,
        *,
        unit: str | None = None,
        target_model: str | None = None,
        units: Collection[str] | None = None,
        kind: str | None = None,
    ) -> dict[UpliftKey, Tally]:
        """The sums of scores; of one unit, several, a kind, one model, where that is asked.

        A kind is what a unit begins with: ``insight``, ``topic`` or ``protocol``.
        """
        ...

    def add_reliability(self, tenant: str, source_model: str, at: DayBin, change: Observed) -> None:
        """Add to the sums of a model's day and bin; what takes back makes no new row."""
        ...

    def reliability(
        self, tenant: str, source_model: str | None = None
    ) -> dict[str, dict[DayBin, Observed]]:
        """The sums of each model, or of one, by day and bin."""
        ...

    def reliability_bins(self, tenant: str, source_model: str) -> dict[int, Observed]:
        """The sums of a model by bin, over all days."""
        ...

    def get_judgement(self, tenant: str, insight_id: str) -> Judgement | None:
        """What counts of an insight outside of feedback."""
        ...

    def put_judgement(self, tenant: str, insight_id: str, said: Judgement | None) -> None:
        """Keep what counts of an insight, instead of what did; ``None`` forgets it."""
        ...

    def put_snapshots(self, bodies: Mapping[str, bytes]) -> None:
        """Keep bodies by their SHA-256; those that are there already are left as they are."""
        ...

    def get_snapshot(self, sha256: str) -> bytes | None:
        """The body of that SHA-256, as it is kept: its reader checks it."""
        ...


class Store(Protocol):
    """Durable state. ``work`` runs off the event loop and must touch only its transaction."""

    async def transact(self, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` in one write transaction.

        When this returns the changes are durable; when ``work`` raises nothing has changed.
        """
        ...

    async def read(self, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` on one consistent snapshot; writing in it is an error."""
        ...

    async def wait_for_change(self, seconds: float) -> None:
        """Wait until client keys may have been changed by any process, or for so long.

        It may end early: look at ``client_keys_version`` then. For one event loop and one caller.
        """
        ...

    async def scrub(self) -> bool:
        """Take erased bytes out of the files where transactions leave them behind.

        False if somebody who still reads an older snapshot held it off. That it is owed is kept
        with the erasure itself: opening the store makes it good after a crash.
        """
        ...

    async def close(self) -> None:
        """Let go of the files; safe to call twice."""
        ...
