"""Where routers fail first: domains nobody has seen, few outcomes, models that are new."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.routing import baselines, metrics
from crossmodel.evaluation.routing.metrics import Predictions
from crossmodel.evaluation.routing.parts import (
    TUNE,
    Train,
    complete_rows,
    one_thread,
    outcomes_of,
    predict,
    uniform,
)
from crossmodel.ports import Spread
from crossmodel.selection.learned import LearnedRouter, OutcomeTable

JUDGED_QUERIES: Final = 50
"""A domain must have this many queries to be left out and judged."""

LABEL_SIZES: Final = (50, 200, 800, 3200)
OUTCOMES: Final = (0, 10, 30, 100, 300)
"""Of a new model, after which it is judged."""

ORDERS: Final = 5
"""In which outcomes arrive: figures are their means."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One domain that was left out of training: quality at no price."""

    domain: str
    queries: int
    router: float
    static: float
    router_aiq: float
    static_aiq: float


@dataclass(frozen=True, slots=True)
class Labelled:
    """Figures after training on so many queries."""

    queries: int
    router_aiq: float
    router_ece: float
    knn_aiq: float


@dataclass(frozen=True, slots=True)
class Joined:
    """Figures after so many outcomes of a new model: quality at no price, and AIQ."""

    outcomes: int
    quality: float
    aiq: float


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model that joins a router: quality at no price before it came, and as trained with it."""

    model: str
    without: float
    trained: float
    trained_aiq: float
    steps: tuple[Joined, ...]


def leave_one_domain_out(
    table: OutcomeTable,
    train: Train,
    progress: Progress = lambda _: None,
    spread: Spread = map,
) -> list[LeftOut]:
    """Train without each domain of at least 50 queries, and judge on it.

    The static choice is the model of the best mean quality in training; for its AIQ, the one that
    the training means choose at each price. ``spread`` shares out the domains.

    Raises:
        InvalidInputError: if no domain is large enough, or there is but one.
    """
    complete = table.take(complete_rows(table))
    domains = np.array(complete.domains)
    large = [d for d in sorted(set(complete.domains)) if (domains == d).sum() >= JUDGED_QUERIES]
    if not large or len(set(complete.domains)) < 2:  # noqa: PLR2004 - one has to stay
        raise InvalidInputError(
            f"leaving domains out needs two of them, one of {JUDGED_QUERIES} queries or more"
        )
    found = []
    for each in spread(_LeavingOut(complete, train), large):
        progress(each.domain)
        found.append(each)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _LeavingOut:
    """Trains without a domain, and judges on it."""

    table: OutcomeTable
    train: Train

    def __call__(self, domain: str) -> LeftOut:
        with one_thread():
            return self._leave_out(domain)

    def _leave_out(self, domain: str) -> LeftOut:
        domains = np.array(self.table.domains)
        inside, outside = np.flatnonzero(domains == domain), np.flatnonzero(domains != domain)
        rest, judged = self.table.take(outside), self.table.take(inside)
        truth, _ = outcomes_of(judged)
        ours = predict(self.train(rest), judged)
        means = np.tile(rest.quality.mean(axis=0), (len(judged), 1))
        static = Predictions(
            means, np.tile(outcomes_of(rest)[0].cost.mean(axis=0), (len(judged), 1))
        )
        return LeftOut(
            domain,
            len(judged),
            metrics.reached(truth, ours.choices()).quality,
            metrics.reached(truth, static.choices()).quality,
            metrics.aiq_of(truth, ours),
            metrics.aiq_of(truth, static),
        )


def label_curve(
    table: OutcomeTable,
    train: Train,
    sizes: Sequence[int] = LABEL_SIZES,
    progress: Progress = lambda _: None,
    spread: Spread = map,
) -> list[Labelled]:
    """AIQ and ECE on a fixed fifth of the queries, after training on more and more of the others.

    ``spread`` shares out the sizes.

    Raises:
        InvalidInputError: if not even the smallest size is there.
    """
    part = uniform(table.query_ids)
    held_out = table.take(np.flatnonzero(part >= TUNE))
    held_out = held_out.take(complete_rows(held_out))
    pool = np.flatnonzero(part < TUNE)
    pool = pool[np.argsort(part[pool], kind="stable")]
    fitting = [size for size in sizes if size <= len(pool)]
    if not fitting:
        raise InvalidInputError(f"a label curve needs {min(sizes)} queries to train on")
    learned = table.take(pool[: max(fitting)])
    found = []
    for each in spread(_Learning(learned, held_out, train), fitting):
        progress(f"{each.queries} queries")
        found.append(each)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Learning:
    """Trains on the first queries of ``learned``, and judges on those that were held out."""

    learned: OutcomeTable
    held_out: OutcomeTable
    train: Train

    def __call__(self, size: int) -> Labelled:
        with one_thread():
            return self._learn(size)

    def _learn(self, size: int) -> Labelled:
        truth, _ = outcomes_of(self.held_out)
        learned = self.learned.take(range(size))
        ours = predict(self.train(learned), self.held_out)
        knn = Predictions(baselines.neighbours(learned)(self.held_out), truth.cost)
        return Labelled(
            size,
            metrics.aiq_of(truth, ours),
            metrics.ece(truth, ours),
            metrics.aiq_of(truth, knn),
        )


def new_model(
    table: OutcomeTable,
    train: Callable[[OutcomeTable], LearnedRouter],
    model: str,
    sizes: Sequence[int] = OUTCOMES,
    progress: Progress = lambda _: None,
) -> NewModel:
    """Train without a model, let it join, and judge on a fixed fifth after more and more outcomes.

    It starts with the mean quality of all models: nobody said how good it is. Outcomes arrive as
    feedback does, one by one, in several random orders.

    Raises:
        InvalidInputError: if the table does not have the model, or too few outcomes of it.
    """
    if model not in table.models or len(table.models) < 3:  # noqa: PLR2004 - two have to stay
        raise InvalidInputError(
            f"{model!r} cannot join: a file with it and two others is needed, not one of "
            f"{', '.join(table.models)}"
        )
    part = uniform(table.query_ids)
    held_out = table.take(np.flatnonzero(part >= TUNE))
    held_out = held_out.take(complete_rows(held_out))
    known = table.take(np.flatnonzero(part < TUNE))
    column = table.models.index(model)
    pool = np.flatnonzero(~np.isnan(known.quality[:, column]))
    fitting = [size for size in sizes if size <= len(pool)]
    truth, _ = outcomes_of(held_out)
    progress("without it")
    without = train(known.without(model))
    quality = float(np.nanmean(known.quality))
    cost = float(outcomes_of(known)[0].cost[:, column].mean())
    reached: dict[int, list[float]] = {size: [] for size in fitting}
    areas: dict[int, list[float]] = {size: [] for size in fitting}
    for order in range(ORDERS):
        router = copy.copy(without)  # what it learned so far is shared, what it learns is not
        router.add_model(model, prior=quality, cost_usd=cost)
        rows, done = np.random.default_rng(order).permutation(pool), 0
        for size in fitting:
            progress(f"{size} outcomes, order {order + 1} of {ORDERS}")
            for row in rows[done:size]:
                router.update(known.prompts[row], model, float(known.quality[row, column]))
            done = size
            expected = predict(router, held_out)
            reached[size].append(metrics.reached(truth, expected.choices()).quality)
            areas[size].append(metrics.aiq_of(truth, expected))
    progress("trained on all")
    best, alone = predict(train(known), held_out), predict(without, held_out.without(model))
    return NewModel(
        model=model,
        without=metrics.reached(outcomes_of(held_out.without(model))[0], alone.choices()).quality,
        trained=metrics.reached(truth, best.choices()).quality,
        trained_aiq=metrics.aiq_of(truth, best),
        steps=tuple(
            Joined(size, float(np.mean(reached[size])), float(np.mean(areas[size])))
            for size in fitting
        ),
    )
