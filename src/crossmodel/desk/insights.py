"""What people do with insights: look at them, see what they did, set them aside, export, erase."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final

from crossmodel import transfer as transfers
from crossmodel.domain import checks
from crossmodel.domain.erasure import ErasureReceipt
from crossmodel.domain.insight import RELEASED, Insight, Standing
from crossmodel.domain.playbook import Playbook
from crossmodel.domain.records import RankedInsight, SourceText, TransferRecord
from crossmodel.domain.reliability import Reliability
from crossmodel.domain.transfer_config import ExportConfig
from crossmodel.domain.uplift import Tally
from crossmodel.engine import Engine
from crossmodel.errors import NotFoundError
from crossmodel.ports import Transaction
from crossmodel.reliability import CrossModelConfidenceCalibrator
from crossmodel.settings import Settings
from crossmodel.transfer import uplift

KINDS: Final = ("topic", "protocol", "insight")
"""What effects are summed by."""

CURATED_AT_ONCE: Final = 500
"""Insights whose playbooks are brought up to date in one transaction."""


class InsightDesk(ABC):
    """The part of :class:`~crossmodel.CrossModel` that is about the insights of one tenant."""

    settings: Settings

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """The loop itself, with its stages and adapters."""

    async def insights(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        insight_type: str | None = None,
        standing: str | None = None,
        tenant: str | None = None,
    ) -> list[Insight]:
        """Insights, newest first; of one type or standing, if one is named."""
        of = tenant or self.settings.loop.tenant
        return await self.engine.store.read(
            lambda tx: tx.list_insights(
                of, limit=limit, offset=offset, insight_type=insight_type, standing=standing
            )
        )

    async def page_of_insights(
        self,
        *,
        before: int | None = None,
        limit: int = 50,
        insight_type: str | None = None,
        standing: str | None = None,
        tenant: str | None = None,
    ) -> tuple[list[Insight], int | None]:
        """Insights, newest first, and the ``before`` of the next page; ``None`` after the last.

        Each page is as quick as the first. A page may be short, or empty, with more to come.

        Raises:
            InvalidInputError: if the limit is less than 1, or there is no such standing.
        """
        of = tenant or self.settings.loop.tenant
        return await self.engine.store.read(
            lambda tx: tx.page_of_insights(
                of, before=before, limit=limit, insight_type=insight_type, standing=standing
            )
        )

    async def uses(
        self, insight_id: str, *, limit: int = 20, tenant: str | None = None
    ) -> list[TransferRecord]:
        """The latest transfers of an insight, newest first, among the latest 20,000 transfers.

        Raises:
            InvalidInputError: if the limit is less than 1.
        """
        of = tenant or self.settings.loop.tenant
        return await self.engine.store.read(
            lambda tx: tx.uses_of_insight(of, insight_id, limit=limit)
        )

    async def search_insights(
        self, query: str, *, limit: int = 10, diversity: float = 0.0, tenant: str | None = None
    ) -> list[RankedInsight]:
        """Insights that ``query`` is about, by words and by meaning, best first.

        ``diversity``, 0..1, prefers what is unlike what stands before it.

        Raises:
            InvalidInputError: if it is out of range.
        """
        of = tenant or self.settings.loop.tenant
        return await self.engine.store.read(
            lambda tx: tx.search_insights(of, query, limit=limit, diversity=diversity)
        )

    async def insight(
        self, insight_id: str, *, tenant: str | None = None
    ) -> tuple[Insight, SourceText | None]:
        """One insight, and the text that it was found in.

        Raises:
            NotFoundError: if there is no such insight.
        """
        of = tenant or self.settings.loop.tenant
        found = await self.engine.store.read(lambda tx: tx.get_insights(of, [insight_id]))
        if not found:
            raise NotFoundError(f"there is no insight {insight_id!r}")
        if not found[0].evidence:
            return found[0], None
        sha256 = found[0].evidence[0].source_sha256
        return found[0], await self.engine.store.read(lambda tx: tx.get_source(of, sha256))

    async def effects(
        self, insight_id: str, *, tenant: str | None = None
    ) -> list[uplift.EffectOnTarget]:
        """What was measured of an insight's effect on each model that it was handed to."""
        of, unit = tenant or self.settings.loop.tenant, uplift.insight_unit(insight_id)
        return uplift.effects_by_target(
            await self.engine.store.read(lambda tx: tx.tallies(of, unit=unit))
        )

    async def effects_by(
        self, kind: str, *, tenant: str | None = None
    ) -> dict[str, list[uplift.EffectOnTarget]]:
        """What was measured, by name in order, of every ``topic``, ``protocol`` or ``insight``.

        Raises:
            InvalidInputError: for another kind.
        """
        of = tenant or self.settings.loop.tenant
        checks.one_of("kind", kind, KINDS)
        tallies = await self.engine.store.read(lambda tx: tx.tallies(of, kind=kind))
        return uplift.effects_by_name(tallies, kind)

    async def arms_by(
        self, kind: str, *, tenant: str | None = None
    ) -> dict[str, dict[str, dict[str, Tally]]]:
        """The scores that were seen, by name, target model and arm, of every one of a kind.

        ``kind`` is as in :meth:`effects_by`. Kinds of task are summed up: compare arms by
        :meth:`effects_by`, which compares like with like.

        Raises:
            InvalidInputError: for another kind.
        """
        of = tenant or self.settings.loop.tenant
        checks.one_of("kind", kind, KINDS)
        tallies = await self.engine.store.read(lambda tx: tx.tallies(of, kind=kind))
        found: dict[str, dict[str, dict[str, Tally]]] = {}
        for key, tally in sorted(tallies.items(), key=lambda each: each[0].unit):
            arms = found.setdefault(key.unit.removeprefix(f"{kind}:"), {})
            sums = arms.setdefault(key.target_model, {})
            sums[key.arm] = sums.get(key.arm, Tally()) + tally
        return found

    async def playbook_topics(self, *, tenant: str | None = None) -> dict[str, int]:
        """The topics that have a playbook, each with how many items are in use."""
        of = tenant or self.settings.loop.tenant
        return await self.engine.store.read(lambda tx: tx.playbook_topics(of))

    async def playbook(
        self, topic: str, *, tenant: str | None = None
    ) -> tuple[Playbook, dict[str, Insight]]:
        """A topic's playbook, and its insights by id as far as they are kept.

        Raises:
            NotFoundError: if there is no such topic.
        """
        of = tenant or self.settings.loop.tenant

        def work(tx: Transaction) -> tuple[Playbook, dict[str, Insight]]:
            found = tx.playbook(of, topic)
            insights = tx.get_insights(of, [item.insight_id for item in found.items])
            return found, {insight.id: insight for insight in insights}

        found, insights = await self.engine.store.read(work)
        if not found.items:
            raise NotFoundError(f"there is no playbook {topic!r}")
        return found, insights

    async def curate_playbooks(
        self, *, tenant: str | None = None, progress: Callable[[int, int], None] | None = None
    ) -> int:
        """Bring every playbook to what is known now, oldest insight first; how much was changed.

        ``progress`` is told how many insights of how many are done.
        """
        of = tenant or self.settings.loop.tenant
        most = self.settings.insight_transfer.playbook.max_items
        total = await self.engine.store.read(lambda tx: tx.count_insights(of))
        changes = 0
        for first in range(0, total, CURATED_AT_ONCE):
            left = total - first

            def work(tx: Transaction, left: int = left) -> int:
                start = max(0, left - CURATED_AT_ONCE)
                page = tx.list_insights(of, limit=left - start, offset=start)
                return transfers.tend(tx, of, page[::-1], max_items=most)

            changes += await self.engine.store.transact(work)
            if progress is not None:
                progress(min(first + CURATED_AT_ONCE, total), total)
        return changes

    async def export(
        self,
        write: Callable[[bytes], object],
        *,
        insight_type: str | None = None,
        least_confidence: float = 0.0,
        allow_unlicensed: bool = False,
        tenant: str | None = None,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> transfers.Exported:
        """Give the insights as lines of JSON for fine-tuning to ``write``, in bounded memory.

        ``write`` and ``progress`` are called in another thread. Licences are those of the setting
        ``insight_transfer.export``.

        Raises:
            InvalidInputError: if ``least_confidence`` lies outside of 0..1.
        """
        of = tenant or self.settings.loop.tenant
        given = self.settings.insight_transfer.export
        config = ExportConfig(given.licences, given.allow_unlicensed or allow_unlicensed)
        return await self.engine.store.read(
            lambda tx: transfers.export_insights(
                tx,
                of,
                write,
                config,
                insight_type=insight_type,
                least_confidence=least_confidence,
                leaf_of=lambda insight_id: next(
                    (leaf.index for leaf in tx.leaves_about(of, insight_id)), None
                ),
                progress=progress,
            )
        )

    async def quarantine(
        self, ids: Sequence[str], reason: str, *, tenant: str | None = None
    ) -> list[str]:
        """Keep insights from ever being handed over; returns the ids of those that were not yet.

        Raises:
            InvalidInputError: if there is no reason.
            NotFoundError: if one of them does not exist; then nothing has changed.
        """
        of = tenant or self.settings.loop.tenant
        return await self.engine.ledger.set_standing(of, ids, Standing.QUARANTINED, reason)

    async def release(self, ids: Sequence[str], *, tenant: str | None = None) -> list[str]:
        """Let insights be handed over again; returns the ids of those that could not be.

        What was measured of them is forgotten, or it would set them aside again at once.

        Raises:
            NotFoundError: if one of them does not exist; then nothing has changed.
        """
        of = tenant or self.settings.loop.tenant
        changed = await self.engine.ledger.set_standing(of, ids, Standing.ACTIVE, RELEASED)
        units = [uplift.insight_unit(insight_id) for insight_id in changed]
        await self.engine.store.transact(lambda tx: tx.clear_uplift(of, units))
        return changed

    async def judge(self, insight_id: str, correct: bool, *, tenant: str | None = None) -> Insight:
        """Say whether an insight is right. It counts for the reliability of its source model.

        The last word counts, once. The insight itself stays as it is: see :meth:`quarantine`.

        Raises:
            NotFoundError: if there is no such insight.
        """
        of = tenant or self.settings.loop.tenant
        return await self.engine.ledger.judge(of, insight_id, correct=bool(correct))

    async def calibrator(self, *, tenant: str | None = None) -> CrossModelConfidenceCalibrator:
        """What is known of how often each model's confidence came true, as it is now."""
        of = tenant or self.settings.loop.tenant
        sums = await self.engine.store.read(lambda tx: tx.reliability(of))
        return CrossModelConfidenceCalibrator.of(sums)

    async def reliability(
        self, source_model: str | None = None, *, tenant: str | None = None
    ) -> list[Reliability]:
        """The reliability of every source model, or of one, by name.

        Raises:
            NotFoundError: if nothing is known of the model that is named.
        """
        known = await self.calibrator(tenant=tenant)
        names = known.models() if source_model is None else [source_model]
        found = [known.reliability(name) for name in names]
        if source_model is not None and not found[0].n:
            raise NotFoundError(f"nothing is known of how reliable {source_model!r} is")
        return found

    async def delete(
        self, ids: Sequence[str], reason: str, *, tenant: str | None = None
    ) -> ErasureReceipt:
        """Erase insights for good, and their text wherever the store holds it.

        The log keeps a record of it, which :meth:`witness` gives evidence of.

        Raises:
            InvalidInputError: if there is no reason, or it quotes what is to be erased.
            NotFoundError: if one of them does not exist; then nothing has changed.
        """
        of = tenant or self.settings.loop.tenant
        return await self.engine.ledger.erase(of, ids, reason)
