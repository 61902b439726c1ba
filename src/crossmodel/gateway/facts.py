"""What a whole answer says of itself: who gave it, and how many tokens it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from crossmodel.wire.dialect import Dialect
from crossmodel.wire.usage import RawUsage, TokenUsage


class _Answer(msgspec.Struct):
    usage: RawUsage | None = None
    model: str | None = None


class _Error(msgspec.Struct):
    error: Any = None


_error: Final = msgspec.json.Decoder(_Error).decode
_answer: Final = msgspec.json.Decoder(_Answer, strict=False).decode


@dataclass(slots=True, eq=False)
class Facts:
    """What a whole answer says of itself."""

    usage: TokenUsage | None = None
    model: str = ""


NO_FACTS: Final = Facts()


def facts_of(body: bytes, dialect: Dialect) -> Facts | None:
    """What an answer says of itself; ``None`` if it is no JSON at all."""
    try:
        read = _answer(body)
    except msgspec.ValidationError:
        return NO_FACTS  # JSON, but not as we know it
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    usage = None if read.usage is None else read.usage.read(dialect)
    return Facts(usage, read.model or "")


def is_error(body: bytes) -> bool:
    """Whether an answer, whatever its status, tells of an error."""
    try:
        return _error(body).error is not None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
