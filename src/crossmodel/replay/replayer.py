"""A request replayed, part by part."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.period import utc_now
from crossmodel.domain.replay import Part, Replay, ReplayedPart
from crossmodel.domain.selection import Outcome
from crossmodel.engine import Engine
from crossmodel.errors import NotFoundError
from crossmodel.ports import Transaction
from crossmodel.replay.answering import compare_answer
from crossmodel.replay.choice import OpenRouter
from crossmodel.replay.outcome import not_replayable
from crossmodel.replay.records import LogReader
from crossmodel.replay.run import Run


@dataclass(frozen=True, slots=True)
class Replayer:
    """Replays requests of an engine's log.

    Attributes:
        engine: whose store and log it reads; its models are asked again where that is wanted.
        open_router: reads the configured router anew.
        seeded: ids of the providers whose models take a seed.
    """

    engine: Engine
    open_router: OpenRouter
    seeded: Collection[str] = field(default_factory=frozenset)

    async def replay(self, tenant: str, request_id: str, *, ask: bool = False) -> Replay:
        """Make a request's parts again and compare them with the log.

        With ``ask`` its model is asked again, where it takes a seed and was given one; that costs
        what it costs.

        Raises:
            NotFoundError: if the tenant's log has no record of such a request.
        """
        await self.engine.ledger.seal()
        run = await self.engine.store.read(lambda tx: self._run(tx, tenant, request_id))
        parts = list(run.parts)
        if (answer := await self._answered(run, ask=ask)) is not None:
            parts.append(answer)
        order = list(Part)
        parts.sort(key=lambda each: order.index(each.part))
        return Replay(request_id, tuple(parts))

    def _run(self, tx: Transaction, tenant: str, request_id: str) -> Run:
        reader = LogReader(tx, self.engine.ledger.vif)
        records = reader.about(tenant, request_id)
        if records.is_empty:
            raise NotFoundError(f"the log has no record of a request {request_id!r}")
        run = Run(tx, reader, tenant, records, self.engine, self.open_router)
        run.all()
        return run

    async def _answered(self, run: Run, *, ask: bool) -> ReplayedPart | None:
        """The answer again, if it is wanted and can be had; everything else was done in ``run``."""
        question = run.question
        if question is None:
            return None
        model = self.engine.models.get(question.model_id)
        if model is None:
            return not_replayable(Part.ANSWER, f"{question.model_id!r} is not configured any more")
        if model.provider not in self.seeded:
            return not_replayable(Part.ANSWER, f"the provider {model.provider!r} takes no seed")
        if not ask:
            return not_replayable(Part.ANSWER, "it was not asked again: say --ask")
        completion = await self.engine.paid(model, question.request, run.tenant, None)
        usage = completion.usage
        outcome = Outcome(
            time_ordered_id("rpl_"),
            model.id,
            success=True,
            latency_ms=completion.latency_ms,
            cost_usd=model.cost_usd(usage.input_tokens, usage.output_tokens),
            recorded_at=utc_now(),
            served_model=completion.model,
            price_version=model.price_version,
        )
        await self.engine.ledger.record_spending(run.tenant, outcome)
        return compare_answer(question.record, completion)
