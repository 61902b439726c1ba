"""Answers read by a process of their own: what breaks it costs itself, and a kill costs nothing."""

import pytest

from crossmodel.errors import ExtractionTimeoutError
from crossmodel.extraction import InsightExtractor
from crossmodel.extraction.bulk import ExtractionJob, read_apart
from crossmodel.extraction.logs import LoggedAnswer
from crossmodel.extraction.worker import Worker

ANSWERS = [
    LoggedAnswer(f"a{n}", "strong", f"Filters of type F{n} must be changed every {n + 2} days.")
    for n in range(4)
]


class Fragile(Worker):
    """Its process is killed before the calls of these numbers; one answer takes for ever."""

    def __init__(self, killed=(), endless=None):
        super().__init__()
        self.calls, self.killed, self.endless = 0, killed, endless

    def call(self, function, *arguments, seconds):
        self.calls += 1
        if self.endless in arguments[1]:
            raise ExtractionTimeoutError("timed out")
        if self.calls in self.killed:
            self._started()
            self.kill()
        return super().call(function, *arguments, seconds=seconds)


def read(worker, answers):
    try:
        return read_apart(worker, ExtractionJob.of(InsightExtractor()), answers)
    finally:
        worker.close()


@pytest.mark.parametrize("killed", [(1,), (1, 2), (1, 3, 6)])
def test_a_process_that_is_killed_costs_nothing(killed):
    found = read(Fragile(killed), ANSWERS)
    assert [each.answer for each in found] == ANSWERS
    assert all(each.result.insights for each in found)


def test_an_answer_that_kills_the_process_twice_is_told():
    one, *others = read(Fragile((1, 2, 3)), ANSWERS)
    assert (one.result, one.error) == (None, "the process that ran it died")
    assert all(each.result.insights for each in others)


@pytest.mark.parametrize("count", [1, 4])
def test_an_answer_without_an_end_is_not_read_again(count):
    worker = Fragile(endless=ANSWERS[0])
    one, *others = read(worker, ANSWERS[:count])
    assert (one.result, one.error) == (None, "timed out")
    assert all(each.result.insights for each in others)
    assert worker.calls == count + (count > 1)
