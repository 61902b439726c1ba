"""How fast extraction is on one core, beside a block parser of Markdown in the same process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from markdown_it import MarkdownIt

from crossmodel.evaluation.extraction.rows import UNKNOWN, AnswerRow
from crossmodel.extraction import InsightExtractor
from crossmodel.extraction.patterns import is_exact
from crossmodel.extraction.reading import READING, Reading

ROUNDS: Final = 5
BASELINE: Final = "markdown-it-py, blocks only"
_LONG: Final = 4000
"""Characters of a long answer: two pages."""
_MOST: Final = 5_000_000
"""Characters after which no further answer is timed: more would tell nothing new."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Medians over rounds in which all took turns; by the time of this process's own threads.

    ``patterns_megabytes_per_second`` is that of the built-in patterns alone, without what makes
    their finds insights that can be trusted: confidence, duplicates, validation; with ``joined_``,
    over the same answers joined to at least 4,000 characters, since a short one costs more a byte.

    Rates in MB/s (10^6 bytes of UTF-8); the time of one answer in microseconds.
    """

    answers: int
    megabytes: float
    rounds: int
    megabytes_per_second: float
    microseconds_per_answer: float
    patterns_megabytes_per_second: float
    joined_patterns_megabytes_per_second: float
    baseline: str
    baseline_megabytes_per_second: float

    @property
    def ratio(self) -> float:
        """Ours over the baseline's."""
        return self.megabytes_per_second / self.baseline_megabytes_per_second

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"ratio": self.ratio}


def judge_throughput(
    rows: Sequence[AnswerRow], extractor: InsightExtractor, rounds: int = ROUNDS
) -> Throughput:
    """Extract from the rows several times, after one round that does not count."""
    rows = list(_first(rows))
    markdown = MarkdownIt("commonmark").enable("table").disable("inline")
    megabytes = sum(len(row.output.encode("utf-8", "surrogatepass")) for row in rows) / 1e6

    def ours() -> None:
        for row in rows:
            extractor.extract(row.output, row.source_model or UNKNOWN)

    built_in = [each for each in extractor.extraction_patterns.values() if is_exact(each)]

    def patterns(texts: Sequence[str]) -> None:
        for text in texts:
            context = {READING: Reading(text)}
            for pattern in built_in:
                pattern.extract(text, context)

    answers = [row.output for row in rows]
    joined = list(_joined(answers))

    def theirs() -> None:
        for row in rows:
            markdown.parse(row.output)

    work = (ours, partial(patterns, answers), partial(patterns, joined), theirs)
    timed = [[seconds(each) for each in work] for _ in range(1 + rounds)][1:]
    mine, alone, long, other = (statistics.median(column) for column in zip(*timed, strict=True))
    return Throughput(
        len(rows), megabytes, rounds, megabytes / mine, mine / len(rows) * 1e6, megabytes / alone,
        megabytes / long, BASELINE, megabytes / other,
    )  # fmt: skip


def _joined(answers: Iterable[str]) -> Iterator[str]:
    """The answers, each with the following ones until it is long."""
    parts: list[str] = []
    for answer in answers:
        parts.append(answer)
        if sum(map(len, parts)) >= _LONG:
            yield "\n\n".join(parts)
            parts = []
    if parts:
        yield "\n\n".join(parts)


def _first(rows: Sequence[AnswerRow]) -> Iterator[AnswerRow]:
    """The first rows, one at least, of as many characters as are timed."""
    left = _MOST
    for row in rows:
        if left <= 0:
            return
        left -= len(row.output)
        yield row


def seconds(work: Callable[[], None]) -> float:
    """Process time that ``work`` takes; never 0, whatever the clock's grain."""
    started = time.process_time()
    work()
    return max(time.process_time() - started, 1e-9)
