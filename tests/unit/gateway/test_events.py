import threading
import time

import pytest

from crossmodel.domain.events import RequestEvent, SelectionEvent
from crossmodel.domain.insight import Insight
from crossmodel.domain.transfer import TransferResult
from crossmodel.gateway.events import MOST_WAITING, EventRelay
from crossmodel.hooks import Hooks
from crossmodel.wire.usage import TokenUsage

TRACE_LOW = "0" * 31 + "1"
TRACE_HIGH = "f" * 32


@pytest.fixture
def relay():
    """Makes relays, and ends them."""
    made = []

    def make(hook, **options):
        made.append(EventRelay(Hooks(hook), **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_request_is_told_in_another_thread_without_anybodys_text(served, relay):
    told = []

    def hook(event):
        told.append((threading.current_thread().name, event))

    transfer = TransferResult(True, [Insight("a")], 0.8, context="secret text", latency_ms=3.0)
    events = relay(hook)
    usage = TokenUsage(input_tokens=10, output_tokens=3)
    one = served(
        latency_ms=50.0, usage=usage, cost_usd=0.5, transfer=transfer, trace_id=TRACE_LOW,
        body=b"secret answer", served_model="m-2026", is_stream=True,
        first_byte_ms=12.0,
    )  # fmt: skip
    events.tell(one)
    events.tell(served(status=503, is_cached=True))
    events.close()
    assert {thread for thread, _ in told} <= {"crossmodel-events"}
    requests = [event for _, event in told if isinstance(event, RequestEvent)]
    selections = [event for _, event in told if isinstance(event, SelectionEvent)]
    assert len(requests) == len(selections) == 2
    first, second = requests
    assert (first.model_id, first.provider, first.operation) == ("m", "p", "chat")
    assert (first.latency_ms, first.first_byte_ms, first.status) == (50.0, 12.0, 200)
    assert (first.input_tokens, first.output_tokens, first.cost_usd) == (10, 3, 0.5)
    assert (first.trace_id, first.parent_id, first.error) == (TRACE_LOW, None, "")
    assert first.transfer.insights == 1
    assert first.transfer.at > first.started_at
    assert (second.error, second.is_cached, second.input_tokens) == ("503", True, None)
    assert "secret" not in repr(told)


def test_what_there_is_no_room_for_is_counted_and_never_waited_for(served, relay):
    holding = threading.Event()
    told = []

    def slow(event):
        holding.wait(10)
        told.append(event)

    events = relay(slow)
    began = time.monotonic()
    for _ in range(MOST_WAITING + 500):
        events.tell(served())
    assert time.monotonic() - began < 1
    assert events.dropped >= 499
    before = events.dropped
    holding.set()
    events.close()
    requests = sum(isinstance(event, RequestEvent) for event in told)
    assert requests + events.dropped == MOST_WAITING + 500
    assert events.dropped == before


def test_a_hook_that_fails_loses_only_what_it_was_told(served, relay):
    def bad(_event):
        raise ValueError

    events = relay(bad)
    for _ in range(3):
        events.tell(served())
    events.close()
    assert events.dropped == 0
    assert events._hooks.failures == 6, "a selection and a request each"


def test_sampling_is_by_the_traces_id_where_there_is_one(served, relay):
    told = []
    events = relay(told.append, sampling=0.25)
    for _ in range(20):
        events.tell(served(trace_id=TRACE_LOW))
        events.tell(served(trace_id=TRACE_HIGH))
    events.close()
    traces = [event.trace_id for event in told if isinstance(event, RequestEvent)]
    assert traces == [TRACE_LOW] * 20


def test_sampling_is_by_chance_where_there_is_none(served, relay):
    told = []
    events = relay(told.append, sampling=0.5)
    for _ in range(900):
        events.tell(served())
    events.close()
    count = sum(isinstance(event, RequestEvent) for event in told)
    assert 350 < count < 550
    none = relay(told.append, sampling=0.0)
    told.clear()
    for _ in range(100):
        none.tell(served())
    none.close()
    assert told == []


def test_closing_twice_is_no_error(relay):
    events = relay(print)
    events.close()
    events.close()
