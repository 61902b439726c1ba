"""What clients are told: headers of answers, and errors in their own dialect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from crossmodel.errors import (
    CrossModelError,
    InvalidInputError,
    ModelNotFoundError,
    NoAvailableModelsError,
    NotFoundError,
)
from crossmodel.gateway.cache import CachedAnswer
from crossmodel.gateway.hiding import redacted
from crossmodel.gateway.http1 import HOP_BY_HOP, Header, nominated
from crossmodel.gateway.served import Served
from crossmodel.gateway.targets import Target, header_text
from crossmodel.gateway.translation.errors import error_body
from crossmodel.gateway.upstream import ResponseHead
from crossmodel.gateway.wishes import PREFIX
from crossmodel.wire.dialect import Dialect

JSON: Final = b"content-type: application/json\r\n"

KEPT_BACK: Final = HOP_BY_HOP | {b"content-length", b"set-cookie", b"alt-svc", b"clear-site-data"}
"""Headers of a provider's answer that are between it and us."""

LEFT: Final = 499
"""The status in records of requests whose clients did not wait (nginx's word for it)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of our own that says why there is none of a model's.

    Attributes:
        status: the HTTP status.
        message: what was wrong, for people.
        code: for programs.
        retry_after: in how many seconds it may go better.
        should_retry: what clients' own retries are told, where the status leaves it open.
    """

    status: int
    message: str
    code: str | None = None
    retry_after: float | None = None
    should_retry: bool | None = None

    def lines(self) -> bytes:
        """Its headers."""
        lines = JSON
        if self.retry_after is not None and math.isfinite(self.retry_after):
            lines += b"retry-after: %d\r\n" % max(1, math.ceil(self.retry_after))
        if self.should_retry is not None:
            lines += b"x-should-retry: %b\r\n" % (b"true" if self.should_retry else b"false")
        return lines

    def body(self, dialect: Dialect) -> bytes:
        """Its body, as clients of the dialect expect it."""
        return error_body(self.status, self.message, dialect, code=self.code)


def refusal_of(error: CrossModelError) -> Refusal:
    """What to answer where something was refused for a reason that may be told."""
    if isinstance(error, ModelNotFoundError):
        return Refusal(404, str(error), code="model_not_found")
    if isinstance(error, NotFoundError):
        return Refusal(404, str(error))
    if isinstance(error, NoAvailableModelsError):
        return Refusal(400, str(error), code="no_available_model")
    if isinstance(error, InvalidInputError):
        return Refusal(400, str(error))
    return Refusal(500, "the gateway could not handle this request", should_retry=False)


def relayed_lines(headers: list[Header], secret: bytes) -> bytes:
    """A provider's headers as they go on to the client."""
    dropped = KEPT_BACK
    for name, value in headers:
        if name == b"connection" and value != b"keep-alive":
            dropped = dropped | nominated(headers)
    lines = b"".join(
        [
            b"%b: %b\r\n" % header
            for header in headers
            if header[0] not in dropped and not header[0].startswith(PREFIX)
        ]
    )
    return redacted(lines, secret)


def answer_lines(head: ResponseHead, target: Target, served: Served, reason: bytes) -> bytes:
    """The headers of a model's answer: the provider's own, who was chosen, why, and the record."""
    name = served.id.encode()
    lines = (
        b"%bx-crossmodel-request-id: %b\r\nx-crossmodel-witness: %b\r\n%b"
        b"x-crossmodel-selection: %b\r\n"
        % (relayed_lines(head.headers, target.secret), name, name, target.lines, reason)
    )
    transfer = served.transfer
    if transfer is not None and transfer.success:
        lines += b"x-crossmodel-insights: %d\r\n" % len(transfer.transferred_insights)
    return lines


def cached_lines(request_id: str, found: CachedAnswer) -> bytes:
    """The headers of an answer that is given again."""
    name = request_id.encode()
    return (
        b"content-type: %b\r\nx-crossmodel-request-id: %b\r\nx-crossmodel-witness: %b\r\n"
        b"x-crossmodel-cache: hit\r\nx-crossmodel-model: %b\r\n"
        % (found.content_type, name, name, header_text(found.model.id))
    )


def id_line(request_id: str) -> bytes:
    """The header that names a request's record."""
    return b"x-crossmodel-request-id: %b\r\n" % request_id.encode()


def is_json(head: ResponseHead) -> bool:
    """Whether a response says that it is JSON."""
    return head.kind[:16].lower() == b"application/json"
