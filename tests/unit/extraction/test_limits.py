"""A pattern that hangs is cut off and reported; the others keep what they found."""

import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from crossmodel import ExtractionPattern, Insight, InsightExtractor, InsightExtractorConfig
from crossmodel.errors import ExtractionError, ExtractionTimeoutError
from crossmodel.extraction.worker import Worker

TEXT = "Release tags must start with rel- and end with the year.\n\n" + "a" * 40 + "b"


class Finds(ExtractionPattern):
    def extract(self, text, context):
        return [Insight("end with the year")]


class Loops(ExtractionPattern):
    def extract(self, text, context):
        while True:
            time.sleep(0)


class Backtracks(ExtractionPattern):
    def extract(self, text, context):
        re.search(r"(a+)+$", "a" * 60 + "b")  # holds the interpreter for years
        return []


class Fails(ExtractionPattern):
    def extract(self, text, context):
        raise ValueError("no luck")


def extractor(seconds=1.0, **patterns):
    made = InsightExtractor(InsightExtractorConfig(pattern_timeout_seconds=seconds))
    for name, pattern in patterns.items():
        made.register_extraction_pattern(name, pattern)
    return made


def check(result, *failed):
    assert set(result.errors) == set(failed)
    contents = [insight.content for insight in result.insights]
    assert "end with the year" in contents  # of the pattern that did not hang
    assert any(content.startswith("Release tags") for content in contents)  # of a built-in one


class Swallows(ExtractionPattern):
    def extract(self, text, context):
        try:
            time.sleep(60)
        except BaseException:  # noqa: BLE001 - what careless patterns do
            time.sleep(60)
        return []


class Counts(ExtractionPattern):
    def __init__(self):
        self.calls = 0

    def extract(self, text, context):
        self.calls += 1
        return []


@pytest.mark.parametrize("hanging", [Loops, Backtracks, Swallows])
def test_in_the_main_thread_whatever_hangs_is_interrupted(hanging):
    counts = Counts()
    made = extractor(hangs=hanging(), finds=Finds(), fails=Fails(), counts=counts)
    for _ in range(2):
        result = made.extract(TEXT, "strong")
        check(result, "hangs", "fails")
        assert result.errors["hangs"] == "timed out after 1 s"
        assert "no luck" in result.errors["fails"]
    assert counts.calls == 2
    assert made.get_extraction_statistics().pattern_errors == {"hangs": 2, "fails": 2}
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_alarm_that_somebody_else_has_set_stays_theirs():
    rung = []
    signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        check(extractor(hangs=Loops(), finds=Finds()).extract(TEXT, "strong"), "hangs")
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_in_another_thread_an_endless_loop_is_left_behind_and_not_asked_again():
    made = extractor(loops=Loops(), finds=Finds(), fails=Fails())

    def work():
        result = made.extract(TEXT, "strong")
        check(result, "loops", "fails")
        assert "timed out after 1 s" in result.errors["loops"]
        started = time.perf_counter()
        again = made.extract(TEXT, "strong")
        assert time.perf_counter() - started < 0.9
        assert "took too long before" in again.errors["loops"]
        made.register_extraction_pattern("loops", Finds())
        assert set(made.extract(TEXT, "strong").errors) == {"fails"}

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


@pytest.mark.parametrize("seconds", [float("inf"), 1e300, 1e9])
def test_a_limit_may_be_as_long_as_one_likes(seconds):
    made = InsightExtractor(InsightExtractorConfig(pattern_timeout_seconds=seconds))
    made.register_extraction_pattern("finds", Finds())
    check(made.extract(TEXT, "strong"))
    with ThreadPoolExecutor(1) as pool:
        check(pool.submit(made.extract, TEXT, "strong").result())


@pytest.mark.slow
@pytest.mark.parametrize("hanging", [Loops, Backtracks])
def test_in_a_process_whatever_hangs_is_killed(hanging):
    made = extractor(3.0, hangs=hanging(), finds=Finds())  # a process needs a while to begin
    made.parallel_extraction = True
    try:
        for _ in range(2):
            check(made.extract(TEXT, "strong"), "hangs")
    finally:
        made.close()
    assert made._clock._worker._process is None


def test_a_pattern_of_any_making_runs_in_a_process():
    seen = "end with"

    class Local(ExtractionPattern):
        def extract(self, text, context):
            return [Insight(f"{seen} the {context['what']}")]

    made = extractor(finds=Local(), fails=Fails())
    made.parallel_extraction = True
    try:
        result = made.extract(TEXT, "strong", {"what": "year"})
    finally:
        made.close()
    check(result, "fails")
    assert "no luck" in result.errors["fails"]


def test_a_worker_says_what_went_wrong_and_starts_again():
    worker = Worker()
    try:
        assert worker.call(max, 3, 4, seconds=30) == 4
        with pytest.raises(ExtractionError, match="ZeroDivisionError"):
            worker.call(divmod, 1, 0, seconds=30)
        first = worker._process
        with pytest.raises(ExtractionTimeoutError, match=r"0\.2 s"):
            worker.call(time.sleep, 30, seconds=0.2)
        assert first.poll() is not None
        assert worker.call(len, "abc", seconds=30) == 3
        worker._process.kill()
        worker._process.wait()
        with pytest.raises(ExtractionError, match="died"):
            worker.call(len, "abc", seconds=30)
        assert worker.call(len, "abc", seconds=30) == 3
        with pytest.raises(ExtractionError, match="cannot be sent"):
            worker.call(len, (each for each in "abc"), seconds=30)
    finally:
        worker.close()
        worker.close()


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused(seconds):
    with pytest.raises(ValueError, match="pattern_timeout_seconds"):
        InsightExtractorConfig(pattern_timeout_seconds=seconds)
