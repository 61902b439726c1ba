"""What OpenTelemetry's conventions for generative AI say of histograms and operations.

Bounds are those that the conventions advise, so that figures of different systems can be compared:
https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DURATION_BOUNDS_MS: Final = (
    10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 5120.0, 10240.0, 20480.0, 40960.0,
    81920.0,
)  # fmt: skip
"""Upper bounds in milliseconds, as OpenTelemetry has ``gen_ai.server.request.duration``."""

FIRST_BYTE_BOUNDS_MS: Final = (
    1.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0,
    7500.0, 10000.0,
)  # fmt: skip
"""Upper bounds in milliseconds, as OpenTelemetry has ``gen_ai.server.time_to_first_token``."""

TOKEN_BOUNDS: Final = tuple(4**power for power in range(14))
"""Upper bounds in tokens, as OpenTelemetry has ``gen_ai.client.token.usage``: 1, 4, … 67108864."""

STAGE_BOUNDS_MS: Final = (
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1000.0,
    5000.0,
)  # fmt: skip
"""Upper bounds in milliseconds for what happens here: selection takes microseconds, extraction
milliseconds."""

CHAT: Final = "chat"

OPERATIONS: Final[Mapping[str, str]] = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": CHAT,
    "/v1/responses": CHAT,
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}
"""``gen_ai.operation.name`` of each path."""

BEGINNING_OF_ERRORS: Final = 400
"""HTTP statuses from here on are errors (RFC 9110, 15.5)."""


def operation_of(route: str) -> str:
    """``gen_ai.operation.name`` of a path; the path itself where the conventions have no word."""
    return OPERATIONS.get(route, route)


def seconds(bounds_ms: tuple[float, ...]) -> list[float]:
    """The same bounds in seconds, which is what both monitoring systems want."""
    return [bound / 1000 for bound in bounds_ms]
