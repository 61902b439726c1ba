import pytest

from crossmodel.gateway.facts import facts_of
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.usage import TokenUsage


@pytest.mark.parametrize(
    ("dialect", "body", "usage"),
    [
        (
            Dialect.CHAT,
            b'{"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}',
            TokenUsage(10, 5, cache_read_tokens=4, reasoning_tokens=2),
        ),
        (
            Dialect.MESSAGES,
            b'{"usage":{"input_tokens":10,"output_tokens":5,"cache_creation_input_tokens":3,"cache_read_input_tokens":4,"output_tokens_details":{"thinking_tokens":2}}}',
            TokenUsage(17, 5, cache_read_tokens=4, cache_write_tokens=3, reasoning_tokens=2),
        ),
        (
            Dialect.RESPONSES,
            b'{"usage":{"input_tokens":10,"output_tokens":5,"input_tokens_details":{"cached_tokens":4},"output_tokens_details":{"reasoning_tokens":2}}}',
            TokenUsage(10, 5, cache_read_tokens=4, reasoning_tokens=2),
        ),
        (Dialect.CHAT, b'{"usage":{"prompt_tokens":10,"total_tokens":10}}', TokenUsage(10)),  # embeddings
        (Dialect.CHAT, b'{"usage":{"prompt_tokens":-1,"completion_tokens":null}}', TokenUsage()),
        (Dialect.CHAT, b'{"usage":{"prompt_tokens":7.0,"completion_tokens":"5"}}', TokenUsage(7, 5)),
        (Dialect.CHAT, b'{"usage":{"total_tokens":5}}', None),
        (Dialect.CHAT, b'{"usage":{"input_tokens":5}}', None),
        (Dialect.MESSAGES, b'{"usage":{}}', None),
        (Dialect.RESPONSES, b'{"usage":{"output_tokens":0}}', TokenUsage()),
        (Dialect.CHAT, b'{"usage":{"completion_tokens":1000000000001}}', None),
        (Dialect.CHAT, b'{"usage":{"prompt_tokens":1' + b"0" * 400 + b"}}", None),
        (Dialect.CHAT, b'{"usage":null}', None),
        (Dialect.CHAT, b"{}", None),
        (Dialect.CHAT, b'{"usage":{"prompt_tokens":"many"}}', None),
        (Dialect.CHAT, b"<html>", None),
        (Dialect.CHAT, b'{"x":"\xff"}', None),
        (Dialect.CHAT, b"[" * 100_000, None),
        (Dialect.CHAT, b"", None),
    ],
)  # fmt: skip
def test_usage_of_whole_answers(dialect, body, usage):
    facts = facts_of(body, dialect)
    assert (None if facts is None else facts.usage) == usage
