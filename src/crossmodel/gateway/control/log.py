"""The signed log: how long it is, and its latest head."""

from __future__ import annotations

from typing import Any, Final

from crossmodel.domain.witness import SignedCheckpoint
from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.operation import Answer, Nothing, Operation
from crossmodel.gateway.control.parameters import View
from crossmodel.ports import Transaction


class CheckpointView(View):
    """A signed head: the note is the C2SP signed note, exactly as signed; the root is in hex."""

    size: int
    root: str
    note: str


class LogView(View):
    """How many records there are, and the latest head; the newest records may wait for one."""

    size: int
    checkpoint: CheckpointView | None


async def get_log(control: Control, _params: Nothing, _body: None) -> LogView:
    """Read it; nothing is signed for it."""

    def work(tx: Transaction) -> tuple[int, SignedCheckpoint | None]:
        return tx.log_size(), tx.latest_checkpoint()

    size, head = await control.cm.engine.store.read(work)
    if head is None:
        return LogView(size=size, checkpoint=None)
    shown = CheckpointView(size=head.size, root=head.root.hex(), note=head.note)
    return LogView(size=size, checkpoint=shown)


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        "/admin/v1/log",
        "getLog",
        "The size of the signed log and its latest checkpoint.",
        get_log,
        Nothing,
        [Answer(200, "The log.", LogView)],
    ),
)
