"""What was served is told to hooks: later, in a thread, and not more of it than can be borne.

On the request path a few fields are copied into a queue. Making records and spans of them takes
a hundred times as long; a thread does it, one request at a time with a pause after each, so that
requests never wait for it longer than for one.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from datetime import datetime, timedelta
from typing import Final

from crossmodel.domain.events import RequestEvent, SelectionEvent, TransferEvent
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.selection import ModelSelection
from crossmodel.domain.transfer import TransferResult
from crossmodel.gateway.served import Served
from crossmodel.hooks import Hooks
from crossmodel.telemetry.conventions import BEGINNING_OF_ERRORS, operation_of
from crossmodel.wire.usage import TokenUsage

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 1_000
"""Requests that may wait to be told; those beyond are counted and left out."""

PAUSE_SECONDS: Final = 0.001
"""After each request, so that no more than some 900 are told in a second."""

LOOK_SECONDS: Final = 0.1
"""How often the thread looks whether there are any."""

CLOSING_SECONDS: Final = 2.0
"""How long it may go on with what waits when the gateway ends."""

_HALF: Final = 1 << 64

Kept = tuple[
    str, str, str, ModelSelection, ModelSpec, datetime, float, int, bool, str, TokenUsage | None,
    float, TransferResult | None, str | None, str | None, bool, float | None,
]  # fmt: skip
"""What is kept of a request: everything but what the client and the model wrote."""


class EventRelay:
    """Tells hooks of the requests of one gateway.

    Args:
        hooks: who is told.
        sampling: the share of requests that are told, 0..1; those whose caller traces them all are.

    Attributes:
        dropped: requests that should have been told, and for which there was no room.
    """

    __slots__ = ("_closing", "_hooks", "_sampling", "_thread", "_waiting", "dropped")

    def __init__(self, hooks: Hooks, *, sampling: float = 1.0) -> None:
        self.dropped = 0
        self._hooks = hooks
        self._sampling = sampling
        self._waiting: deque[Kept] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crossmodel-events", daemon=True)
        self._thread.start()

    def tell(self, served: Served) -> None:
        """Take note of a request that is over; from the gateway's event loop."""
        if (
            self._sampling < 1.0
            and served.parent_id is None
            and not self._is_chosen(served.trace_id)
        ):
            return
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(
            (
                served.id, served.tenant, served.path, served.selection, served.model,
                served.started_at, served.latency_ms, served.status, served.is_stream,
                served.served_model, served.usage, served.cost_usd, served.transfer,
                served.trace_id, served.parent_id, served.is_cached, served.first_byte_ms,
            )
        )  # fmt: skip

    def close(self) -> None:
        """Tell what waits, for a few seconds at most, and end. Again is no error."""
        self._closing.set()
        self._thread.join(CLOSING_SECONDS + 1)

    def _is_chosen(self, trace_id: str | None) -> bool:
        """By chance; for a trace always alike, as OpenTelemetry's samplers choose (by the id)."""
        if trace_id is None:
            return random.random() < self._sampling  # noqa: S311 - nobody gains by guessing it
        return int(trace_id[16:], 16) < self._sampling * _HALF

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            while self._waiting and not self._closing.is_set():
                self._tell_next()
                self._closing.wait(PAUSE_SECONDS)
        for _ in range(round(CLOSING_SECONDS / PAUSE_SECONDS)):
            if not self._waiting:
                return
            self._tell_next()
        self.dropped += len(self._waiting)

    def _tell_next(self) -> None:
        kept = self._waiting.popleft()
        try:
            event = event_of(kept)
        except Exception:
            self.dropped += 1
            logger.exception("a request could not be told", extra={"request_id": kept[0]})
            return
        if event.selection is not None:
            self._hooks(event.selection)
        self._hooks(event)


def event_of(kept: Kept) -> RequestEvent:
    """What there is to tell of a request."""
    (
        request_id, tenant, path, selection, model, started_at, latency_ms, status, is_stream,
        served_model, usage, cost_usd, transfer, trace_id, parent_id, is_cached, first_byte_ms,
    ) = kept  # fmt: skip
    handed_over = None
    if transfer is not None:
        done_at = started_at + timedelta(milliseconds=min(transfer.latency_ms, latency_ms))
        handed_over = TransferEvent.of(transfer, tenant, model.id, request_id, done_at)
    return RequestEvent(
        request_id=request_id,
        tenant=tenant,
        model_id=model.id,
        provider=model.provider,
        operation=operation_of(path),
        started_at=started_at,
        latency_ms=latency_ms,
        error=str(status) if status >= BEGINNING_OF_ERRORS else "",
        served_model=served_model,
        input_tokens=usage.input_tokens if usage is not None else None,
        output_tokens=usage.output_tokens if usage is not None else None,
        cost_usd=cost_usd,
        first_byte_ms=first_byte_ms,
        route=path,
        status=status,
        is_stream=is_stream,
        is_cached=is_cached,
        trace_id=trace_id,
        parent_id=parent_id,
        selection=SelectionEvent.of(selection, tenant, request_id, started_at),
        transfer=handed_over,
    )
