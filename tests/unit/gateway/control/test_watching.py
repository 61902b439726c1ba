"""What counts as down for a gateway: whoever answers no probes, and whoever answers no requests."""

import pytest

from crossmodel.balancing import CircuitState
from crossmodel.domain.models import ModelSpec
from crossmodel.errors import ProviderConnectionError
from crossmodel.gateway.control.ports import EndpointState, ModelState
from crossmodel.gateway.control.watching import _with_state


def state(*circuits):
    endpoints = [EndpointState(str(n), circuit=each) for n, each in enumerate(circuits)]
    return ModelState(ModelSpec("m", "p"), endpoints)


OPEN, CLOSED, HALF = CircuitState.OPEN, CircuitState.CLOSED, CircuitState.HALF_OPEN


@pytest.mark.parametrize(("circuits", "is_down"), [
    ((), False), ((CLOSED,), False), ((OPEN,), True), ((OPEN, CLOSED), False), ((OPEN, HALF), False),
    ((OPEN, OPEN), True),
])  # fmt: skip
def test_a_model_all_of_whose_breakers_are_open_is_down(circuits, is_down):
    said = _with_state(state(*circuits), lambda: None)()
    assert (said == "requests to it fail: its circuit breaker is open") is is_down


def test_else_its_probe_says():
    def probe():
        raise ProviderConnectionError("ConnectError")

    with pytest.raises(ProviderConnectionError):
        _with_state(state(CLOSED), probe)()
