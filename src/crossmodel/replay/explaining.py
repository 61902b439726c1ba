"""Why a model was chosen: the terms of a past decision, from what it was made from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from crossmodel.domain.answer import Ask
from crossmodel.domain.replay import ExplainedSelection
from crossmodel.domain.selection import NO_CONTEXT, TaskRequirement
from crossmodel.engine import Engine
from crossmodel.errors import CrossModelError, NotFoundError
from crossmodel.inputs import RecordedInputs, read_inputs
from crossmodel.ports import Transaction
from crossmodel.replay.choice import OpenRouter, choose_again
from crossmodel.replay.outcome import NotReplayableError
from crossmodel.replay.records import LogReader, Record
from crossmodel.replay.request import request_of

NO_LIMITS: dict[str, Any] = {"cost_constraint": math.inf, "latency_constraint": math.inf}


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains decisions of an engine's log.

    Attributes:
        engine: whose store and log it reads.
        open_router: reads the configured router anew.
    """

    engine: Engine
    open_router: OpenRouter

    async def explain(self, tenant: str, request_id: str) -> ExplainedSelection:
        """The decision about a request.

        Raises:
            NotFoundError: if the tenant's log has no record of such a decision.
            VerificationError: if the record must not be believed.
        """
        await self.engine.ledger.seal()
        return await self.engine.store.read(lambda tx: self._explain(tx, tenant, request_id))

    def _explain(self, tx: Transaction, tenant: str, request_id: str) -> ExplainedSelection:
        record = _selection(LogReader(tx, self.engine.ledger.vif), tx, tenant, request_id)
        said = record.predicate
        told = ExplainedSelection(
            request_id,
            record.leaf,
            said["model"],
            said["score"],
            tuple(said["alternatives"]),
            dict(said["rejected"]),
            dict(said["requirement"]),
        )
        ask = _asked(record, tenant)
        if ask.model if ask else _looks_named(told):
            return replace(told, why_not="the caller named the model: nothing was compared")
        context = self.engine.context_of(ask) if ask else NO_CONTEXT
        try:
            inputs = _inputs(tx, said["inputs"])
            requirement = TaskRequirement(**(NO_LIMITS | dict(said["requirement"])))
            chosen = choose_again(requirement, context, inputs, self.open_router)
        except (NotReplayableError, CrossModelError, TypeError) as error:
            return replace(told, why_not=str(error))
        return replace(
            told,
            explanation=chosen.explain(),
            differs=_differences(told, chosen.model_id, chosen.suitability_score),
        )


def _asked(record: Record, tenant: str) -> Ask | None:
    """The request, if it is kept in a form of ours; else what was required has to do."""
    try:
        return request_of(record, tenant)
    except NotReplayableError:
        return None


def _looks_named(told: ExplainedSelection) -> bool:
    """Whether a decision is one that was none, by the traces that it has left."""
    return told.score == 1.0 and not told.alternatives and not told.rejected


def _selection(reader: LogReader, tx: Transaction, tenant: str, request_id: str) -> Record:
    for leaf in tx.leaves_about(tenant, request_id):
        record = reader.read(leaf)
        if record.kind == "selection" and record.predicate["request_id"] == request_id:
            return record
    raise NotFoundError(f"the log has no record of how a model was selected for {request_id!r}")


def _inputs(tx: Transaction, sha256: str | None) -> RecordedInputs:
    inputs = None if sha256 is None else read_inputs(tx, sha256)
    if inputs is None:
        raise NotReplayableError("no inputs were recorded with this decision")
    return inputs


def _differences(told: ExplainedSelection, model_id: str, score: float) -> tuple[str, ...]:
    found = []
    if model_id != told.model_id:
        found.append(f"the log says that {told.model_id} was chosen; now it would be {model_id}")
    elif not math.isclose(score, told.score, rel_tol=1e-9, abs_tol=1e-9):
        found.append(f"the log says that its score was {told.score:.4f}; now it is {score:.4f}")
    return tuple(found)
