"""Which request the code that runs here works for, so that every line of the log can say it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RequestScope:
    """One request under way.

    Attributes:
        request_id: what feedback, traces and proofs refer to.
        tenant: whose it is.
        trace_id: the caller's trace, 32 hex digits (W3C Trace Context), if there is one.
    """

    request_id: str
    tenant: str
    trace_id: str | None = None


_SCOPE: Final[ContextVar[RequestScope | None]] = ContextVar("crossmodel_request", default=None)


def current_scope() -> RequestScope | None:
    """The request that this task, or this thread of it, works for; ``None`` outside of one."""
    return _SCOPE.get()


@contextmanager
def within(scope: RequestScope) -> Iterator[None]:
    """Work for a request; tasks and threads that are started meanwhile do so as well."""
    token = _SCOPE.set(scope)
    try:
        yield
    finally:
        _SCOPE.reset(token)
