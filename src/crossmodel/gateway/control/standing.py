"""How things stand, as gauges: endpoints, budgets, the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from crossmodel.balancing import CircuitState
from crossmodel.domain.witness import LogStanding
from crossmodel.gateway.control.ports import ModelState
from crossmodel.selection import Standing

OUTCOMES: Final = ("successes", "failures", "cancelled")


def endpoints(models: Sequence[ModelState]) -> Iterator[Metric]:
    """The addresses that serve models. Both are the operator's own, and few."""
    labels = ("gen_ai_request_model", "endpoint")
    in_flight = GaugeMetricFamily(
        "crossmodel_endpoint_requests_in_flight", "Sent and not yet over.", labels=labels
    )
    healthy = GaugeMetricFamily(
        "crossmodel_endpoint_healthy", "1 if active checks found it so.", labels=labels
    )
    circuit = GaugeMetricFamily(
        "crossmodel_endpoint_circuit", "1 for the state that it is in.", labels=(*labels, "state")
    )
    calls = CounterMetricFamily(
        "crossmodel_endpoint_calls", "Calls that are over.", labels=(*labels, "outcome")
    )
    enabled = GaugeMetricFamily(
        "crossmodel_model_enabled", "1 if the model may be asked.", labels=labels[:1]
    )
    for model in models:
        enabled.add_metric((model.spec.id,), model.is_enabled)
        for endpoint in model.endpoints:
            where = model.spec.id, endpoint.id
            in_flight.add_metric(where, endpoint.in_flight)
            healthy.add_metric(where, endpoint.is_healthy)
            for outcome in OUTCOMES:
                calls.add_metric((*where, outcome), getattr(endpoint, outcome))
            for state in CircuitState:
                circuit.add_metric((*where, state.value), endpoint.circuit is state)
    yield from (in_flight, healthy, circuit, calls, enabled)


def budgets(standings: Sequence[Standing], left_out: int) -> Iterator[Metric]:
    """What is committed of budgets, in their current period."""
    labels = ("scope", "owner", "budget")
    limit = GaugeMetricFamily("crossmodel_budget_limit_usd", "What may be spent.", labels=labels)
    committed = GaugeMetricFamily(
        "crossmodel_budget_committed_usd", "What is spent or set aside.", labels=labels
    )
    for each in standings:
        whose = each.scope or "everyone", each.owner, each.budget
        limit.add_metric(whose, each.limit)
        committed.add_metric(whose, each.committed)
    yield limit
    yield committed
    yield GaugeMetricFamily(
        "crossmodel_budgets_left_out", "Budgets not shown: too many are fuller.", left_out
    )


def log(standing: LogStanding, now: float) -> Iterator[Metric]:
    """The signed log. ``now`` is in seconds since 1970."""
    figures = (
        ("records", "Records of the log.", standing.records),
        ("signed_records", "Records that a checkpoint covers.", standing.signed_records),
        (
            "checkpoint_age_seconds",
            "Age of the newest record that a checkpoint covers.",
            _age(standing.newest_signed_at, now),
        ),
        (
            "unsigned_seconds",
            "How long the oldest record waits that no checkpoint covers; 0 if there is none.",
            _age(standing.oldest_unsigned_at, now),
        ),
        (
            "unwritten_bytes",
            "What was handed to the log's writer and is not in the store yet.",
            standing.unwritten_bytes,
        ),
    )
    for name, documentation, value in figures:
        yield GaugeMetricFamily(f"crossmodel_log_{name}", documentation, value)


def _age(moment: datetime | None, now: float) -> float:
    return max(0.0, now - moment.timestamp()) if moment is not None else 0.0
