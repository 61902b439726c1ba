"""The record of requests that are over: handed to the log's writer within microseconds.

Nothing here may fail a request, which has its answer by now. What cannot be handed over, because
the disk is full or the database is gone, waits in memory and is tried again; when there is no room
left it is lost, and that is counted and logged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from crossmodel.domain.models import ModelSpec
from crossmodel.domain.replay import Inputs
from crossmodel.domain.selection import ModelSelection, TaskRequirement
from crossmodel.domain.traffic import dearest_prices
from crossmodel.engine import Engine
from crossmodel.errors import ConfigurationError, WitnessError
from crossmodel.gateway.served import Served
from crossmodel.witness.handing_over.frames import MAX_BODY
from crossmodel.witness.relayed import RelayedTurn
from crossmodel.witness.turns import finite, transfer_record

logger = logging.getLogger(__name__)

STUCK_BYTES: Final = 16 * 1024 * 1024
"""From so much waiting on no new requests should be taken: what is answered is to be recorded."""

MOST_WAITING_BYTES: Final = 512 * 1024 * 1024
"""What may wait in memory for a disk that is full, in bytes: room for what is under way then."""

CLOSING_SECONDS: Final = 10.0
"""How long closing waits for the disk."""

RETRY_SECONDS: Final = 0.25
"""How often those that wait are tried again."""

INPUTS_SECONDS: Final = 1.0
"""How long the inputs of one table of models are taken to be the same without looking."""

MOST_REQUIREMENTS: Final = 1024

_NOBODY: Final[Mapping[str, str]] = {}

_ENCODE: Final = msgspec.msgpack.Encoder(enc_hook=str).encode


class Recorder:
    """Hands over what is known of each request that is over. For one event loop.

    Args:
        engine: whose log it is; opened for serving, so that its ledger has an outbox.
        most_waiting_bytes: what may wait in memory.

    Attributes:
        recorded: how many requests were handed over.
        lost: how many could not be, and never will.

    Raises:
        ConfigurationError: if the engine was not opened for serving.
    """

    __slots__ = (
        "_append", "_basis", "_dearest", "_engine", "_fresh", "_inputs", "_inputs_until", "_ledger",
        "_most_waiting",
        "_recorded_inputs", "_rejected", "_requirements", "_retry", "_selector", "_table",
        "_teacher_quality", "_versions", "_waiting", "_waiting_bytes", "lost", "recorded",
    )  # fmt: skip

    def __init__(self, engine: Engine, *, most_waiting_bytes: int = MOST_WAITING_BYTES) -> None:
        outbox = engine.ledger.handover
        if outbox is None:
            raise ConfigurationError("open CrossModel with serves=True to record what is served")
        self.recorded = 0
        self.lost = 0
        self._engine = engine
        self._dearest = dearest_prices(engine.models.values())
        self._ledger = engine.ledger
        self._append = outbox.append
        self._selector = engine.selector
        self._recorded_inputs = engine.inputs
        self._teacher_quality = engine.teacher_quality
        self._inputs: str | None = None
        self._inputs_until = 0.0
        self._fresh: Inputs | None = None
        self._table: object = None
        self._basis: object = None
        self._rejected: Mapping[str, str] = _NOBODY
        self._requirements: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._versions: dict[tuple[str, float, float], str] = {}
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._most_waiting = most_waiting_bytes
        self._retry: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait in memory to be handed over."""
        return len(self._waiting)

    @property
    def is_stuck(self) -> bool:
        """Whether so much waits that no more should be taken on."""
        return self._waiting_bytes > STUCK_BYTES

    def record(self, served: Served) -> None:
        """Hand over what is known of a request; never raises."""
        try:
            self._hand_over(_ENCODE(self._turn(served)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the request has its answer
            self._lose("a request cannot be put on record", error=error)

    def _hand_over(self, body: bytes) -> None:
        if len(body) > MAX_BODY:
            self._lose(f"a request of {len(body):,} bytes is too large for the log")
        elif self._waiting:  # those before it come first
            self._wait(body)
        else:
            try:
                self._append(body)
            except WitnessError as error:
                logger.error("records wait in memory: %s", error)  # noqa: TRY400 - it says it all
                self._wait(body)
            else:
                self.recorded += 1

    def look(self) -> None:
        """See whether the prices have changed that savings are reckoned by."""
        self._dearest = dearest_prices(self._engine.models.values())

    async def close(self) -> None:
        """Hand over what waits, and wait until all is durable.

        Raises:
            WitnessError: if it does not become so; what waited in memory only is lost then.
        """
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        give_up_at = time.monotonic() + CLOSING_SECONDS
        try:
            while self._waiting:
                try:
                    self._append(self._waiting[0])
                except WitnessError:
                    if time.monotonic() >= give_up_at:
                        raise
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    self._taken()
        except WitnessError:
            logger.error("%d requests are lost to the log", len(self._waiting))  # noqa: TRY400 - raised
            self.lost += len(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            raise
        await self._ledger.settle()

    def _turn(self, served: Served) -> RelayedTurn:
        selection, transfer, model = served.selection, served.transfer, served.model
        metadata, usage = selection.selection_metadata, served.usage
        kept = None
        if transfer is not None:
            kept = transfer_record(served.id, served.tenant, model.id, transfer, served.started_at)
        inputs: str | None = None
        snapshots: dict[str, bytes] = {}
        if transfer is not None or model.quality >= self._teacher_quality:
            inputs, snapshots = self._inputs_of(selection)
        return RelayedTurn(
            served.id,
            served.tenant,
            model.id,
            selection.suitability_score,
            selection.alternative_models,
            self._requirement(selection.task_requirement),
            selection.selection_latency_ms,
            metadata.get("propensity", 1.0) if metadata else 1.0,
            self._rejected_by(selection) if selection.basis is not None else _NOBODY,
            inputs,
            snapshots,
            served.started_at,
            served.latency_ms,
            served.request,
            served.body,
            served.dialect,
            served.is_stream,
            served.is_whole,
            served.is_cached,
            0.0 if served.is_cached else served.cost_usd,
            served.served_model or None,
            self._version(model),
            kept,
            "" if kept is None or transfer is None else transfer.context,
            served.trace_id,
            served.key,
            None if usage is None else usage.input_tokens,
            None if usage is None else usage.output_tokens,
            self._dearest,
        )

    def _inputs_of(self, selection: ModelSelection) -> tuple[str | None, dict[str, bytes]]:
        """The digest of what it was made from; with bodies, where they may not be kept yet.

        Only what was handed over and what was extracted can be made again from it, so that other
        requests go without.
        """
        recorder = self._recorded_inputs
        if recorder is None:
            return None, {}
        table = getattr(selection.basis, "table", None) or self._selector.table
        now = time.monotonic()
        if table is self._table and now < self._inputs_until:
            if self._fresh is not None:  # those who name it come after the one that brought it
                recorder.kept(self._fresh)
                self._fresh = None
            return self._inputs, {}
        found = recorder.of(selection)
        self._table, self._inputs = table, found.sha256
        self._inputs_until = now + INPUTS_SECONDS
        self._fresh = found if found.bodies else None
        return found.sha256, dict(found.bodies)

    def _rejected_by(self, selection: ModelSelection) -> Mapping[str, str]:
        """Why others were not chosen; requests that ask for the same share what it is read from."""
        if selection.basis is not self._basis:
            self._basis, self._rejected = selection.basis, selection.rejected
        return self._rejected

    def _requirement(self, wanted: TaskRequirement) -> dict[str, Any]:
        key = (
            *wanted.required_capabilities,
            wanted.complexity,
            wanted.quality_threshold,
            wanted.cost_constraint,
            wanted.latency_constraint,
        )
        known = self._requirements.get(key)
        if known is None:
            if len(self._requirements) >= MOST_REQUIREMENTS:
                self._requirements.clear()
            known = self._requirements[key] = finite(wanted)
        return known

    def _version(self, model: ModelSpec) -> str:
        key = model.id, model.input_price, model.output_price
        known = self._versions.get(key)
        if known is None:
            known = self._versions[key] = model.price_version
        return known

    def _lose(self, why: str, *, error: Exception | None = None) -> None:
        self.lost += 1
        self._table = self._fresh = None  # what was lost may have brought the inputs of the others
        if self.lost & (self.lost - 1) == 0:  # the 1st, 2nd, 4th, 8th …: loud, and no flood
            logger.error(
                "%s; %d requests are lost to the log so far", why, self.lost, exc_info=error
            )

    def _wait(self, body: bytes) -> None:
        if self._waiting_bytes + len(body) > self._most_waiting:
            self._lose("there is no room for records that cannot be handed over")
            return
        self._waiting.append(body)
        self._waiting_bytes += len(body)
        if self._retry is None:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(RETRY_SECONDS, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        try:
            while self._waiting:
                self._append(self._waiting[0])
                self._taken()
        except WitnessError:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(RETRY_SECONDS, self._try_again)
        else:
            logger.warning("records that waited in memory are handed over")

    def _taken(self) -> None:
        self._waiting_bytes -= len(self._waiting.popleft())
        self.recorded += 1
