"""One turn of the loop as plain data, and as rows and records of one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from crossmodel.domain.records import SelectionRecord, TransferRecord
from crossmodel.domain.selection import Outcome
from crossmodel.errors import InvalidInputError
from crossmodel.ports import Transaction
from crossmodel.witness import statement
from crossmodel.witness.statement import Draft
from crossmodel.witness.vif import CrossModelVIF


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """What is kept of a turn, in a form that can be handed to another process.

    Attributes:
        selection: which model was chosen, for whose request.
        outcome: what came of it.
        request: what was asked, as JSON: hidden in the log.
        rejected: why other models were not chosen, by their id.
        inputs: SHA-256 of the recorded inputs that the selection can be made again from.
        snapshots: bodies of those inputs that may not be kept yet, by their SHA-256.
        transfer: what was handed over or withheld; its ``context_digest`` is still empty.
        context: the text that was handed over: hidden in the log.
        answer: the answer: hidden in the log.
        trace_id: the caller's trace.
    """

    selection: SelectionRecord
    outcome: Outcome
    request: str = field(repr=False)
    rejected: Mapping[str, str] = field(default_factory=dict)
    inputs: str | None = None
    snapshots: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    transfer: TransferRecord | None = None
    context: str = field(default="", repr=False)
    answer: str | None = field(default=None, repr=False)
    trace_id: str | None = None


def write_turn(tx: Transaction, vif: CrossModelVIF, turn: TurnRecord) -> list[int]:
    """Keep the rows of a turn and append its statements; returns their leaves' indexes."""
    tenant, trace_id = turn.selection.tenant, turn.trace_id
    request = statement.commit(turn.request)
    drafts: list[Draft] = [
        statement.selection_statement(
            request,
            turn.selection,
            rejected=turn.rejected,
            inputs=turn.inputs,
            trace_id=trace_id,
        )
    ]
    tx.add_selection(turn.selection)
    if turn.snapshots:
        tx.put_snapshots(turn.snapshots)
    if turn.transfer is not None:
        context = statement.commit(turn.context)
        transfer = replace(turn.transfer, context_digest=context.digest)
        tx.add_transfer(transfer)
        drafts.append(statement.transfer_statement(request, context, transfer, trace_id=trace_id))
    answer = None if turn.answer is None else statement.commit(turn.answer)
    drafts.append(
        statement.outcome_statement(
            turn.outcome, tenant=tenant, request=request, answer=answer, trace_id=trace_id
        )
    )
    tx.add_outcome(tenant, turn.outcome)
    return vif.witness(drafts, tx)


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=str)
_DECODER: Final = msgspec.msgpack.Decoder(TurnRecord)


def encode_turn(turn: TurnRecord) -> bytes:
    """A turn as bytes, to be handed to another process.

    Raises:
        InvalidInputError: if a text of it holds half of a surrogate pair.
    """
    try:
        return _ENCODER.encode(turn)
    except UnicodeEncodeError:
        raise InvalidInputError("a text holds half of a surrogate pair: write it here") from None


def write_handed_over(tx: Transaction, bodies: Sequence[bytes], *, vif: CrossModelVIF) -> None:
    """Keep turns that another process encoded, as :func:`write_turn` does each of them.

    Raises:
        InvalidInputError: if one of them is no turn.
    """
    for body in bodies:
        try:
            turn = _DECODER.decode(body)
        except (msgspec.DecodeError, ValueError) as error:
            raise InvalidInputError(f"what was handed over is no turn: {error}") from error
        write_turn(tx, vif, turn)
