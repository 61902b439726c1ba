"""Answers of strong models become insights, off the path of requests.

Extraction is work for a processor, so one process of its own does it, at the lowest priority: what
hangs there is killed, and who is served never waits. What there is no time for is dropped and
counted: insights are won over and over again, answers are given once.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from crossmodel.domain.config import InsightExtractorConfig
from crossmodel.domain.insight import ExtractionResult
from crossmodel.engine import Engine
from crossmodel.errors import CrossModelError
from crossmodel.extraction import ConfidenceCalculator, InsightExtractor
from crossmodel.extraction.worker import Worker
from crossmodel.gateway.served import Served
from crossmodel.wire.answers import answer_text, is_step
from crossmodel.wire.dialect import Dialect

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 256
"""Answers that may wait to be learned from."""

MOST_WAITING_BYTES: Final = 16 * 1024 * 1024
"""What they may have together, as they came."""

SECONDS_PER_ANSWER: Final = 20.0
"""How long one answer may be read for, by default."""

NICE: Final = 10
"""How much the process stands back (POSIX nice)."""

OK: Final = 200


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What is kept of an answer until it is learned from."""

    id: str
    tenant: str
    key: str | None
    model_id: str
    body: bytes
    dialect: Dialect
    is_stream: bool
    injected: tuple[str, ...]


class Learner:
    """Learns from answers one after another. For one event loop.

    Args:
        engine: which extracts, pays for its assistant and keeps what is found.
        then: told of each tenant that has new insights, and whose answers they are from.
        most_waiting: how many answers may wait.
        most_waiting_bytes: how large they may be together.
        seconds: how long one answer may be read for.

    Attributes:
        learned: how many answers were read; steps of work with tools say nothing that lasts.
        insights: how many insights they gave, old ones included.
        dropped: how many answers there was no room for, or no time at the end.
        failed: how many could not be learned from: unreadable, hanging, or a store that failed.
    """

    __slots__ = (
        "_bytes", "_engine", "_is_closed", "_most", "_most_bytes", "_quality",
        "_seconds", "_task", "_then", "_waiting", "_worker",
        "dropped", "failed", "insights", "learned",
    )  # fmt: skip

    def __init__(
        self,
        engine: Engine,
        then: Callable[[str, str], None] = lambda _tenant, _model: None,
        *,
        most_waiting: int = MOST_WAITING,
        most_waiting_bytes: int = MOST_WAITING_BYTES,
        seconds: float = SECONDS_PER_ANSWER,
    ) -> None:
        self.learned = self.insights = self.dropped = self.failed = 0
        self._engine = engine
        self._quality = engine.teacher_quality
        self._then = then
        self._most, self._most_bytes = most_waiting, most_waiting_bytes
        self._seconds = seconds
        self._waiting: deque[_Lesson] = deque()
        self._bytes = 0
        self._worker = Worker()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """How many answers wait to be learned from."""
        return len(self._waiting)

    def offer(self, served: Served) -> bool:
        """Learn from an answer if it is whole, a strong model's and not from the cache.

        Whether it will be; returns at once.
        """
        if (
            served.model.quality < self._quality
            or not served.is_whole
            or served.status != OK
            or served.is_cached
            or served.dialect is None
            or not served.body
            or self._is_closed
        ):
            return False
        size = len(served.body)
        if len(self._waiting) >= self._most or self._bytes + size > self._most_bytes:
            self.dropped += 1
            return False
        given = served.transfer.transferred_insights if served.transfer is not None else ()
        self._waiting.append(
            _Lesson(
                served.id,
                served.tenant,
                served.key,
                served.model.id,
                served.body,
                served.dialect,
                served.is_stream,
                tuple(insight.content for insight in given),
            )
        )
        self._bytes += size
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._learn())
        return True

    async def close(self, *, seconds: float = 0.0) -> None:
        """Go on for at most ``seconds`` with what waits, drop the rest, and end the process."""
        self._is_closed = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._worker.kill()  # the call that was waited for is nobody's any more
        await asyncio.to_thread(self._worker.close)

    async def _learn(self) -> None:
        try:
            while self._waiting:
                lesson = self._waiting.popleft()
                self._bytes -= len(lesson.body)
                try:
                    await self._learn_from(lesson)
                except asyncio.CancelledError:
                    self.dropped += 1
                    raise
                except CrossModelError as error:
                    self.failed += 1
                    logger.warning("nothing was learned from %s: %s", lesson.id, error)
                except Exception:
                    self.failed += 1
                    logger.exception("nothing was learned from %s", lesson.id)
        finally:
            self._task = None

    async def _learn_from(self, lesson: _Lesson) -> None:
        text = await asyncio.to_thread(
            self._worker.call,
            _read,
            lesson.body,
            lesson.dialect,
            lesson.is_stream,
            seconds=self._seconds,
        )
        if text is None:
            self.failed += 1
            logger.warning("nothing was learned from %s: its answer cannot be read", lesson.id)
            return
        if text.strip() and not is_step(text):
            result = await self._engine.learn(
                text,
                lesson.model_id,
                tenant=lesson.tenant,
                source_request=lesson.id,
                key=lesson.key,
                injected=lesson.injected,
                extract=self._extract,
            )
            self.insights += len(result.insights)
            if result.insights:
                self._then(lesson.tenant, lesson.model_id)
        self.learned += 1

    def _extract(
        self, text: str, source_model: str, context: Mapping[str, object]
    ) -> ExtractionResult:
        """Extract in the process, by an extractor like the engine's; called in a thread."""
        extractor = self._engine.extractor
        calculator = extractor.confidence_calculator
        maps = calculator.to_dict() if isinstance(calculator, ConfidenceCalculator) else None
        found: ExtractionResult = self._worker.call(
            _extract,
            extractor.config,
            maps,
            text,
            source_model,
            dict(context),
            seconds=self._seconds,
        )
        return found


# in the process


_known: tuple[InsightExtractorConfig, object, InsightExtractor] | None = None
"""The extractor of this process, and what it was made from."""


def _read(body: bytes, dialect: Dialect, is_stream: bool) -> str | None:
    return answer_text(body, dialect, is_stream=is_stream)


def _extract(
    config: InsightExtractorConfig,
    maps: Mapping[str, object] | None,
    text: str,
    source_model: str,
    context: Mapping[str, object],
) -> ExtractionResult:
    global _known  # noqa: PLW0603 - it lives as long as the process
    if _known is None or _known[:2] != (config, maps):
        if _known is None:
            os.nice(NICE)
        extractor = InsightExtractor(config)
        if maps is not None:
            extractor.confidence_calculator.restore(maps)
        _known = config, maps, extractor
    return _known[2].extract(text, source_model, context)
