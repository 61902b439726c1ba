import logging
import threading

import pytest

from crossmodel.domain.events import WitnessEvent
from crossmodel.domain.scope import RequestScope, current_scope, within
from crossmodel.hooks import Hooks

EVENT = WitnessEvent(tenant="acme", about="req_1", records=2)


def test_every_hook_is_told_in_order_and_once_however_often_it_was_added():
    told = []

    def first(event):
        told.append(("first", event))

    hooks = Hooks(first)
    hooks.add(lambda event: told.append(("second", event)))
    hooks.add(first)
    hooks(EVENT)
    assert told == [("first", EVENT), ("second", EVENT)]


def test_one_that_raises_loses_only_itself_and_is_counted():
    told = []

    def bad(_event):
        raise KeyError("a secret of the hook's own")

    hooks = Hooks(bad, told.append)
    for _ in range(5):
        hooks(EVENT)
    assert told == [EVENT] * 5
    assert hooks.failures == 5
    hooks.remove(bad)
    hooks(EVENT)
    assert hooks.failures == 0, "it is not here any more"
    assert bool(hooks)
    hooks.remove(told.append)
    hooks.remove(told.append)
    assert not hooks, "whoever would tell nobody need not make a record"


def test_one_that_misbehaves_often_is_reported_at_powers_of_two_without_what_it_said(caplog):
    def bad(_event):
        raise ValueError("sk-secret")

    hooks = Hooks(bad)
    with caplog.at_level(logging.WARNING, logger="crossmodel.hooks"):
        for _ in range(1000):
            hooks(EVENT)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 10, "1, 2, 4 … 512"
    assert "bad" in said[0]
    assert "ValueError" in said[0]
    assert not any("sk-secret" in line for line in said)


def test_failures_of_many_threads_are_all_counted():
    def bad(_event):
        raise ValueError

    hooks = Hooks(bad)
    threads = [
        threading.Thread(target=lambda: [hooks(EVENT) for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hooks.failures == 2000


def test_what_ends_the_program_is_no_failure_of_a_hook():
    def interrupted(_event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Hooks(interrupted)(EVENT)


def test_a_scope_ends_with_its_block_even_if_that_fails():
    scope = RequestScope("req_1", "acme")

    def work():
        with within(scope):
            assert current_scope() == scope
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        work()
    assert current_scope() is None
