"""Usage in both dialects' shapes.

Chat counts tokens of a cache within the prompt, Messages beside it; the sums agree.
"""

from __future__ import annotations

from typing import Any

import msgspec

from crossmodel.gateway.translation.reading import Json
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.usage import RawUsage, TokenUsage


def raw_usage(usage: object) -> RawUsage | None:
    """A usage object of either dialect; ``None`` if it is absent or cannot be read."""
    if usage is None:
        return None
    try:
        return msgspec.convert(usage, RawUsage)
    except msgspec.ValidationError:
        return None


def chat_usage(usage: object) -> Json:
    """The usage object of Messages, or one read already, as chat's."""
    counted = _counted(usage, Dialect.MESSAGES)
    made: dict[str, Any] = {
        "prompt_tokens": counted.input_tokens,
        "completion_tokens": counted.output_tokens,
        "total_tokens": counted.input_tokens + counted.output_tokens,
        "prompt_tokens_details": {"cached_tokens": counted.cache_read_tokens},
    }
    if counted.cache_write_tokens:
        made["prompt_tokens_details"]["cache_write_tokens"] = counted.cache_write_tokens
    if counted.reasoning_tokens:
        made["completion_tokens_details"] = {"reasoning_tokens": counted.reasoning_tokens}
    return made


def messages_usage(usage: object) -> Json:
    """The usage object of chat, or one read already, as Messages'."""
    counted = _counted(usage, Dialect.CHAT)
    read = min(counted.cache_read_tokens, counted.input_tokens)
    written = min(counted.cache_write_tokens, counted.input_tokens - read)
    made: dict[str, Any] = {
        "input_tokens": counted.input_tokens - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": counted.output_tokens,
    }
    if counted.reasoning_tokens:
        made["output_tokens_details"] = {"thinking_tokens": counted.reasoning_tokens}
    return made


def _counted(usage: object, dialect: Dialect) -> TokenUsage:
    raw = usage if isinstance(usage, RawUsage) else raw_usage(usage)
    return (raw and raw.read(dialect)) or TokenUsage()
