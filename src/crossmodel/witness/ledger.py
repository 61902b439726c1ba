"""What happened, as rows and statements that become durable in one transaction."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from crossmodel.domain import checks
from crossmodel.domain.answer import Turn
from crossmodel.domain.erasure import Erased, ErasureReceipt
from crossmodel.domain.insight import ExtractionResult, Insight
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord, SourceText, TransferRecord
from crossmodel.domain.selection import Outcome
from crossmodel.domain.transfer import TransferResult
from crossmodel.domain.witness import Commitment, SignedCheckpoint, Statement
from crossmodel.errors import InvalidInputError, NotFoundError, WitnessError
from crossmodel.ports import Clock, LogTransaction, Store, Transaction
from crossmodel.witness import statement
from crossmodel.witness.vif import CrossModelVIF

logger = logging.getLogger(__name__)

Kept = Callable[[Transaction, str, Sequence[Insight]], None]
"""Told, in the transaction that keeps them, which new insights of which tenant there are."""


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """A turn as it was kept: its outcome, and where the log holds its statements."""

    outcome: Outcome
    leaves: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Keeps what the loop did. When a method returns, what it kept survives a crash."""

    vif: CrossModelVIF
    store: Store
    clock: Clock = utc_now

    async def record_turn(self, turn: Turn, then: Kept | None = None) -> RecordedTurn:
        """Keep one turn of the loop, whole or failed; ``then`` is told what was learned."""
        request = statement.commit(json.dumps([asdict(message) for message in turn.ask.messages]))
        outcome = self._outcome(turn)
        chosen = _selection_record(turn)
        rejected = turn.selection.rejected
        statements = [statement.selection_statement(request, chosen, rejected=rejected)]
        transferred = None
        if turn.transfer is not None and _is_on_record(turn.transfer):
            context = statement.commit(turn.transfer.context)
            transferred = self._transfer_record(turn, context)
            statements.append(statement.transfer_statement(request, context, transferred))
        answer = statement.commit(turn.completion.text) if turn.completion else None
        statements.append(statement.outcome_statement(outcome, request=request, answer=answer))

        def work(tx: Transaction) -> list[int]:
            tx.add_selection(chosen)
            if transferred is not None:
                tx.add_transfer(transferred)
            tx.add_outcome(turn.ask.tenant, outcome)
            learned = []
            if turn.completion is not None and turn.extraction is not None:
                source = SourceText(turn.completion.text, turn.model.id, turn.ask.tenant, turn.id)
                learned = _learn(tx, source, turn.extraction, then)
            return self._witness(tx, turn.ask.tenant, [*statements, *learned])

        leaves = await self.store.transact(work)
        await self.checkpoint()
        return RecordedTurn(outcome, tuple(leaves))

    async def record_insights(
        self, source: SourceText, result: ExtractionResult, then: Kept | None = None
    ) -> None:
        """Keep the insights of one source. Those that are there already are not witnessed again."""
        await self.store.transact(
            lambda tx: self._witness(tx, source.tenant, _learn(tx, source, result, then))
        )
        await self.checkpoint()

    async def record_feedback(
        self,
        tenant: str,
        request_id: str,
        score: float,
        *,
        source: str = "feedback",
        learn: Callable[[Transaction, float | None], None] = lambda _tx, _before: None,
    ) -> Outcome:
        """Keep what somebody, or a ``grader``, thinks of an answer: 0 is useless, 1 is perfect.

        ``learn`` is called in the same transaction, with the score that the answer had so far.

        Raises:
            InvalidInputError: if the score lies outside of 0..1.
            NotFoundError: if the tenant has no such answer.
        """
        checks.unit_interval("score", score)

        def work(tx: Transaction) -> Outcome:
            record = tx.get_selection(tenant, request_id)
            if record is None:
                raise NotFoundError(f"there is no answer {request_id!r}")
            outcome = Outcome(
                request_id,
                record.model_id,
                success=True,
                score=float(score),
                recorded_at=self.clock(),
                source=source,
            )
            scores = [each.score for each in tx.outcomes(tenant, request_id)]
            before = next((each for each in reversed(scores) if each is not None), None)
            tx.add_outcome(tenant, outcome)
            learn(tx, before)
            self._witness(tx, tenant, [statement.outcome_statement(outcome)])
            return outcome

        outcome = await self.store.transact(work)
        await self.checkpoint()
        return outcome

    async def set_standing(
        self, tenant: str, insight_ids: Sequence[str], standing: str, reason: str = ""
    ) -> list[str]:
        """Give insights a standing, all or none; returns the ids of those that had another.

        It may be taken back, so it is kept in the store alone and not in the log.

        Raises:
            InvalidInputError: if there is no such standing, or an insight that will not be active
                is given no reason.
            NotFoundError: if the tenant lacks one of the insights.
        """

        def work(tx: Transaction) -> list[str]:
            _known(tx, tenant, insight_ids)
            return tx.set_standing(tenant, insight_ids, standing, reason)

        return await self.store.transact(work)

    async def erase(self, tenant: str, insight_ids: Sequence[str], reason: str) -> ErasureReceipt:
        """Erase insights, all or none, with whatever holds their text; the log says that it was.

        Raises:
            InvalidInputError: if there is no reason, or it quotes what is to be erased.
            NotFoundError: if the tenant lacks one of the insights.
        """
        checks.text("reason", reason)
        committed = statement.commit(reason)
        moment = self.clock()

        def work(tx: Transaction) -> tuple[Erased, list[int], list[Statement]]:
            for insight in _known(tx, tenant, insight_ids):
                if insight.content in reason:
                    raise InvalidInputError("the reason must not quote what is to be erased")
            erased = tx.erase_insights(tenant, insight_ids)
            said = [statement.erasure_statement(erased, committed, moment)]
            return erased, self._witness(tx, tenant, said), said

        erased, leaves, said = await self.store.transact(work)
        is_scrubbed = await self.store.scrub()
        await self.checkpoint()
        return ErasureReceipt(
            erased,
            reason,
            moment,
            leaf=leaves[0] if leaves else None,
            disclosed=tuple(each.digest for each in said[0].commitments) if leaves else (),
            is_scrubbed=is_scrubbed,
        )

    async def seal(self) -> None:
        """Sign what is not signed yet, where it may be: a log that was edited stays unsigned."""
        try:
            await self.checkpoint(now=True)
        except WitnessError:
            logger.exception("the last records stay unsigned: crossmodel verify says what is wrong")

    async def checkpoint(self, *, now: bool = False) -> None:
        """Sign the head of the log if that is due, or ``now``.

        The head is read and signed after the records under it are durable, and kept afterwards.
        """

        def sign(tx: LogTransaction) -> SignedCheckpoint | None:
            due = self.vif.unsigned(tx) > 0 if now else self.vif.checkpoint_due(tx)
            return self.vif.sign_checkpoint(tx) if due else None

        signed = await self.store.read(sign)
        if signed is not None:
            kept = signed
            await self.store.transact(lambda tx: tx.add_checkpoint(kept))

    def _witness(self, tx: Transaction, tenant: str, statements: Sequence[Statement]) -> list[int]:
        enabled = self.vif.config.witness_generation.enable_witness_generation
        owned = [_owned(each, tenant) for each in statements]
        return self.vif.append(owned, tx) if enabled and owned else []

    def _outcome(self, turn: Turn) -> Outcome:
        return Outcome(
            turn.id,
            turn.model.id,
            success=turn.completion is not None,
            latency_ms=turn.completion.latency_ms if turn.completion else None,
            cost_usd=turn.cost_usd,
            recorded_at=self.clock(),
            served_model=turn.completion.model if turn.completion else None,
            price_version=turn.model.price_version,
        )

    def _transfer_record(self, turn: Turn, context: Commitment) -> TransferRecord:
        assert turn.transfer is not None
        return TransferRecord(
            request_id=turn.id,
            tenant=turn.ask.tenant,
            target_model=turn.model.id,
            protocol=turn.transfer.protocol,
            success=turn.transfer.success,
            insight_ids=tuple(
                insight.id
                for insight in turn.transfer.transferred_insights or turn.transfer.withheld
            ),
            quality_score=turn.transfer.transfer_quality_score,
            tokens=turn.transfer.tokens,
            context_digest=context.digest,
            transferred_at=self.clock(),
            error=turn.transfer.error,
            arm=turn.transfer.arm,
            task_type=turn.transfer.task_type,
            propensity=turn.transfer.propensity,
            relevance=turn.transfer.relevance,
        )


def _is_on_record(transfer: TransferResult) -> bool:
    """Whether anything was handed over, withheld or refused: that nothing fitted is no event."""
    return bool(transfer.transferred_insights or transfer.withheld or transfer.rejected)


def _selection_record(turn: Turn) -> SelectionRecord:
    requirement: dict[str, Any] = asdict(turn.selection.task_requirement)
    return SelectionRecord(
        request_id=turn.id,
        tenant=turn.ask.tenant,
        model_id=turn.selection.model_id,
        suitability_score=turn.selection.suitability_score,
        alternatives=tuple(turn.selection.alternative_models),
        requirement={k: v for k, v in requirement.items() if v != float("inf")},
        selected_at=turn.selection.selection_timestamp,
        latency_ms=turn.selection.selection_latency_ms,
        propensity=turn.selection.selection_metadata.get("propensity", 1.0),
    )


def _owned(said: Statement, tenant: str) -> Statement:
    """The same statement, its hidden values as the tenant's."""
    return replace(said, commitments=tuple(replace(c, tenant=tenant) for c in said.commitments))


def _known(tx: Transaction, tenant: str, insight_ids: Sequence[str]) -> list[Insight]:
    """The insights of these ids; an error unless the tenant has them all."""
    if not insight_ids:
        raise InvalidInputError("name at least one insight")
    found = tx.get_insights(tenant, insight_ids)
    missing = set(insight_ids) - {insight.id for insight in found}
    if missing:
        raise NotFoundError(f"there is no insight {min(missing)!r}; nothing was changed")
    return found


def _learn(
    tx: Transaction, source: SourceText, result: ExtractionResult, then: Kept | None
) -> list[Statement]:
    """Keep the insights of a source; the statements of those that were not known before."""
    if not result.insights:
        return []
    tx.add_source(source)
    new = set(tx.add_insights(source.tenant, result.insights))
    if then is not None:
        then(tx, source.tenant, [insight for insight in result.insights if insight.id in new])
    committed = statement.commit(source.sha256)
    return [
        statement.insight_statement(insight, committed)
        for insight in result.insights
        if insight.id in new
    ]
