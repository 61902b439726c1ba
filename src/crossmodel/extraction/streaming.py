"""Extraction from a text while it arrives, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from crossmodel.domain.insight import ExtractionResult, InsightKind
from crossmodel.extraction.parts import PART, Part, Splitter


@dataclass(frozen=True, slots=True)
class StreamedResult:
    """What was found in one part of a stream.

    Evidence refers to ``text``, whose hash ``result.source_sha256`` is: a part is a source that can
    be kept and checked by itself. ``offset`` is where the part's own text begins in the stream, and
    ``headings`` how many characters of headings from before it stand in front of that.
    """

    text: str
    offset: int
    headings: int
    result: ExtractionResult

    def position(self, offset: int) -> int:
        """Where in the stream an offset of ``text`` is."""
        return self.offset + offset - self.headings


class StreamExtraction:
    """A result for each part of a stream, as soon as the next part has begun.

    A part has ``size`` characters or somewhat more, and is cut where nothing goes on. However the
    stream is chopped into pieces, the results are the same. Only the last part has a final answer.
    """

    def __init__(self, extract: Callable[[str], ExtractionResult], *, size: int = PART) -> None:
        self._extract = extract
        self._splitter = Splitter(size)
        self._waiting: Part | None = None

    def feed(self, piece: str) -> Iterator[StreamedResult]:
        """Take in the next piece."""
        for part in self._splitter.feed(piece):
            if self._waiting is not None:
                yield self._result(self._waiting, is_last=False)
            self._waiting = part

    def end(self) -> Iterator[StreamedResult]:
        """The stream is over."""
        for part in self._splitter.end():
            if self._waiting is not None:
                yield self._result(self._waiting, is_last=False)
            self._waiting = part
        if self._waiting is not None:
            yield self._result(self._waiting, is_last=True)
        self._waiting = None

    def _result(self, part: Part, *, is_last: bool) -> StreamedResult:
        result = self._extract(part.text)
        own = [
            insight
            for insight in result.insights
            if all(each.start >= part.headings for each in insight.evidence)
            and (is_last or insight.kind != InsightKind.FINAL_ANSWER)
        ]
        kept = replace(result, insights=own)
        return StreamedResult(part.text, part.offset, part.headings, kept)
