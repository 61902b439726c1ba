"""Figures of a stretch of time, rolled up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crossmodel.telemetry.names import OTHER
from crossmodel.telemetry.summary import Summary

HOUR: Final = 3600
DAY: Final = 24 * HOUR

EVERY: Final = ""
"""Stands for all models together."""

MOST_MODELS: Final = 100
"""Models that one stretch of time tells apart."""


class Observation(NamedTuple):
    """One call of ``record_metrics``: its figures, and the model that they are about.

    ``at`` is in seconds since 1970, UTC; ``model`` is empty if none was named.
    """

    at: float
    name: str
    model: str
    figures: Mapping[str, float]


class Bucket:
    """All observations of ``seconds`` from ``start`` on, in seconds since 1970.

    Attributes:
        start: when it begins, UTC.
        seconds: how long it is.
        is_whole: whether all of it counts, since it was kept rolled up, though only part of it may
            lie within the period that was asked for.
        summaries: by the name of the observations, the model, and the name of the figure;
            those of :data:`EVERY` model too.
    """

    __slots__ = ("_models", "is_whole", "seconds", "start", "summaries")

    def __init__(self, start: int, seconds: int) -> None:
        self.start = start
        self.seconds = seconds
        self.is_whole = False
        self.summaries: dict[tuple[str, str, str], Summary] = {}
        self._models: set[str] = set()

    def __len__(self) -> int:
        """How many summaries there are: what it takes of memory."""
        return len(self.summaries)

    @property
    def end(self) -> int:
        """The first second that is not its own."""
        return self.start + self.seconds

    @property
    def starts_at(self) -> datetime:
        """When it begins."""
        return datetime.fromtimestamp(self.start, UTC)

    def add(self, seen: Observation) -> None:
        """Count an observation."""
        models = (EVERY, self._fold(seen.model)) if seen.model else (EVERY,)
        for key, figure in seen.figures.items():
            for model in models:
                self._at(seen.name, model, key).add(figure)

    def merge(self, other: Bucket) -> None:
        """Count everything that the other has counted."""
        for (name, model, key), summary in other.summaries.items():
            self._at(name, self._fold(model) if model else EVERY, key).merge(summary)

    def of(self, name: str, key: str, model: str = EVERY) -> Summary:
        """The figures of that name; an empty summary if there are none."""
        return self.summaries.get((name, model, key)) or Summary()

    def models(self, name: str) -> Iterator[str]:
        """The models that observations of that name were about, in order."""
        yield from sorted({model for its, model, _ in self.summaries if its == name and model})

    def _at(self, name: str, model: str, key: str) -> Summary:
        found = self.summaries.get((name, model, key))
        if found is None:
            found = self.summaries[name, model, key] = Summary()
        return found

    def _fold(self, model: str) -> str:
        if model not in self._models:
            if len(self._models) >= MOST_MODELS:
                return OTHER
            self._models.add(model)
        return model
