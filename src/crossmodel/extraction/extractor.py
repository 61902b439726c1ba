"""The extractor: applies the patterns, and answers for every insight that it gives out."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

from crossmodel.domain import checks
from crossmodel.domain.config import InsightExtractorConfig
from crossmodel.domain.insight import (
    ExtractionResult,
    ExtractionStatistics,
    Insight,
    ValidationStatus,
)
from crossmodel.domain.period import TimePeriod, utc_now
from crossmodel.errors import (
    ExtractionError,
    InvalidExtractionPatternError,
    InvalidInputError,
)
from crossmodel.extraction.assisted import (
    ASSISTANCE,
    MODEL_ASSISTED,
    REPORT,
    Assistance,
    ModelAssistedPattern,
)
from crossmodel.extraction.completion import Completion
from crossmodel.extraction.confidence import ConfidenceCalculator
from crossmodel.extraction.deduplication import merge_duplicates
from crossmodel.extraction.limits import Clock
from crossmodel.extraction.linking import relinked, resolved
from crossmodel.extraction.parallel import LARGE, extract_in_parts
from crossmodel.extraction.parts import PART
from crossmodel.extraction.patterns import (
    AnalysisExtractionPattern,
    CodingExtractionPattern,
    CreativityExtractionPattern,
    ExtractionPattern,
    LanguageExtractionPattern,
    MathExtractionPattern,
    PatternRegistry,
    ReasoningExtractionPattern,
    installed_patterns,
    is_exact,
)
from crossmodel.extraction.reading import READING, Reading, read
from crossmodel.extraction.runs import Run, statistics
from crossmodel.extraction.streaming import StreamedResult, StreamExtraction
from crossmodel.extraction.validation import InsightValidator

DUPLICATE: Final = "duplicate"
OVER_LIMIT: Final = "over the limit"

_MAX_ERROR: Final = 200

logger = logging.getLogger(__name__)


_current_run: ContextVar[Run | None] = ContextVar("crossmodel_extraction_run", default=None)


class InsightExtractor:
    """Structured insights out of a model's answer. May be used by many threads at once."""

    def __init__(self, config: InsightExtractorConfig | None = None) -> None:
        self.config = config or InsightExtractorConfig()
        self.extraction_patterns: dict[str, ExtractionPattern] = {}
        self.confidence_calculator = ConfidenceCalculator(self.config.confidence_config)
        self.insight_validator = InsightValidator(self.config.validation_config)
        self.extraction_history: list[Insight] = []
        self.pattern_registry = PatternRegistry()
        self._runs: deque[Run] = deque(maxlen=self.config.max_history_size)
        self.parallel_extraction = self.config.parallel_extraction
        self.max_workers = self.config.max_workers
        self._clock = Clock()
        self._lock = threading.Lock()
        self._load_default_patterns()

    def register_extraction_pattern(self, pattern_name: str, pattern: ExtractionPattern) -> None:
        """Apply ``pattern`` from now on; one registered before under that name is replaced.

        Raises:
            InvalidExtractionPatternError: if it has no callable ``extract(text, context)``.
        """
        checks.text("pattern_name", pattern_name)
        if not self._validate_extraction_pattern(pattern):
            raise InvalidExtractionPatternError(
                f"invalid extraction pattern {pattern_name!r}: it needs a method"
                " extract(text, context) that returns a list of insights"
            )
        self.extraction_patterns = {**self.extraction_patterns, pattern_name: pattern}
        self.pattern_registry.register_pattern(pattern_name, pattern)

    def extract(
        self,
        model_output: str,
        source_model: str,
        extraction_context: Mapping[str, Any] | None = None,
    ) -> ExtractionResult:
        """Extract, complete and validate: insights, what was refused and why, and how long it took.

        ``extraction_context["injected"]`` may list texts that were handed to the model; what only
        repeats them is refused. ``extraction_context["assistance"]`` may hold what
        ``ModelAssistedPattern.assist`` made of this output.

        Raises:
            InvalidInputError: if the output or the source model is empty.
        """
        _check(model_output, source_model)
        started = time.perf_counter()
        with self._run() as run:
            reading = Reading(model_output)
            context = {**(extraction_context or {}), READING: reading}
            if assistance := context.pop(ASSISTANCE, None):
                run.patterns[MODEL_ASSISTED] = assistance
            insights = self.extract_insights(model_output, source_model, context)
            # a subclass may hand back what the patterns returned, as they returned it
            if any(insight.source_model != source_model for insight in insights):
                completion = self._completion(reading, source_model, context)
                insights = self._finish(completion.complete(insights))
            if self.config.validation_config.enable_validation:
                insights = resolved(self.validate_insights(insights))
        return ExtractionResult(
            insights=insights,
            source_model=source_model,
            source_sha256=reading.source_sha256,
            latency_ms=(time.perf_counter() - started) * 1000,
            rejected=dict(run.rejected),
            errors=dict(run.errors),
            usage=run.usage,
            cost_usd=run.cost_usd,
        )

    def extract_insights(
        self,
        model_output: str,
        source_model: str,
        extraction_context: Mapping[str, Any] | None = None,
    ) -> list[Insight]:
        """The insights of ``model_output``, not yet validated.

        Raises:
            InvalidInputError: if the output or the source model is empty.
        """
        _check(model_output, source_model)
        with self._run() as run:
            given = extraction_context or {}
            reading = read(model_output, given)
            context = {**given, READING: reading}
            if not run.patterns and self._pays_in_parts(model_output):
                return self._finish(self._extract_in_parts(reading, source_model, given))
            completion = self._completion(reading, source_model, context)
            found: list[Insight] = []
            applied: list[str] = []
            for pattern_name, pattern in (self.extraction_patterns | run.patterns).items():
                exact = is_exact(pattern)
                try:
                    if exact:  # ours: linear, so it needs no clock
                        mine = pattern.extract(model_output, context)
                    else:
                        mine = self._apply(pattern_name, pattern, model_output, context, run)
                    if mine or not exact:
                        found += completion.complete(mine, pattern_name, exact=exact)
                except Exception as error:  # noqa: BLE001 - a pattern is foreign code: whatever it raises costs only its own insights
                    self._log_extraction_error(pattern_name, error)
                else:
                    applied.append(pattern_name)
            for insight in found:
                insight.metadata["patterns_applied"] = list(applied)
            return self._finish(found)

    def extract_stream(
        self,
        pieces: Iterable[str],
        source_model: str,
        extraction_context: Mapping[str, Any] | None = None,
        *,
        size: int = PART,
    ) -> Iterator[StreamedResult]:
        """A result for each part of a stream of text, in bounded memory.

        For a stream that is awaited, feed a :class:`StreamExtraction`.
        """
        stream = StreamExtraction(
            lambda text: self.extract(text, source_model, extraction_context), size=size
        )
        for piece in pieces:
            yield from stream.feed(piece)
        yield from stream.end()

    def close(self) -> None:
        """End the process that foreign patterns run in, if there is one; safe to call twice."""
        self._clock.close()

    def validate_insights(self, insights: list[Insight]) -> list[Insight]:
        """The insights that are valid, each with its status and the validator's verdict."""
        validated = []
        run = _current_run.get()
        for insight in insights:
            try:
                result = self.insight_validator.validate(insight)
                insight.validation_status = result.status
                insight.metadata["validation_result"] = result.to_dict()
                if result.is_valid or self.config.include_invalid_insights:
                    validated.append(insight)
                elif run is not None:
                    run.rejected[f"invalid: {result.reasons[0]}"] += 1
            except Exception as error:  # noqa: BLE001 - the validator may be a caller's own
                self._log_validation_error(insight.id, error)
                if self.config.include_validation_errors:
                    insight.validation_status = ValidationStatus.VALIDATION_ERROR
                    insight.metadata["validation_error"] = _described(error)
                    validated.append(insight)
                elif run is not None:
                    run.rejected["validation error"] += 1
        return validated

    def get_extraction_statistics(
        self, time_period: TimePeriod | None = None
    ) -> ExtractionStatistics:
        """What was extracted and refused within the period; the last 7 days by default."""
        period = time_period or TimePeriod.last_7_days()
        with self._lock:
            history, runs = list(self.extraction_history), list(self._runs)
        return statistics(history, runs, period, patterns_used=len(self.extraction_patterns))

    def _apply(
        self,
        name: str,
        pattern: ExtractionPattern,
        text: str,
        context: dict[str, Any],
        run: Run,
    ) -> list[Insight]:
        """What a pattern finds that is not exact; one that others wrote runs against the clock."""
        if isinstance(pattern, ModelAssistedPattern | Assistance):
            # as fast as its provider's own time limit says
            return pattern.extract(text, {**context, REPORT: partial(run.assisted, name)})
        return self._clock.run(
            name,
            pattern,
            text,
            context,
            seconds=self.config.pattern_timeout_seconds,
            in_process=self.parallel_extraction,
        )

    def _pays_in_parts(self, text: str) -> bool:
        return (
            self.parallel_extraction
            and self.max_workers > 1
            and len(text) >= LARGE
            and all(map(is_exact, self.extraction_patterns.values()))
        )

    def _extract_in_parts(
        self, reading: Reading, source_model: str, context: Mapping[str, Any]
    ) -> list[Insight]:
        return extract_in_parts(
            reading.source,
            reading.source_sha256,
            source_model,
            {key: value for key, value in context.items() if key != READING},
            make=InsightExtractor,
            config=self.config,
            workers=self.max_workers,
        )

    def _load_default_patterns(self) -> None:
        """Register the six patterns of the reference, then those of installed packages."""
        defaults: dict[str, ExtractionPattern] = {
            "reasoning_pattern": ReasoningExtractionPattern(),
            "creativity_pattern": CreativityExtractionPattern(),
            "analysis_pattern": AnalysisExtractionPattern(),
            "coding_pattern": CodingExtractionPattern(),
            "math_pattern": MathExtractionPattern(),
            "language_pattern": LanguageExtractionPattern(),
        }
        for pattern_name, pattern in defaults.items():
            self.register_extraction_pattern(pattern_name, pattern)
        for entry in installed_patterns():
            try:
                self.register_extraction_pattern(entry.name, entry.load()())
            except Exception as error:  # noqa: BLE001 - a broken package must not cost the others
                self._log_extraction_error(entry.name, error)

    def _validate_extraction_pattern(self, pattern: ExtractionPattern) -> bool:
        """Whether it is an object, not a class, with a callable ``extract``."""
        return not isinstance(pattern, type) and callable(getattr(pattern, "extract", None))

    def _post_process_insights(self, insights: list[Insight]) -> list[Insight]:
        """Merge duplicates, sort by confidence, keep to the limit: each as configured."""
        if self.config.remove_duplicates:
            insights = self._remove_duplicate_insights(insights)
        if self.config.sort_by_confidence:
            insights = sorted(insights, key=lambda each: each.confidence_score, reverse=True)
        limit = self.config.max_insights_per_extraction
        if limit and len(insights) > limit:
            self._reject(OVER_LIMIT, len(insights) - limit)
            insights = insights[:limit]
        return insights

    def _remove_duplicate_insights(self, insights: list[Insight]) -> list[Insight]:
        """One insight for each group that says the same; it keeps the evidence of all of them."""
        merged = merge_duplicates(insights, self.config.similarity_threshold)
        if not merged:
            return insights
        self._reject(DUPLICATE, len(merged))
        renamed = {insights[gone].id: insights[kept] for gone, kept in merged.items()}
        kept = [insight for index, insight in enumerate(insights) if index not in merged]
        for index in set(merged.values()):
            renamed[insights[index].id] = insights[index]
            insights[index].id = insights[index].content_id()
        return relinked(kept, {old: insight.id for old, insight in renamed.items()})

    def _log_extraction_error(self, pattern_name: str, error: Exception) -> None:
        """Log and count a pattern that failed.

        The message of the error may quote the text that was read, so the log gets its type alone;
        the caller of :meth:`extract` gets both.
        """
        logger.error("extraction pattern %s failed: %s", pattern_name, type(error).__name__)
        with self._run() as run:
            run.errors[pattern_name] = _described(error)

    def _log_validation_error(self, insight_id: str, error: Exception) -> None:
        """Log an insight that could not be validated."""
        logger.error("insight %s could not be validated: %s", insight_id, type(error).__name__)

    @contextmanager
    def _run(self) -> Iterator[Run]:
        """The extraction that is going on in this thread or task, or a new one."""
        run = _current_run.get()
        if run is not None and run.extractor is self:
            yield run
            return
        run = Run(self, utc_now())
        token = _current_run.set(run)
        try:
            yield run
        finally:
            _current_run.reset(token)
            with self._lock:
                self._runs.append(run)

    def _reject(self, reason: str, count: int = 1) -> None:
        run = _current_run.get()
        if run is not None and count:
            run.rejected[reason] += count

    def _completion(
        self, reading: Reading, source_model: str, context: Mapping[str, Any]
    ) -> Completion:
        return Completion(
            reading,
            source_model,
            context,
            config=self.config,
            calculator=self.confidence_calculator,
            reject=self._reject,
        )

    def _finish(self, insights: list[Insight]) -> list[Insight]:
        insights = resolved(self._post_process_insights(insights))
        limit = self.config.max_history_size
        with self._lock:
            self.extraction_history += insights
            del self.extraction_history[:-limit]
        return insights


def _check(model_output: object, source_model: object) -> None:
    for name, value in (("model_output", model_output), ("source_model", source_model)):
        if not isinstance(value, str) or not value:
            raise InvalidInputError(f"{name} is required: a string that is not empty")


def _described(error: BaseException) -> str:
    if isinstance(error, ExtractionError):  # says itself what went wrong, in which process
        return str(error)[:_MAX_ERROR]
    return f"{type(error).__name__}: {error}"[:_MAX_ERROR]
