"""What is known of a request once it is over: what accounting, the log and learning get of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from crossmodel.domain.models import ModelSpec
from crossmodel.domain.selection import ModelSelection
from crossmodel.domain.transfer import TransferResult
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.usage import TokenUsage


class Served(msgspec.Struct):
    """One request and its answer. ``dialect`` is the one that ``request`` and ``body`` are in.

    Attributes:
        id: what feedback, traces and proofs refer to: ``req_…``.
        tenant: whose request it was.
        key: the name of the client key that is charged; ``None`` where none is needed.
        path: what was asked for, such as ``/v1/chat/completions``.
        dialect: what the client speaks; ``None`` for paths without a conversation (embeddings).
        request: the body as the client sent it.
        selection: why this model.
        model: who was asked last.
        started_at: when the request was whole, UTC.
        latency_ms: from there to the end of the answer.
        status: the HTTP status that the client got; 499 if the client left before the answer was
            whole, 502 if the provider's answer broke off after it had begun.
        body: the answer as the client got it: whole, or all bytes of the stream, or what there was
            of it. Longer answers are cut at the gateway's limit.
        is_stream: whether ``body`` is a stream of events.
        is_whole: whether the answer came to its proper end, with a status below 400.
        served_model: who answered, as the provider says; empty if it does not.
        usage: what the provider counted; ``None`` if it did not say.
        cost_usd: what the call is charged with.
        transfer: which insights were put into the request, or withheld.
        trace_id: the caller's trace, 32 hex digits (W3C Trace Context).
        is_cached: whether the answer came from the cache, so that no model was asked.
        parent_id: the caller's span in it, 16 hex digits, if the caller records it.
        first_byte_ms: from the whole request to the first byte of the answer; ``None`` if there was
            none.
    """

    id: str
    tenant: str
    key: str | None
    path: str
    dialect: Dialect | None
    request: bytes
    selection: ModelSelection
    model: ModelSpec
    started_at: datetime
    latency_ms: float = 0.0
    status: int = 0
    body: bytes = b""
    is_stream: bool = False
    is_whole: bool = False
    served_model: str = ""
    usage: TokenUsage | None = None
    cost_usd: float = 0.0
    transfer: TransferResult | None = None
    trace_id: str | None = None
    is_cached: bool = False
    parent_id: str | None = None
    first_byte_ms: float | None = None

    def __repr__(self) -> str:
        return f"<Served {self.id}: {self.path} by {self.model.id}, {self.status}>"
