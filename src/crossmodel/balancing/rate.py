"""How often something may happen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So much per second on average, and so much at once.

    Attributes:
        per_second: units (requests, tokens) per second; finite and more than 0.
        burst: units that may be asked for at once after a pause; finite and more than 0. A single
            cost above it is never allowed.

    Raises:
        InvalidInputError: a value is out of range.
    """

    per_second: float
    burst: float = 1.0

    def __post_init__(self) -> None:
        for name in ("per_second", "burst"):
            value: float = getattr(self, name)
            # 1 / per_second must be a number too, which it is not for the least of floats
            if math.isinf(checks.limit(name, value)) or math.isinf(1.0 / value):
                raise InvalidInputError(f"{name} must be finite, and not as near to 0 as {value}")


Place = tuple[str, str]
"""A key's name, and ``requests`` or ``tokens``."""


class Units(NamedTuple):
    """What a call takes of one of its key's rates."""

    place: Place
    cost: float
    limit: RateLimit
