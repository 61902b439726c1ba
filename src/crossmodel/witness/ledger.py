"""What happened, as rows and statements that become durable in one transaction."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, Protocol

from crossmodel.domain import checks
from crossmodel.domain.answer import Ask, Turn
from crossmodel.domain.erasure import Erased, ErasureReceipt
from crossmodel.domain.insight import ExtractionResult, Insight
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SelectionRecord, SourceText
from crossmodel.domain.selection import Outcome
from crossmodel.domain.traffic import TrafficKey, minute_of
from crossmodel.domain.witness import LogLeaf, LogStanding
from crossmodel.errors import (
    InvalidInputError,
    NotFoundError,
    StoreConflictError,
    WitnessError,
)
from crossmodel.ports import Clock, LogTransaction, Store, Transaction
from crossmodel.reliability import brief, judge, set_standing
from crossmodel.text.payloads import texts_in
from crossmodel.witness import statement
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.signing import sign_head
from crossmodel.witness.statement import Draft
from crossmodel.witness.traffic import (
    sums_of_extraction,
    sums_of_score,
    sums_of_spending,
)
from crossmodel.witness.turn_record import Extracted, TurnRecord
from crossmodel.witness.turns import (
    encode_turn,
    finite,
    transfer_record,
    write_turn,
)
from crossmodel.witness.vif import CrossModelVIF

logger = logging.getLogger(__name__)

QUOTED: Final = "the reason must not quote what is to be erased"

QUOTE: Final = 12
"""Characters from which on a message that stands in a reason is a quotation, not a common word."""

Kept = Callable[[Transaction, str, Sequence[Insight]], None]
"""Told, in the transaction that keeps them, which new insights of which tenant there are."""


class Outbox(Protocol):
    """Takes encoded turns, which are durable after :meth:`settle`."""

    def append(self, body: bytes) -> None:
        """Take a turn; a ``WitnessError`` says that it was not taken."""
        ...

    async def settle(self) -> None:
        """Wait until what was taken is durable; a ``WitnessError`` says that it does not get so."""
        ...

    async def close(self) -> None:
        """Settle, and take no more."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """About how much was taken and is not in the store yet."""
        ...


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
    handover: Outbox | None = None

    async def record_turn(self, turn: Turn, then: Kept | None = None) -> RecordedTurn:
        """Keep one turn of the loop, whole or failed; ``then`` is told what was learned.

        Where there is a ``handover``, a turn from which nothing was learned goes that way: it is
        durable after :meth:`settle`, and its leaves are not known yet.
        """
        record = self._record(turn)
        if self._hand_over(turn, record):
            return RecordedTurn(record.outcome, ())

        def work(tx: Transaction) -> list[int]:
            leaves = write_turn(tx, self.vif, record)
            if turn.completion is not None and turn.extraction is not None:
                source = SourceText(turn.completion.text, turn.model.id, turn.ask.tenant, turn.id)
                leaves += self._learn(tx, source, turn.extraction, then, turn.id)
            return leaves

        leaves = await self.store.transact(work)
        await self.checkpoint()
        return RecordedTurn(record.outcome, tuple(leaves))

    async def settle(self) -> None:
        """Wait until everything that was handed over is durable.

        Raises:
            WitnessError: if it does not become so; nothing is lost then.
        """
        if self.handover is not None:
            await self.handover.settle()

    async def record_insights(
        self,
        source: SourceText,
        result: ExtractionResult,
        then: Kept | None = None,
        *,
        source_request: str | None = None,
    ) -> list[int]:
        """Keep the insights of one source. Those that are there already are not witnessed again.

        ``source_request`` is the request whose answer the source is; its record comes first.

        Returns:
            Where the log holds its statements.
        """
        if source_request is not None:
            await self.settle()
        moment = self.clock()

        def work(tx: Transaction) -> list[int]:
            leaves = self._learn(tx, source, result, then, source_request)
            tx.add_traffic(sums_of_extraction(source.tenant, result, moment))
            return leaves

        leaves = await self.store.transact(work)
        await self.checkpoint()
        return leaves

    async def record_sources(
        self,
        extracted: Sequence[tuple[SourceText, ExtractionResult]],
        then: Kept | None = None,
        *,
        mark: str,
        count: int,
    ) -> list[int]:
        """Keep the insights of many sources at once, as one step of work that survives a crash.

        The step is kept with them under the name ``mark``: they are there if and only if
        ``get_mark`` gives ``count``. Before it gave ``count - 1``, or nothing before the first.

        Returns:
            Where the log holds their statements.

        Raises:
            StoreConflictError: if somebody else has done this step; nothing was kept then.
        """
        moment = self.clock()

        def work(tx: Transaction) -> list[int]:
            if (tx.get_mark(mark) or 0) != count - 1:
                raise StoreConflictError("another run keeps the insights of the same files")
            tx.set_mark(mark, count)
            leaves: list[int] = []
            for source, result in extracted:
                leaves += self._learn(tx, source, result, then)
                tx.add_traffic(sums_of_extraction(source.tenant, result, moment))
            return leaves

        leaves = await self.store.transact(work)
        await self.checkpoint()
        return leaves

    async def record_spending(self, tenant: str, outcome: Outcome) -> None:
        """Keep what a call did cost that answered nobody's request, such as an assistant's."""

        def work(tx: Transaction) -> None:
            tx.add_outcome(tenant, outcome)
            tx.add_traffic(sums_of_spending(tenant, outcome))

        await self.store.transact(work)

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
        await self.settle()

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
            # counted where its request is: so is the next one, if somebody changes their mind
            asked = TrafficKey(minute_of(record.selected_at), tenant, record.model_id)
            tx.add_traffic({asked: sums_of_score(float(score), before=before)})
            learn(tx, before)
            self.vif.witness([statement.outcome_statement(outcome, tenant=tenant)], tx)
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
            return set_standing(tx, tenant, insight_ids, standing, reason, moment=self.clock())

        return await self.store.transact(work)

    async def judge(self, tenant: str, insight_id: str, *, correct: bool) -> Insight:
        """Keep what somebody says of an insight: whether it is right. The last word counts, once.

        It may be taken back, so it is kept in the store alone and not in the log.

        Raises:
            NotFoundError: if the tenant has no such insight.
        """
        moment = self.clock()
        return await self.store.transact(lambda tx: judge(tx, tenant, insight_id, correct, moment))

    async def erase(self, tenant: str, insight_ids: Sequence[str], reason: str) -> ErasureReceipt:
        """Erase insights, all or none, with whatever holds their text; the log says that it was.

        Raises:
            InvalidInputError: if there is no reason, or it quotes what is to be erased.
            NotFoundError: if the tenant lacks one of the insights.
        """

        def work(tx: Transaction) -> Erased:
            for insight in _known(tx, tenant, insight_ids):
                if insight.content in reason:
                    raise InvalidInputError(QUOTED)
            return tx.erase_insights(tenant, insight_ids)

        return await self._erase(tenant, work, reason)

    async def erase_request(
        self, tenant: str, request_id: str, reason: str, *, with_insights: bool = False
    ) -> ErasureReceipt:
        """Erase what was asked in a request, handed over for it and answered.

        Insights that stand on the answer are erased too, or else named by the receipt.

        Raises:
            InvalidInputError: if there is no reason, or it quotes what is to be erased.
            NotFoundError: if the tenant has no such request.
        """

        def work(tx: Transaction) -> Erased:
            about = tx.leaves_about(tenant, request_id)
            if not about and tx.get_selection(tenant, request_id) is None:
                raise NotFoundError(f"there is no request {request_id!r}; nothing was changed")
            if any(len(text) >= QUOTE and text in reason for text in _texts_of(tx, about)):
                raise InvalidInputError(QUOTED)
            return tx.erase_request(tenant, request_id, with_insights=with_insights)

        return await self._erase(tenant, work, reason)

    def put_on_record(self, tx: LogTransaction, said: Draft, values: int) -> list[int]:
        """Append an erasure's statement, which took that many hidden values of the log.

        Where it took any it goes on record even if new records are switched off: else the log
        would lack what nothing explains.
        """
        return self.vif.append([said], tx) if values else self.vif.witness([said], tx)

    async def _erase(
        self, tenant: str, erase: Callable[[Transaction], Erased], reason: str
    ) -> ErasureReceipt:
        """Erase and say so in one transaction, then take the bytes out of the files."""
        checks.text("reason", reason)
        await self.settle()
        committed = statement.commit(reason)
        moment = self.clock()

        def work(tx: Transaction) -> tuple[Erased, list[int], Draft]:
            erased = erase(tx)
            said = statement.erasure_statement(erased, committed, moment, tenant=tenant)
            return erased, self.put_on_record(tx, said, erased.counts.get("commitments", 0)), said

        erased, leaves, said = await self.store.transact(work)
        is_scrubbed = await self.store.scrub()
        await self.seal()  # until it is signed, verifiers miss what was erased
        return ErasureReceipt(
            erased,
            reason,
            moment,
            leaf=leaves[0] if leaves else None,
            disclosed=tuple(each.digest for each in said.subjects.values()) if leaves else (),
            is_scrubbed=is_scrubbed,
        )

    async def seal(self, *, patient: bool = True) -> None:
        """Sign what is not signed yet, where it may be: a log that was edited stays unsigned.

        Unless it is ``patient``, that is left to whoever signs just now.
        """
        try:
            await self.settle()
            await self.checkpoint(now=True, patient=patient)
        except WitnessError as error:
            logger.error(  # noqa: TRY400 - the reason says it all, where from helps nobody
                "the last records stay unsigned: %s; crossmodel verify says what is wrong", error
            )

    async def checkpoint(self, *, now: bool = False, patient: bool = True) -> bool:
        """Sign the head of the log if that is due, or ``now``; whether no record is unsigned then.

        The head is read and signed after the records under it are durable, and kept afterwards, by
        one signer at a time: see :mod:`crossmodel.witness.signing`. Where somebody else signs, it
        waits if it was to be ``now``, unless it is not ``patient``.
        """

        def look(tx: LogTransaction) -> tuple[bool, bool]:
            unsigned = self.vif.unsigned(tx) > 0
            return unsigned and (now or self.vif.checkpoint_due(tx)), not unsigned

        is_due, is_whole = await self.store.read(look)
        if is_due:
            return await sign_head(self.store, self.vif, patient=now and patient)
        return is_whole

    async def standing(self) -> LogStanding:
        """How far the log has got, and what waits to be written to it."""
        unwritten = self.handover.waiting_bytes if self.handover is not None else 0

        def work(tx: LogTransaction) -> LogStanding:
            records, head = tx.log_size(), tx.latest_checkpoint()
            signed = min(head.size, records) if head is not None else 0
            around = {each.index: each for each in tx.leaves(max(signed - 1, 0), signed + 1)}

            def time_of(index: int) -> datetime | None:
                leaf = around.get(index)
                return statement.logged_at(leaf.statement) if leaf is not None else None

            return LogStanding(records, signed, time_of(signed - 1), time_of(signed), unwritten)

        return await self.store.read(work)

    def _hand_over(self, turn: Turn, record: TurnRecord) -> bool:
        """Hand a turn to the writer, unless it must be written here."""
        if self.handover is None or (turn.extraction is not None and turn.extraction.insights):
            return False
        try:
            body = encode_turn(record)
        except InvalidInputError:  # half a surrogate pair, which the store keeps all the same
            return False
        self.handover.append(body)
        return True

    def _learn(
        self,
        tx: Transaction,
        source: SourceText,
        result: ExtractionResult,
        then: Kept | None,
        source_request: str | None = None,
    ) -> list[int]:
        """Keep the insights of a source; witness those that were not known before."""
        if not result.insights:
            return []
        tx.add_source(source)
        new = set(tx.add_insights(source.tenant, result.insights))
        fresh = [insight for insight in result.insights if insight.id in new]
        if then is not None:
            then(tx, source.tenant, fresh)
        committed = statement.commit(source.sha256)
        models = {insight.source_model for insight in fresh}
        known = {model: brief(model, tx.reliability_bins(source.tenant, model)) for model in models}
        drafts = [
            statement.insight_statement(
                insight,
                committed,
                tenant=source.tenant,
                source_request=source_request,
                reliability=known[insight.source_model],
            )
            for insight in fresh
        ]
        return self.vif.witness(drafts, tx)

    def _record(self, turn: Turn) -> TurnRecord:
        ask, transfer = turn.ask, turn.transfer
        usage = turn.completion.usage if turn.completion else None
        kept = None
        if transfer is not None:
            moment = turn.handed_over_at or self.clock()
            kept = transfer_record(turn.id, ask.tenant, turn.model.id, transfer, moment)
        return TurnRecord(
            selection=_selection_record(turn),
            outcome=self._outcome(turn),
            request=_request(ask).encode(),
            rejected=dict(turn.selection.rejected),
            inputs=turn.inputs.sha256 if turn.inputs else None,
            snapshots=turn.inputs.bodies if turn.inputs else {},
            transfer=kept,
            context=transfer.context if transfer is not None and kept is not None else "",
            answer=turn.completion.text if turn.completion else None,
            trace_id=ask.trace_id,
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            dearest=turn.dearest,
            extraction=Extracted.of(turn.extraction) if turn.extraction else None,
        )

    def _outcome(self, turn: Turn) -> Outcome:
        return Outcome(
            turn.id,
            turn.model.id,
            success=turn.completion is not None,
            latency_ms=turn.completion.latency_ms if turn.completion else None,
            cost_usd=turn.cost_usd,
            recorded_at=turn.answered_at or self.clock(),
            served_model=turn.completion.model if turn.completion else None,
            price_version=turn.model.price_version,
            key=turn.ask.key,
        )


def _request(ask: Ask) -> str:
    """What was asked, and how: enough to ask it again."""
    return json.dumps(
        {
            "messages": [asdict(message) for message in ask.messages],
            "task": None if ask.task is None else finite(ask.task),
            "model": ask.model,
            "max_tokens": ask.max_tokens,
            "temperature": ask.temperature,
            "seed": ask.seed,
            "needs": sorted(ask.needs),
            "conversation": ask.conversation,
        }
    )


def _selection_record(turn: Turn) -> SelectionRecord:
    return SelectionRecord(
        request_id=turn.id,
        tenant=turn.ask.tenant,
        model_id=turn.selection.model_id,
        suitability_score=turn.selection.suitability_score,
        alternatives=tuple(turn.selection.alternative_models),
        requirement=finite(turn.selection.task_requirement),
        selected_at=turn.selection.selection_timestamp,
        latency_ms=turn.selection.selection_latency_ms,
        propensity=turn.selection.selection_metadata.get("propensity", 1.0),
    )


def _known(tx: Transaction, tenant: str, insight_ids: Sequence[str]) -> list[Insight]:
    """The insights of these ids; an error unless the tenant has them all."""
    if not insight_ids:
        raise InvalidInputError("name at least one insight")
    found = tx.get_insights(tenant, insight_ids)
    missing = set(insight_ids) - {insight.id for insight in found}
    if missing:
        raise NotFoundError(f"there is no insight {min(missing)!r}; nothing was changed")
    return found


def _texts_of(tx: LogTransaction, leaves: Iterable[LogLeaf]) -> set[str]:
    """What the hidden values of records say, as far as they are kept."""
    values: set[bytes] = set()
    for leaf in leaves:
        digests = statement.subject_digests(parse_statement(leaf.statement))
        values |= {each.value for each in tx.get_commitments(leaf.index, digests).values()}
    return texts_in(values)
