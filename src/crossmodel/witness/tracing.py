"""The caller's trace: W3C Trace Context, and the span that OpenTelemetry has open here.

OpenTelemetry is never imported from here: where nobody else in the process has done so, there is
no span, and to find that out costs one look into a dictionary.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final

from crossmodel.domain.answer import ANSWER_ATTRIBUTE, TRACE_ID

_TRACEPARENT: Final = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace_id>[0-9a-f]{32})-(?P<parent_id>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?",
    re.ASCII | re.DOTALL,
)
_FIRST_VERSION: Final = "00"
_SAMPLED: Final = 1


def trace_id_of(traceparent: str) -> str | None:
    """The trace's id in a ``traceparent`` header; ``None`` if the header is to be ignored.

    As W3C Trace Context (section 3.2.2) has it: of versions to come only the known beginning
    counts; version ff, ids of zeros, and upper case are invalid.
    """
    found = _read(traceparent)
    return None if found is None else found["trace_id"]


def parent_id_of(traceparent: str) -> str | None:
    """The caller's span in a ``traceparent`` header, if the caller records the trace itself.

    That is what the flag ``sampled`` says (W3C Trace Context, 3.2.2.5.1).
    """
    found = _read(traceparent)
    return found["parent_id"] if found is not None and int(found["flags"], 16) & _SAMPLED else None


def _read(traceparent: str) -> re.Match[str] | None:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or not TRACE_ID.fullmatch(found["trace_id"]):
        return None
    if found["more"] is not None and found["version"] == _FIRST_VERSION:
        return None
    return found


def current_trace_id() -> str | None:
    """The id of the trace whose span is open here, if OpenTelemetry is in use and has one."""
    span = _current_span()
    if span is None:
        return None
    context = span.get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def note_answer(answer_id: str) -> None:
    """Write an answer's id on the span that is open here, if there is one."""
    span = _current_span()
    if span is not None:
        span.set_attribute(ANSWER_ATTRIBUTE, answer_id)  # does nothing where nobody records


def _current_span() -> Any | None:
    opentelemetry = sys.modules.get("opentelemetry.trace")
    # while it is being imported by another thread it may not be whole yet
    current = getattr(opentelemetry, "get_current_span", None)
    return None if current is None else current()
