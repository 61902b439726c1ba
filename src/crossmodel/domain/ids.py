"""Ids that sort by the time they were made in, so that an index over them grows at its end."""

from __future__ import annotations

import os
import secrets
import time
from typing import Final

DRAWN_AT_ONCE: Final = 512
RANDOM_BYTES: Final = 10

_drawn: Final[list[str]] = []
"""Random digits for the next ids: drawing many at once costs little more than drawing one."""

if hasattr(os, "register_at_fork"):  # else two processes would make the same ids
    os.register_at_fork(after_in_child=_drawn.clear)


def time_ordered_id(prefix: str) -> str:
    """``prefix`` and 32 hex digits: 48 bits of milliseconds since 1970, then 80 random bits.

    The layout is that of UUID version 7 (RFC 9562, 5.7) without its version and variant bits.
    """
    try:
        digits = _drawn.pop()
    except IndexError:
        digits = _draw()
    return f"{prefix}{time.time_ns() // 1_000_000:012x}{digits}"


def _draw() -> str:
    digits = secrets.token_hex(DRAWN_AT_ONCE * RANDOM_BYTES)
    width = 2 * RANDOM_BYTES
    first, *others = (digits[at : at + width] for at in range(0, len(digits), width))
    _drawn.extend(others)
    return first
