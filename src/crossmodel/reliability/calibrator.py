"""CrossModelConfidenceCalibrator: the reliability of each source model, and its course in time."""

from __future__ import annotations

import threading
from calendar import monthrange
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final, Self

from crossmodel.calibration import BINS, RisingMap, bin_of, fit_rising_map
from crossmodel.domain import checks
from crossmodel.domain.period import TimePeriod, as_utc, utc_now
from crossmodel.domain.reliability import DayBin, Observed, Reliability
from crossmodel.errors import InvalidInputError
from crossmodel.reliability.figures import bounded, reliability_of

STEPS: Final = ("day", "week", "month")

PRIOR: Final = 40.0
"""Observations that leaving a confidence as it is, or as the other models' is mended, counts as."""


class CrossModelConfidenceCalibrator:
    """Whether what each model said came true as often as its confidence claimed; thread-safe.

    It keeps sums per model, day and bin of confidence, never single observations, of at most
    ``max_models`` models (the longest unused goes) and ``max_days`` days of each (the oldest go).

    This is no second calibration of the extractor's score. ``ConfidenceCalculator`` learns from
    labels what a *score* of a kind of insight means, before an insight is given out. This class is
    told afterwards what came of the confidence that insights were given out with, by the model
    that said them; it changes neither scores nor insights.

    Raises:
        InvalidInputError: if one of the bounds is less than 1.
    """

    def __init__(self, *, max_models: int = 256, max_days: int = 366) -> None:
        self._max_models = checks.at_least("max_models", max_models, 1)
        self._max_days = checks.at_least("max_days", max_days, 1)
        self._sums: OrderedDict[str, dict[date, dict[int, Observed]]] = OrderedDict()
        self._maps: dict[str, tuple[RisingMap, ...]] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, sums: Mapping[str, Mapping[DayBin, Observed]], *, max_days: int = 36_600) -> Self:
        """A calibrator over sums that somebody else keeps."""
        made = cls(max_models=max(len(sums), 1), max_days=max_days)
        for source_model, by_day in sums.items():
            for (day, position), observed in sorted(by_day.items()):
                made._add(source_model, day, position, observed)
        return made

    def observe(
        self, source_model: str, confidence: float, correct: float, at: datetime | None = None
    ) -> None:
        """Note what came of something that the model said with ``confidence``, 0..1.

        ``correct`` is a bool, or how far it was right, 0..1; ``at`` is when, now if left out.

        Raises:
            InvalidInputError: if the model has no name, or a figure is NaN or outside of 0..1.
        """
        checks.text("source_model", source_model)
        said = checks.unit_interval("confidence", confidence)
        is_plain = isinstance(correct, bool)
        came = checks.unit_interval("correct", float(correct) if is_plain else correct)
        day = as_utc(at or utc_now()).date()
        with self._lock:
            self._add(source_model, day, bin_of(said), Observed(1, said, came))

    def models(self) -> list[str]:
        """The models of which something is known, in order of their names."""
        with self._lock:
            return sorted(self._sums)

    def reliability(self, source_model: str, period: TimePeriod | None = None) -> Reliability:
        """How far a model was to be believed, on the days of the period or as far as is known."""
        if period is None:
            return reliability_of(source_model, self._bins(source_model))
        first, last = period.start.date(), period.end.date()
        return self._between(source_model, first, last)

    def ece_over_time(self, source_model: str, step: str = "week") -> list[Reliability]:
        """Reliability by ``day``, ``week`` (from Monday, ISO 8601) or ``month``, oldest first.

        Steps without observations are left out.

        Raises:
            InvalidInputError: for another step.
        """
        checks.one_of("step", step, STEPS)
        with self._lock:
            days = sorted(self._sums.get(source_model, {}))
        spans = dict.fromkeys(_span(day, step) for day in days)
        found = [self._between(source_model, first, last) for first, last in spans]
        return [each for each in found if each.n]

    def calibrated(self, source_model: str, confidence: float) -> float:
        """How likely something is to be true that the model says with ``confidence``, 0..1.

        What is known of the other models mends a confidence first, what is known of this one
        then; each as a stretch and shift of the log-odds that is held toward leaving it as it is
        by as much as 40 observations would hold it. It rises with the confidence. A model without
        observations is mended as the others are; without any the confidence comes back as it is.

        Raises:
            InvalidInputError: if the confidence is NaN or outside of 0..1.
        """
        likely = checks.unit_interval("confidence", confidence)
        for each in self._maps_of(source_model):
            likely = each(likely)
        return likely

    def to_dict(self) -> dict[str, Any]:
        """Everything that is known, as plain numbers for JSON."""
        with self._lock:
            return {
                "bins": BINS,
                "models": {
                    model: [
                        [day.isoformat(), position, each.n, each.confidence, each.correct]
                        for day, by_bin in sorted(days.items())
                        for position, each in sorted(by_bin.items())
                    ]
                    for model, days in self._sums.items()
                },
            }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over what another calibrator knew, from its :meth:`to_dict`; ours is forgotten.

        Raises:
            InvalidInputError: if it is something else; then nothing has changed.
        """
        try:
            if data["bins"] != BINS:
                raise InvalidInputError(f"these sums are over {data['bins']} bins, not {BINS}")
            rows = [
                (checks.text("source_model", model), *_row(row))
                for model, listed in dict(data["models"]).items()
                for row in listed
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError(f"not the reliability of models: {error}") from error
        with self._lock:
            self._sums.clear()
            self._maps.clear()
            for model, day, position, observed in rows:
                self._add(model, day, position, observed)

    def _add(self, source_model: str, day: date, position: int, observed: Observed) -> None:
        days = self._sums.setdefault(source_model, {})
        self._sums.move_to_end(source_model)
        bins = days.setdefault(day, {})
        bins[position] = bins.get(position, Observed()) + observed
        if len(days) > self._max_days:
            del days[min(days)]
        if len(self._sums) > self._max_models:
            self._sums.popitem(last=False)
        self._maps.clear()  # what is known of one model mends the others too

    def _bins(
        self, source_model: str, first: date = date.min, last: date = date.max
    ) -> dict[int, Observed]:
        with self._lock:
            return _summed(
                bins
                for day, bins in self._sums.get(source_model, {}).items()
                if first <= day <= last
            )

    def _between(self, source_model: str, first: date, last: date) -> Reliability:
        bins = self._bins(source_model, first, last)
        return reliability_of(source_model, bins, start=first, end=last)

    def _maps_of(self, source_model: str) -> tuple[RisingMap, ...]:
        with self._lock:
            if source_model in self._maps:
                return self._maps[source_model]
            own = _summed(self._sums.get(source_model, {}).values())
            others = _summed(
                bins
                for model, days in self._sums.items()
                if model != source_model
                for bins in days.values()
            )
            maps: tuple[RisingMap, ...] = ()
            for bins in (others, own):
                known = [each for each in map(bounded, bins.values()) if each.n]
                if known:
                    maps = (*maps, _fitted(known, maps))
            if len(self._maps) >= self._max_models:  # anybody may be asked about
                self._maps.clear()
            self._maps[source_model] = maps
            return maps


def _fitted(known: Iterable[Observed], before: tuple[RisingMap, ...]) -> RisingMap:
    """The map that fits what came to what was said, after the maps ``before`` have mended it."""
    scores, outcomes, weights = [], [], []
    for each in known:
        said = each.confidence / each.n
        for mend in before:
            said = mend(said)
        scores.append(said)
        outcomes.append(each.correct / each.n)
        weights.append(float(each.n))
    return fit_rising_map(scores, outcomes, PRIOR, weights)


def _summed(parts: Iterable[Mapping[int, Observed]]) -> dict[int, Observed]:
    bins: dict[int, Observed] = {}
    for part in parts:
        for position, observed in part.items():
            bins[position] = bins.get(position, Observed()) + observed
    return bins


def _span(day: date, step: str) -> tuple[date, date]:
    """First and last day of the step that a day lies in."""
    if step == "day":
        return day, day
    if step == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + min(timedelta(days=6), date.max - monday)
    return day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])


def _row(row: Any) -> tuple[date, int, Observed]:
    day, position, n, confidence, correct = row
    if not (type(n) is int and n > 0 and type(position) is int and 0 <= position < BINS):
        raise InvalidInputError(f"not sums of a bin: {row!r}")
    for name, total in (("confidence", confidence), ("correct", correct)):
        if checks.not_negative(name, total) > n:
            raise InvalidInputError(f"the sum of {name} {total} is more than {n} could have")
    return date.fromisoformat(day), position, Observed(n, float(confidence), float(correct))
