"""What was handed over, read again and written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from crossmodel.errors import InvalidInputError
from crossmodel.ports import Transaction
from crossmodel.witness.relayed import RelayedTurn
from crossmodel.witness.turn_record import TurnRecord
from crossmodel.witness.turns import write_turns
from crossmodel.witness.vif import CrossModelVIF

_DECODER: Final = msgspec.msgpack.Decoder(TurnRecord | RelayedTurn)


def write_handed_over(tx: Transaction, bodies: Sequence[bytes], *, vif: CrossModelVIF) -> None:
    """Keep turns that were encoded, as :func:`~crossmodel.witness.turns.write_turn` does each.

    Raises:
        InvalidInputError: if one of them is no turn.
    """
    try:
        turns = [_DECODER.decode(body) for body in bodies]
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidInputError(f"what was handed over is no turn: {error}") from error
    write_turns(tx, vif, [t.record() if isinstance(t, RelayedTurn) else t for t in turns])
