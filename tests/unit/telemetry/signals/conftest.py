"""What tests of telemetry share."""

from datetime import UTC, datetime, timedelta

import pytest

from crossmodel.domain.events import (
    ExtractionEvent,
    RequestEvent,
    SelectionEvent,
    TransferEvent,
)

BEGAN = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def request_event():
    """A request that went through every stage, with changes."""

    def make(**changes):
        def after(milliseconds):
            return BEGAN + timedelta(milliseconds=milliseconds)

        given = {
            "request_id": "req_1", "tenant": "acme", "model_id": "cheap", "provider": "row",
            "started_at": BEGAN, "latency_ms": 500.0, "served_model": "cheap-2026",
            "input_tokens": 120, "output_tokens": 30, "cost_usd": 0.25,
            "selection": SelectionEvent(
                tenant="acme", model_id="cheap", latency_ms=0.02, suitability_score=0.8,
                alternatives=2, algorithm="weighted", at=after(0),
            ),
            "transfer": TransferEvent(
                tenant="acme", target_model="cheap", success=True, latency_ms=12.0, insights=3,
                quality_score=0.9, tokens=90, arm="insights", protocol="exemplar", at=after(12),
            ),
            "extraction": ExtractionEvent(
                tenant="acme", source_model="cheap", latency_ms=4.0, insights=2, at=after(500),
            ),
        }  # fmt: skip
        return RequestEvent(**(given | changes))

    return make
