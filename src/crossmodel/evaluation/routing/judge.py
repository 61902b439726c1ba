"""A router beside what it has to beat, on queries that none of them has learned from."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from crossmodel.domain import checks
from crossmodel.domain.config import DialConfig
from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.routing import baselines, metrics
from crossmodel.evaluation.routing.metrics import Floats, Outcomes, Point, Predictions, Rows
from crossmodel.evaluation.routing.parts import (
    TRAIN,
    TUNE,
    Router,
    Train,
    complete_rows,
    outcomes_of,
    predict,
    uniform,
)
from crossmodel.selection.learned import DialSetting, OutcomeTable, Traffic, settle

ROUTER: Final = "CrossModel"
SEES_LABEL: Final = "domain prior (true label)"
PREDICTORS: Final[dict[str, Callable[[OutcomeTable], baselines.Predictor]]] = {
    "random": baselines.chance,
    "static": baselines.static,
    SEES_LABEL: baselines.domain_prior,
    "kNN": baselines.neighbours,
    "TF-IDF+logistic": baselines.logistic,
    "oracle": baselines.oracle,
}
RIVALS: Final = ("random", "static", "kNN", "TF-IDF+logistic")
"""The baselines that see neither the truth nor the true domain."""

FOLDS: Final = 5
TIMED: Final = 200
DIAL: Final = DialConfig(least_quality_share=0.95)
"""What the price is chosen for on one part."""

COST_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table; figures that a row cannot have are ``None``.

    ``aiq`` comes with its 95 % interval; ``cost`` and ``quality`` are those of a single point, in
    USD a query; ``regret`` is what is missing to the oracle at no price; ``ms`` is the median time
    of one prompt by itself.
    """

    name: str
    aiq: float | None = None
    aiq_low: float | None = None
    aiq_high: float | None = None
    apgr: float | None = None
    cpt50: float | None = None
    cpt80: float | None = None
    quality_at_quarter: float | None = None
    regret: float | None = None
    brier: float | None = None
    ece: float | None = None
    ms: float | None = None
    cost: float | None = None
    quality: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The table and what it was made on.

    ``curves`` are hulls for a plot, by row. ``predictions`` are of the queries ``query_ids``: all
    of the file, even where an answer is missing, if the router was trained on another one.
    """

    trained_on: str
    judged_queries: int
    models: tuple[str, ...]
    filled_costs: int
    incomplete_queries: int
    lines: tuple[Line, ...]
    tuned: DialSetting
    curves: dict[str, list[Point]]
    singles: dict[str, Point]
    query_ids: tuple[str, ...]
    predictions: Predictions

    def line(self, name: str) -> Line:
        """The row of that name."""
        return next(line for line in self.lines if line.name == name)

    @property
    def best_rival(self) -> Line:
        """The best baseline that does not see the true label."""
        return max((self.line(name) for name in RIVALS), key=lambda line: line.aiq or 0.0)

    @property
    def verdict(self) -> str:
        """Who wins, in a sentence."""
        ours, rival = self.line(ROUTER), self.best_rival
        assert ours.aiq is not None
        assert ours.aiq_high is not None
        assert rival.aiq is not None
        figures = f"AIQ {ours.aiq:.3f} against {rival.aiq:.3f}"
        if ours.aiq >= rival.aiq:
            return f"{ROUTER} is at or above the best baseline, {rival.name}: {figures}."
        if ours.aiq_high >= rival.aiq:
            return f"{rival.name} is above {ROUTER}, within its interval: {figures}."
        return f"{rival.name} beats {ROUTER}: {figures}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "trained_on": self.trained_on,
            "judged_queries": self.judged_queries,
            "models": list(self.models),
            "filled_costs": self.filled_costs,
            "incomplete_queries": self.incomplete_queries,
            "table": [asdict(line) for line in self.lines],
            "best_baseline": self.best_rival.name,
            "verdict": self.verdict,
            "tuned": self.tuned.to_dict(),
        }


def judge_trained(table: OutcomeTable, router: Router) -> Judgement:
    """Judge a router that was trained elsewhere, on every query of the table.

    The baselines that have to learn do so on the table itself, by five-fold cross-fitting over the
    query ids. The price is chosen on one half and reported on the other.

    Raises:
        InvalidInputError: if the router does not know a model of the table, or there are too few
            queries with a quality for every model.
    """
    missing = sorted(set(table.models) - set(router.models))
    if missing:
        raise InvalidInputError(
            f"the router does not know {', '.join(missing)}; it knows {', '.join(router.models)}"
        )
    whole = complete_rows(table)
    complete = table.take(whole)
    folds = (uniform(complete.query_ids) * FOLDS).astype(np.int64)

    def cross_fitted(make: Callable[[OutcomeTable], baselines.Predictor]) -> Floats:
        found = np.empty_like(complete.quality)
        for fold in np.unique(folds):
            rows, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            found[rows] = make(complete.take(others))(complete.take(rows))
        return found

    half = uniform(complete.query_ids, "half") < 0.5  # noqa: PLR2004 - a half
    predictions = predict(router, table)
    found = _judge(
        complete,
        router,
        predictions.take(whole),
        {name: cross_fitted(make) for name, make in PREDICTORS.items()},
        left_out=len(table) - len(whole),
        parts=(np.flatnonzero(half), np.flatnonzero(~half)),
        trained_on="another file; baselines by cross-fitting on this one",
    )
    return replace(found, query_ids=table.query_ids, predictions=predictions)


def judge_training(table: OutcomeTable, train: Train) -> Judgement:
    """Train on 60 % of the queries, choose the price on 20 %, and judge on the other 20 %.

    Raises:
        InvalidInputError: if there are too few queries.
    """
    part = uniform(table.query_ids)
    learned = table.take(np.flatnonzero(part < TRAIN))
    others = table.take(np.flatnonzero(part >= TRAIN))
    whole = complete_rows(others)
    held_out = others.take(whole)
    tuning = uniform(held_out.query_ids) < TUNE
    router = train(learned)
    return _judge(
        held_out,
        router,
        predict(router, held_out),
        {name: make(learned)(held_out) for name, make in PREDICTORS.items()},
        left_out=len(others) - len(whole),
        parts=(np.flatnonzero(tuning), np.flatnonzero(~tuning)),
        trained_on=f"{len(learned)} other queries of this file",
        judged=np.flatnonzero(~tuning),
    )


def _judge(
    table: OutcomeTable,
    router: Router,
    ours: Predictions,
    predicted: dict[str, Floats],
    *,
    left_out: int,
    parts: tuple[Rows, Rows],
    trained_on: str,
    judged: Rows | None = None,
) -> Judgement:
    rows = np.arange(len(table)) if judged is None else judged
    tuning, reporting = parts
    checks.at_least("number of complete queries to judge on", min(len(rows), len(tuning)), 2)
    truth, filled = outcomes_of(table)
    traffic = _traffic(table.models, truth, ours)
    tuned = settle(DIAL, traffic.take(tuning), traffic.take(reporting))
    truth, ours = truth.take(rows), ours.take(rows)
    # baselines know the true cost of each query: that favours them
    everyone = {name: Predictions(q[rows], truth.cost) for name, q in predicted.items()}
    everyone |= {ROUTER: ours, "oracle": everyone.pop("oracle")}
    singles = truth.singles()
    lines = [_line(name, truth, each) for name, each in everyone.items()]
    position = next(i for i, line in enumerate(lines) if line.name == ROUTER)
    lines[position] = _timed(lines[position], router, table.take(rows))
    points = [
        Line(
            "cheapest", cost=singles[truth.cheapest].cost, quality=singles[truth.cheapest].quality
        ),
        Line("best single", cost=singles[truth.best].cost, quality=singles[truth.best].quality),
    ]
    return Judgement(
        trained_on=trained_on,
        judged_queries=len(rows),
        models=table.models,
        filled_costs=filled,
        incomplete_queries=left_out,
        lines=(lines[0], *points, *lines[1:]),
        tuned=tuned,
        curves={name: metrics.hull(metrics.sweep(truth, each)) for name, each in everyone.items()},
        singles=dict(zip(table.models, singles, strict=True)),
        query_ids=tuple(table.query_ids[row] for row in rows),
        predictions=ours,
    )


def _line(name: str, truth: Outcomes, predictions: Predictions) -> Line:
    low, high = metrics.bootstrap(
        len(truth.quality),
        lambda rows: metrics.aiq_of(truth.take(rows), predictions.take(rows)),
    )
    quarter = COST_SHARE * truth.singles()[truth.best].cost
    return Line(
        name,
        aiq=metrics.aiq_of(truth, predictions),
        aiq_low=low,
        aiq_high=high,
        apgr=metrics.apgr(truth, predictions),
        cpt50=metrics.cpt(truth, predictions, 0.5),
        cpt80=metrics.cpt(truth, predictions, 0.8),
        quality_at_quarter=_known(metrics.quality_at(metrics.sweep(truth, predictions), quarter)),
        regret=metrics.regret(truth, predictions),
        brier=metrics.brier(truth, predictions),
        ece=metrics.ece(truth, predictions),
    )


def _known(figure: float) -> float | None:
    return None if np.isnan(figure) else figure


def _timed(line: Line, router: Router, table: OutcomeTable) -> Line:
    seconds = []
    for prompt in table.prompts[:TIMED]:
        started = time.perf_counter()
        router.predict([prompt])
        seconds.append(time.perf_counter() - started)
    return Line(**asdict(line) | {"ms": 1000 * statistics.median(seconds)})


def _traffic(models: tuple[str, ...], truth: Outcomes, ours: Predictions) -> Traffic:
    return Traffic(models, ours.quality, ours.cost, truth.quality, truth.cost)
