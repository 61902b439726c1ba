"""What an answer cost, read from bodies that pass by."""

from __future__ import annotations

from typing import Final

import msgspec

from crossmodel.wire.dialect import Dialect

MOST_TOKENS: Final = 10**12
"""More than any call has: whoever counts more miscounts, and has stated nothing."""


class TokenUsage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one call, as the provider counted them.

    Attributes:
        input_tokens: all tokens of the prompt, those from a cache and those written to it included.
        output_tokens: all tokens of the answer, those of reasoning included.
        cache_read_tokens: of the input, those that a cache held.
        cache_write_tokens: of the input, those that were put into a cache.
        reasoning_tokens: of the output, those that the client does not see.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    thinking_tokens: int | None = None


class RawUsage(msgspec.Struct):
    """The usage objects of all dialects in one: their field names do not collide."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None

    def updated(self, newer: RawUsage) -> RawUsage:
        """Both together: a count of ``newer`` replaces ours, since counts of streams are totals."""
        values = (
            old if new is None else new
            for old, new in zip(
                msgspec.structs.astuple(self), msgspec.structs.astuple(newer), strict=True
            )
        )
        return RawUsage(*values)

    def read(self, dialect: Dialect) -> TokenUsage | None:
        """In our terms; ``None`` if nothing is stated. A count that is negative is taken for 0."""
        prompt, answer = self.prompt_tokens_details, self.completion_tokens_details
        if dialect is Dialect.CHAT:
            read, written = self.prompt_tokens, self.completion_tokens
        else:
            read, written = self.input_tokens, self.output_tokens
        if read is None and written is None:
            return None
        read, written = read or 0, written or 0
        if read > MOST_TOKENS or written > MOST_TOKENS:
            return None
        if dialect is Dialect.CHAT and prompt is answer is None:  # the usual case at a glance
            return TokenUsage(max(0, read), max(0, written))
        if dialect is Dialect.MESSAGES:
            cached = _count(self.cache_read_input_tokens)
            stored = _count(self.cache_creation_input_tokens)
            details = self.output_tokens_details or _NO_DETAILS
            return TokenUsage(
                _count(read) + cached + stored,
                _count(written),
                cached,
                stored,
                _count(details.thinking_tokens),
            )
        if dialect is not Dialect.CHAT:
            prompt, answer = self.input_tokens_details, self.output_tokens_details
        prompt = prompt or _NO_DETAILS
        return TokenUsage(
            _count(read),
            _count(written),
            _count(prompt.cached_tokens),
            _count(prompt.cache_write_tokens),
            _count((answer or _NO_DETAILS).reasoning_tokens),
        )


_NO_DETAILS = _Details()


def _count(value: int | None) -> int:
    return value if value is not None and 0 < value <= MOST_TOKENS else 0
