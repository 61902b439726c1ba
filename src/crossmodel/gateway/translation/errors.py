"""Error bodies in both dialects' shapes, with the type that belongs to the HTTP status."""

from __future__ import annotations

from typing import Final

import msgspec

from crossmodel.errors import SERVER_ERROR
from crossmodel.wire.dialect import Dialect

OVERLOADED: Final = 529
"""Anthropic's own status for a server with too much to do; others say 503."""

_UNAVAILABLE: Final = 503
_MAX_MESSAGE: Final = 2000

_MESSAGES_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_CHAT_TYPES: Final = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_CHAT_CODES: Final = {
    401: "invalid_api_key",
    402: "insufficient_quota",
    429: "rate_limit_exceeded",
}


def error_body(
    status: int,
    message: str,
    dialect: Dialect,
    *,
    code: str | None = None,
    param: str | None = None,
) -> bytes:
    """An error as clients of the dialect expect it.

    Args:
        status: the HTTP status that goes with it; it decides the type.
        message: what was wrong, for people.
        dialect: the client's.
        code: for programs, where the dialect has a place for it (not Messages); by the status if
            ``None``.
        param: the field at fault, likewise.
    """
    if dialect is Dialect.MESSAGES:
        error: dict[str, str | None] = {
            "type": _type(status, _MESSAGES_TYPES, "api_error"),
            "message": message,
        }
        return msgspec.json.encode({"type": "error", "error": error})
    error = {
        "message": message,
        "type": _type(status, _CHAT_TYPES, "server_error"),
        "param": param,
        "code": code or _CHAT_CODES.get(status),
    }
    return msgspec.json.encode({"error": error})


def translate_error(status: int, body: bytes, to: Dialect) -> bytes:
    """A provider's error body, of whatever dialect or none, as one of dialect ``to``."""
    message, code, param = _read(body)
    return error_body(
        status, message or f"the provider answered {status} and did not say why", to,
        code=code, param=param,
    )  # fmt: skip


def error_status(status: int, to: Dialect) -> int:
    """The HTTP status to send with it: 529 is known to Anthropic's clients alone."""
    return _UNAVAILABLE if status == OVERLOADED and to is not Dialect.MESSAGES else status


def error_message(error: object) -> str:
    """What an error event or body says for people; empty if that cannot be found in it."""
    inner = error.get("error", error) if isinstance(error, dict) else error
    said = inner.get("message") if isinstance(inner, dict) else inner
    return _clean(said) if isinstance(said, str) else ""


def _read(body: bytes) -> tuple[str, str | None, str | None]:
    try:
        read = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return "", None, None
    inner = read.get("error") if isinstance(read, dict) else None
    code = inner.get("code") if isinstance(inner, dict) else None
    param = inner.get("param") if isinstance(inner, dict) else None
    return (
        error_message(read),
        code if isinstance(code, str) else None,
        param if isinstance(param, str) else None,
    )


def _clean(message: str) -> str:
    """Text that can be written as JSON again, and of a length that a log can bear."""
    return message[:_MAX_MESSAGE].encode("utf-8", "replace").decode()


def _type(status: int, known: dict[int, str], otherwise: str) -> str:
    return known.get(status) or (otherwise if status >= SERVER_ERROR else "invalid_request_error")
