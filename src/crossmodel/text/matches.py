"""Where an expression matches."""

from __future__ import annotations

import re
import sys
from collections import deque


def last_match(
    pattern: re.Pattern[str], text: str, start: int = 0, end: int = sys.maxsize
) -> re.Match[str] | None:
    """The last of the matches that ``pattern.finditer`` gives within ``start:end``, if any."""
    matches = deque(pattern.finditer(text, start, end), maxlen=1)
    return matches[0] if matches else None
