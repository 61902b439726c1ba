"""What the control plane asks of the running gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from crossmodel.balancing import CircuitState
from crossmodel.domain.models import ModelSpec


@dataclass(frozen=True, slots=True)
class EndpointState:
    """One address that serves a model, as it is now.

    Attributes:
        id: what the endpoint is called, such as its base URL without credentials.
        circuit: whether requests pass.
        is_healthy: what active checks found last; true before the first.
        in_flight: requests sent and not yet over.
        latency_ms: moving average of the time to the first byte; ``None`` before the first answer.
        ready_in_seconds: when it may be asked again; 0 for now, infinite while a probe is out.
        requests: how many were sent to it.
        successes: how many it answered.
        failures: how many failed.
        cancelled: how many the caller gave up.
    """

    id: str
    circuit: CircuitState = CircuitState.CLOSED
    is_healthy: bool = True
    in_flight: int = 0
    latency_ms: float | None = None
    ready_in_seconds: float = 0.0
    requests: int = 0
    successes: int = 0
    failures: int = 0
    cancelled: int = 0


@dataclass(frozen=True, slots=True)
class ModelState:
    """A configured model: its row as it counts now, and the endpoints that serve it."""

    spec: ModelSpec
    endpoints: Sequence[EndpointState]
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class ModelChange:
    """What is to be changed of a model; ``None`` leaves a value as it is.

    Attributes:
        quality: overall quality, 0..1.
        capabilities: scores of the capabilities that change, 0..1; the others stay.
        input_price: USD per million input tokens.
        output_price: USD per million output tokens.
        is_enabled: whether it may be asked.
    """

    quality: float | None = None
    capabilities: Mapping[str, float] = field(default_factory=dict)
    input_price: float | None = None
    output_price: float | None = None
    is_enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What parts of the gateway have counted since it started, as it is now.

    Attributes:
        in_flight: requests of clients that are not yet over.
        records_handed_over: requests that were given to the record.
        records_waiting: requests that wait in memory to be given to it.
        records_lost: requests that the record could not take.
        answers_learned: answers that were read for insights.
        answers_waiting: answers that wait to be read.
        insights_dropped: answers that were not read, since too many waited.
        answers_failed: answers that could not be read.
        insights_extracted: insights found in answers.
        transfers_late: requests that went without insights, since those took too long.
        transfers_failed: requests that went without insights, since something failed.
        events_dropped: requests that hooks were not told of, since too many waited.
        hook_failures: events that hooks have lost by failing.
    """

    in_flight: int = 0
    records_handed_over: int = 0
    records_waiting: int = 0
    records_lost: int = 0
    answers_learned: int = 0
    answers_waiting: int = 0
    insights_dropped: int = 0
    answers_failed: int = 0
    insights_extracted: int = 0
    transfers_late: int = 0
    transfers_failed: int = 0
    events_dropped: int = 0
    hook_failures: int = 0


class Operations(Protocol):
    """The running gateway. Called from its event loop; what is not async must not wait."""

    def models(self) -> Sequence[ModelState]:
        """The models in their configured order, as they are now."""
        ...

    def counts(self) -> Counts:
        """What its parts have counted."""
        ...

    def change_model(self, model_id: str, change: ModelChange) -> ModelState:
        """Change a model until the settings are read again or the process ends.

        Raises:
            ModelNotFoundError: if there is no such model.
            InvalidInputError: if a value is out of range; then nothing has changed.
        """
        ...

    async def reload(self) -> Sequence[str]:
        """Read the settings file again; returns what has changed, a phrase each, for people.

        Raises:
            ConfigurationError: if the file cannot be used; then nothing has changed.
        """
        ...

    def drain(self) -> None:
        """Take no new requests, and end once those in flight are over; again is no error."""
        ...

    @property
    def is_draining(self) -> bool:
        """Whether :meth:`drain` was called."""
        ...

    @property
    def in_flight(self) -> int:
        """Requests of clients that are not yet over."""
        ...
