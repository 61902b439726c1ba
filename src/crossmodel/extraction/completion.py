"""What every insight gets before it is given out: evidence, source, confidence, its final id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from crossmodel.domain import checks
from crossmodel.domain.config import InsightExtractorConfig
from crossmodel.domain.insight import Insight
from crossmodel.domain.period import utc_now
from crossmodel.extraction.agreement import ANSWERS
from crossmodel.extraction.confidence import ConfidenceCalculator
from crossmodel.extraction.evidence import INJECTED, Standing
from crossmodel.extraction.linking import relinked
from crossmodel.extraction.reading import READING, Reading

LOW_CONFIDENCE: Final = "low confidence"

_MAX_CONTEXT_DEPTH: Final = 4
_UNKEPT: Final = frozenset({READING, INJECTED, ANSWERS})
"""What insights do not carry with them: whole texts."""


class Completion:
    """Completes the insights of one extraction, or refuses them; ``reject`` is told why."""

    def __init__(
        self,
        reading: Reading,
        source_model: str,
        context: Mapping[str, Any],
        *,
        config: InsightExtractorConfig,
        calculator: ConfidenceCalculator,
        reject: Callable[[str], None],
    ) -> None:
        self._reading = reading
        self._context = dict(context)
        self._calculator = calculator
        self._least = config.confidence_config.minimum_confidence_threshold
        self._reject = reject
        self._standing = Standing(reading, context, required=config.require_grounding)
        self._now = utc_now()
        self._metadata = {
            "source_model": source_model,
            "extraction_timestamp": self._now.isoformat(),
        }
        self._plain_context = _plain({key: context[key] for key in context.keys() - _UNKEPT})
        self._source_model = source_model

    def complete(
        self, insights: Iterable[Insight], pattern_name: str = "", *, exact: bool = False
    ) -> list[Insight]:
        """The insights that stand, completed.

        ``exact`` tells that their content was cut out of this reading, so that it need not be
        looked for in it.
        """
        kept = []
        renamed: dict[str, str] = {}
        for insight in insights:
            reason = self._standing.problem(insight, exact=exact)
            if reason:
                self._reject(reason)
                continue
            insight.source_model = self._source_model
            insight.extraction_timestamp = self._now
            insight.metadata = {
                **insight.metadata,
                **self._metadata,
                "context": _plain(self._plain_context) if self._plain_context else {},  # its own
                "patterns_applied": [],
            }
            if pattern_name:
                insight.metadata["pattern"] = pattern_name
            score = self._score(insight)
            insight.confidence_score = checks.unit_interval("confidence_score", score)
            if score < self._least:
                self._reject(LOW_CONFIDENCE)
                continue
            if not exact:
                final_id = insight.content_id()
                if insight.id != final_id:
                    renamed[insight.id] = final_id
                    insight.id = final_id
            kept.append(insight)
        return relinked(kept, renamed) if renamed else kept

    def _score(self, insight: Insight) -> float:
        """Its confidence; the metadata say whether it is calibrated, and what it was before."""
        calculator, whole = self._calculator, (self._reading.source, self._context)
        is_ours = isinstance(calculator, ConfidenceCalculator)  # else only the score is asked
        is_calibrated = is_ours and calculator.calibration_of(insight.kind) is not None
        insight.metadata["confidence_calibrated"] = is_calibrated
        if is_calibrated:
            insight.metadata["raw_confidence"] = calculator.raw_score(insight, *whole)
        return calculator.calculate_confidence(insight, *whole)


def _plain(value: Any, depth: int = 0) -> Any:
    """A copy that is nothing but JSON; what is not is left out, what is too deep as well."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if depth < _MAX_CONTEXT_DEPTH and isinstance(value, Mapping):
        return {str(k): _plain(v, depth + 1) for k, v in value.items()}
    if depth < _MAX_CONTEXT_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_plain(each, depth + 1) for each in value]
    return None
