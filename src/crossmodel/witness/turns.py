"""One turn of the loop as plain data, and as rows and records of one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from crossmodel.domain.records import TransferRecord
from crossmodel.domain.selection import TaskRequirement
from crossmodel.domain.transfer import TransferResult
from crossmodel.errors import InvalidInputError
from crossmodel.ports import Transaction
from crossmodel.witness import statement
from crossmodel.witness.statement import SALT_BYTES, Draft
from crossmodel.witness.traffic import sums_of_turns
from crossmodel.witness.turn_record import TurnRecord
from crossmodel.witness.vif import CrossModelVIF

MOST_HIDDEN: Final = 3
"""Texts of a turn that its statements commit to."""


def write_turn(tx: Transaction, vif: CrossModelVIF, turn: TurnRecord) -> list[int]:
    """Keep the rows of a turn and append its statements; returns their leaves' indexes."""
    return write_turns(tx, vif, [turn])


def write_turns(tx: Transaction, vif: CrossModelVIF, turns: Sequence[TurnRecord]) -> list[int]:
    """Keep the rows of turns and append their statements; returns their leaves' indexes."""
    transfers: list[TransferRecord] = []
    # one call of the system for the salts of all
    salts = secrets.token_bytes(len(turns) * MOST_HIDDEN * SALT_BYTES)
    salt = (salts[at : at + SALT_BYTES] for at in range(0, len(salts), SALT_BYTES))
    drafts = [draft for turn in turns for draft in _drafts(turn, transfers, salt)]
    tx.add_selections([turn.selection for turn in turns])
    if snapshots := {name: body for turn in turns for name, body in turn.snapshots.items()}:
        tx.put_snapshots(snapshots)
    tx.add_transfers(transfers)
    tx.add_outcomes([(turn.selection.tenant, turn.outcome) for turn in turns])
    tx.add_traffic(sums_of_turns(turns))
    return vif.witness(drafts, tx)


def _drafts(
    turn: TurnRecord, transfers: list[TransferRecord], salt: Iterator[bytes]
) -> Iterator[Draft]:
    """The statements of a turn; what was handed over is added to ``transfers`` as it is kept."""
    tenant, trace_id = turn.selection.tenant, turn.trace_id
    request = statement.commit(turn.request, tenant=tenant, salt=next(salt))
    yield statement.selection_statement(
        request, turn.selection, rejected=turn.rejected, inputs=turn.inputs, trace_id=trace_id
    )
    if turn.transfer is not None:
        context = statement.commit(turn.context, tenant=tenant, salt=next(salt))
        transfer = replace(turn.transfer, context_digest=context.digest)
        transfers.append(transfer)
        yield statement.transfer_statement(request, context, transfer, trace_id=trace_id)
    answer = None
    if turn.answer is not None:
        answer = statement.commit(turn.answer, tenant=tenant, salt=next(salt))
    yield statement.outcome_statement(
        turn.outcome, tenant=tenant, request=request, answer=answer, trace_id=trace_id
    )


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=str)


def encode_turn(turn: TurnRecord) -> bytes:
    """A turn as bytes, to be handed to another process.

    Raises:
        InvalidInputError: if a text of it holds half of a surrogate pair.
    """
    try:
        return _ENCODER.encode(turn)
    except UnicodeEncodeError:
        raise InvalidInputError("a text holds half of a surrogate pair: write it here") from None


def transfer_record(
    request_id: str, tenant: str, model_id: str, transfer: TransferResult, moment: datetime
) -> TransferRecord | None:
    """What is kept of a transfer; ``None`` of one that nothing fitted, which is no event."""
    if not (transfer.transferred_insights or transfer.withheld or transfer.rejected):
        return None
    return TransferRecord(
        request_id=request_id,
        tenant=tenant,
        target_model=model_id,
        protocol=transfer.protocol,
        success=transfer.success,
        insight_ids=tuple(
            insight.id for insight in transfer.transferred_insights or transfer.withheld
        ),
        quality_score=transfer.transfer_quality_score,
        tokens=transfer.tokens,
        context_digest="",  # the salt is made where the text is hidden
        transferred_at=moment,
        error=transfer.error,
        arm=transfer.arm,
        task_type=transfer.task_type,
        propensity=transfer.propensity,
        relevance=transfer.relevance,
    )


def finite(requirement: TaskRequirement) -> dict[str, Any]:
    """A requirement as it is kept: without the constraints that it does not have."""
    return {k: v for k, v in asdict(requirement).items() if v != float("inf")}
