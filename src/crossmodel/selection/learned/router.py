"""The learned router: what each model would make of a prompt, and what that would cost.

The static prior of each model is the base. What was seen on the prompt's topics moves an estimate
away from it, as far as the prompt is familiar and as far as there were answers to learn from.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from crossmodel.domain import checks
from crossmodel.errors import ModelNotFoundError
from crossmodel.selection.learned.calibration import Calibration
from crossmodel.selection.learned.cells import Cells
from crossmodel.selection.learned.dial import Traffic
from crossmodel.selection.learned.features import Matrix, combine, describe
from crossmodel.selection.learned.outcomes import Floats
from crossmodel.selection.learned.topics import Shares, Topics
from crossmodel.text.embedding import Embedder

BATCH: Final = 512
"""Prompts estimated at once: bounds the memory that a big file takes."""

NAMED_TOPICS: Final = 3
"""How many topics an explanation names."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What the router expects of each of its models on one prompt.

    Attributes:
        models: the router's models, shape (m,).
        quality: expected quality, 0..1, shape (m,).
        cost_usd: expected cost of one answer in USD, shape (m,).
        shares: the prompt's topics.
    """

    models: tuple[str, ...]
    quality: Floats
    cost_usd: Floats
    shares: Shares
    _cells: Cells
    _names: tuple[str, ...]

    @property
    def prior(self) -> Floats:
        """What the quality would be without knowing the prompt, shape (m,)."""
        return self._cells.prior

    @property
    def uncertainty(self) -> Floats:
        """Standard error of the quality, shape (m,)."""
        found = self._cells.uncertainty(self.shares)[0]
        return np.asarray(found, dtype=np.float64)

    @property
    def evidence(self) -> Floats:
        """Answers on the prompt's topics, weighted by their shares, shape (m,)."""
        found = self.shares.choice[0, :-1] @ self._cells.counts
        return np.asarray(found, dtype=np.float64)

    @property
    def familiarity(self) -> float:
        """Share of the estimate that comes from known topics, 0..1; the rest is prior."""
        return float(self.shares.familiarity[0])

    @property
    def topics(self) -> tuple[tuple[str, float], ...]:
        """The likeliest topics with their shares, likeliest first."""
        shares = self.shares.choice[0, :-1]
        order = np.argsort(-shares, kind="stable")[:NAMED_TOPICS]
        return tuple((self._names[k], float(shares[k])) for k in order)


class LearnedRouter:
    """Estimates quality and cost per prompt; learns on from feedback; thread-safe.

    Attributes:
        models: ids of the models it knows, shape (m,).
        traffic: a sample of what it was trained on, without the prompts: what dials are calibrated
            on.
        report: figures from training.
    """

    def __init__(
        self,
        *,
        embedder: Embedder,
        shape_center: Matrix,
        shape_spread: Matrix,
        topics: Topics,
        cells: Cells,
        calibration: Calibration,
        traffic: Traffic,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        self.embedder = embedder
        self.shape_center = shape_center
        self.shape_spread = shape_spread
        self.topics = topics
        self.cells = cells
        self.calibration = calibration
        self.traffic = traffic
        self.report = dict(report or {})
        self._lock = threading.Lock()

    @property
    def models(self) -> tuple[str, ...]:
        """Ids of the models it knows."""
        return self.cells.models

    def predict(self, prompts: Sequence[str]) -> tuple[Floats, Floats]:
        """Expected quality, 0..1, and cost in USD of each model; both of shape (n, m)."""
        cells = self.cells  # one state of it, whatever feedback comes meanwhile
        quality = np.empty((len(prompts), len(cells.models)))
        cost = np.empty_like(quality)
        for start in range(0, len(prompts), BATCH):
            batch = prompts[start : start + BATCH]
            shares = self._shares(batch)
            rows = slice(start, start + len(batch))
            quality[rows] = self.calibration.apply(cells.quality(shares), shares)
            cost[rows] = cells.cost(shares, np.array([len(text) for text in batch]))
        return quality, cost

    def estimate(self, prompt: str) -> Estimate:
        """What to expect on one prompt, with what it rests on."""
        shares, cells = self.shares(prompt), self.cells
        return Estimate(
            models=cells.models,
            quality=self.calibration.apply(cells.quality(shares), shares)[0],
            cost_usd=cells.cost(shares, np.array([len(prompt)]))[0],
            shares=shares,
            _cells=cells,
            _names=self.topics.names,
        )

    def update(self, prompt: str, model: str, quality: float) -> None:
        """Learn from one more outcome: its topics' figures move, their borders do not.

        Raises:
            ModelNotFoundError: if the router does not know the model; see :meth:`add_model`.
            InvalidInputError: if the quality lies outside of 0..1.
        """
        self.learn(self.shares(prompt), model, quality)

    def shares(self, prompt: str) -> Shares:
        """The topics of one prompt: what learning from its outcome needs of it."""
        return self._shares([prompt])

    def learn(self, shares: Shares, model: str, quality: float) -> None:
        """Learn from the outcome of a prompt of which the topics were kept.

        Raises:
            ModelNotFoundError: if the router does not know the model.
            InvalidInputError: if the quality lies outside of 0..1.
        """
        checks.unit_interval("quality", quality)
        if model not in self.models:
            raise ModelNotFoundError(
                f"the router does not know {model!r}; add_model first (known: "
                f"{', '.join(self.models)})"
            )
        with self._lock:
            self.cells = self.cells.with_outcome(model, shares, quality)

    def add_model(self, model: str, *, prior: float, cost_usd: float = 0.0) -> None:
        """Start to estimate a model that was not there in training.

        ``prior`` is its expected quality, 0..1, until outcomes say more; ``cost_usd`` what one
        answer costs.

        Raises:
            InvalidInputError: if it is known already, or a figure is out of range.
        """
        with self._lock:
            self.cells = self.cells.with_model(
                model,
                prior=checks.unit_interval("prior", prior),
                cost_usd=checks.not_negative("cost_usd", cost_usd),
            )

    def _shares(self, prompts: Sequence[str]) -> Shares:
        meaning, form = describe(self.embedder, prompts)
        features = combine(meaning, form, self.shape_center, self.shape_spread)
        distances = self.topics.distances(features)
        distances[~meaning.any(axis=1)] = np.inf  # no words: nothing to be familiar with
        return self.topics.shares(distances)
