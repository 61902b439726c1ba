"""Parts of a table of outcomes, and what is true and predicted of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import numpy as np

from crossmodel.evaluation.routing.metrics import Floats, Outcomes, Predictions, Rows
from crossmodel.selection.learned import OutcomeTable, hashes

TRAIN, TUNE = 0.6, 0.8
"""Shares of the queries, by their hash, at which training and choosing a price end."""


class Router(Protocol):
    """What is judged."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it knows."""
        ...

    def predict(self, prompts: Sequence[str]) -> tuple[Floats, Floats]:
        """Expected quality, 0..1, and cost in USD, both (prompts, models)."""
        ...


Train = Callable[[OutcomeTable], Router]


def one_thread() -> AbstractContextManager[object]:
    """Sums in the order of one thread: how many processors there are must not change a figure."""
    try:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def predict(router: Router, table: OutcomeTable) -> Predictions:
    """The router's predictions in the order of the table's models."""
    quality, cost = router.predict(table.prompts)
    columns = [router.models.index(model) for model in table.models]
    return Predictions(quality[:, columns], cost[:, columns])


def complete_rows(table: OutcomeTable) -> Rows:
    """The queries that every model has a quality for."""
    return np.flatnonzero(~np.isnan(table.quality).any(axis=1))


def outcomes_of(table: OutcomeTable) -> tuple[Outcomes, int]:
    """Qualities and costs, and how many costs had to be guessed.

    A cost that nobody knows is taken to be the model's mean, in proportion to the prompt's length.
    """
    cost = table.cost_usd.copy()
    unknown = np.isnan(cost)
    if unknown.any():
        length = np.array([float(len(prompt)) for prompt in table.prompts])
        for column in range(cost.shape[1]):
            gaps = unknown[:, column]
            if gaps.all():
                cost[:, column] = 0.0
            elif gaps.any():
                per_character = cost[~gaps, column].sum() / max(length[~gaps].sum(), 1.0)
                cost[gaps, column] = per_character * length[gaps]
    return Outcomes(table.quality, cost), int(unknown.sum())


def uniform(query_ids: Sequence[str], salt: str = "") -> Floats:
    """A number in 0..1 for each query, by its id: the same in every run, on any part of a file."""
    return np.asarray(hashes(query_ids, f"{salt}/") / 2**56, dtype=np.float64)
