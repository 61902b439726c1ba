"""What is done with a shard of answers: its rows, their digests, or its insights to be kept."""

from __future__ import annotations

import atexit
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from crossmodel.bulk.rows import digest_of, encoded
from crossmodel.bulk.shards import Shard, read_shard
from crossmodel.extraction.bulk import Extracted, ExtractionJob, batched, read_apart
from crossmodel.extraction.logs import LoggedAnswer, UnreadableRow
from crossmodel.extraction.worker import Worker


class Task(NamedTuple):
    """A shard, and how many of its first answers are done already."""

    shard: Shard
    done: int = 0


class Row(NamedTuple):
    """A row to write, and the digest of what it was made from."""

    digest: str
    row: bytes


@dataclass(frozen=True, slots=True)
class Extraction:
    """Extraction from shards: picklable, and the same wherever it is done.

    Attributes:
        job: what the extractor is made from.
        source_model: who wrote the answers that do not say so.
        made: what :func:`~crossmodel.bulk.rows.made_by` says of the job.
    """

    job: ExtractionJob
    source_model: str
    made: str

    def digests(self, task: Task) -> list[str | UnreadableRow]:
        """The digest of each answer."""
        return [
            digest_of(row, self.made) if isinstance(row, LoggedAnswer) else row
            for row in read_shard(task.shard, self.source_model)
        ]

    def rows(self, task: Task) -> list[Row | UnreadableRow]:
        """A row for each answer that is not done."""
        return [
            each
            if isinstance(each, UnreadableRow)
            else Row(digest_of(each.answer, self.made), encoded(each))
            for each in self._each(task)
        ]

    def insights(self, task: Task) -> list[Extracted | UnreadableRow]:
        """Each answer that is not done, with what was found in it."""
        return list(self._each(task))

    def _each(self, task: Task) -> Iterator[Extracted | UnreadableRow]:
        read = list(read_shard(task.shard, self.source_model))
        answers = (row for row in read if isinstance(row, LoggedAnswer))
        wanted = batched(islice(answers, task.done, None))
        found = (each for batch in wanted for each in read_apart(_worker(), self.job, batch))
        position = 0
        for row in read:
            if isinstance(row, UnreadableRow):
                yield row
            elif position >= task.done:
                yield next(found)
            position += isinstance(row, LoggedAnswer)


@functools.cache
def _worker() -> Worker:
    """The process that extracts for this one: what hangs or breaks it costs one answer."""
    worker = Worker()
    atexit.register(worker.close)
    return worker
