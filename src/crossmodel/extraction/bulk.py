"""Many answers, by several processes where that pays; results come in the order of the answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

from crossmodel.domain.config import InsightExtractorConfig
from crossmodel.domain.insight import ExtractionResult
from crossmodel.errors import CrossModelError, ExtractionError, ExtractionTimeoutError
from crossmodel.extraction.extractor import InsightExtractor
from crossmodel.extraction.logs import LoggedAnswer
from crossmodel.extraction.worker import Worker

_BATCH_CHARACTERS: Final = 200_000
_BATCH_ANSWERS: Final = 200
"""Sent to a process at once: enough that sending costs little beside reading."""

_BATCHES_AHEAD: Final = 2
_SECONDS: Final = 300.0
"""In which a process must have read a batch, or one answer of a batch that it did not finish."""


class Extracted(NamedTuple):
    """An answer, and what was found in it or why nothing was."""

    answer: LoggedAnswer
    result: ExtractionResult | None
    error: str = ""


def extract_all(
    answers: Iterable[LoggedAnswer], extractor: InsightExtractor, *, workers: int = 1
) -> Iterator[Extracted]:
    """What ``extractor`` finds in each answer, in bounded memory.

    With ``workers`` above 1 processes of its configuration do the work; patterns that were
    registered with it by hand are not known there, those of installed packages are. An answer that
    hangs or breaks a process costs only itself.
    """
    if workers == 1:
        for answer in answers:
            yield _extract_one(extractor, answer)
        return
    job = ExtractionJob.of(extractor)
    idle: SimpleQueue[Worker] = SimpleQueue()
    crew = [Worker() for _ in range(workers)]
    for each in crew:
        idle.put(each)

    def read(batch: list[LoggedAnswer]) -> list[Extracted]:
        worker = idle.get()
        try:
            return read_apart(worker, job, batch)
        finally:
            idle.put(worker)

    waiting: deque[Future[list[Extracted]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for batch in batched(answers):
            waiting.append(pool.submit(read, batch))
            if len(waiting) >= workers * _BATCHES_AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for each in crew:
            each.close()


class ExtractionJob(NamedTuple):
    """What an extractor is made from again in another process; it can be sent anywhere."""

    config: InsightExtractorConfig
    calibration: dict[str, Any]

    @classmethod
    def of(cls, extractor: InsightExtractor) -> ExtractionJob:
        """That of an extractor; patterns that were registered with it by hand are not in it."""
        return cls(extractor.config, extractor.confidence_calculator.to_dict())

    def extractor(self) -> InsightExtractor:
        """One that finds the same."""
        made = InsightExtractor(self.config)
        made.confidence_calculator.restore(self.calibration)
        return made


def batched(answers: Iterable[LoggedAnswer]) -> Iterator[list[LoggedAnswer]]:
    """The answers in batches that are worth sending to a process."""
    batch: list[LoggedAnswer] = []
    size = 0
    for answer in answers:
        batch.append(answer)
        size += len(answer.output)
        if size >= _BATCH_CHARACTERS or len(batch) >= _BATCH_ANSWERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def read_apart(
    worker: Worker, job: ExtractionJob, batch: Sequence[LoggedAnswer]
) -> list[Extracted]:
    """What is found in each of a batch, by a process of its own.

    An answer that hangs or breaks the process costs only itself; and a process that is killed from
    outside costs nothing, as what breaks it does so again.
    """
    if len(batch) > 1:
        with suppress(ExtractionError):
            return _call(worker, job, batch)
    return [each for answer in batch for each in _read_one(worker, job, answer)]


def _read_one(worker: Worker, job: ExtractionJob, answer: LoggedAnswer) -> list[Extracted]:
    try:
        return _call(worker, job, [answer])
    except ExtractionTimeoutError as error:
        return [Extracted(answer, None, str(error))]
    except ExtractionError:
        pass
    try:
        return _call(worker, job, [answer])
    except ExtractionError as error:
        return [Extracted(answer, None, str(error))]


def _call(worker: Worker, job: ExtractionJob, batch: Sequence[LoggedAnswer]) -> list[Extracted]:
    found: list[Extracted] = worker.call(_extract_batch, job, batch, seconds=_SECONDS)
    return found


_extractors: dict[str, InsightExtractor] = {}
"""The extractor of a worker process, which is made once."""


def _extract_batch(job: ExtractionJob, batch: Sequence[LoggedAnswer]) -> list[Extracted]:
    key = repr(job)
    if key not in _extractors:
        _extractors[key] = job.extractor()
    return [_extract_one(_extractors[key], answer) for answer in batch]


def _extract_one(extractor: InsightExtractor, answer: LoggedAnswer) -> Extracted:
    try:
        return Extracted(answer, extractor.extract(answer.output, answer.source_model))
    except CrossModelError as error:
        return Extracted(answer, None, str(error))
