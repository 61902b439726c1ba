"""Ids that sort by the time they were made in, so that an index over them grows at its end."""

from __future__ import annotations

import secrets
import time


def time_ordered_id(prefix: str) -> str:
    """``prefix`` and 32 hex digits: 48 bits of milliseconds since 1970, then 80 random bits.

    The layout is that of UUID version 7 (RFC 9562, 5.7) without its version and variant bits.
    """
    return f"{prefix}{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
