"""Training a router from outcomes: topics, cells, calibration, and the proof of its caution."""

from __future__ import annotations

from typing import Final

import numpy as np

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError
from crossmodel.ports import Spread
from crossmodel.selection.learned.calibration import fit_calibration
from crossmodel.selection.learned.caution import learn_caution
from crossmodel.selection.learned.cells import count_outcomes
from crossmodel.selection.learned.clusters import topics_of
from crossmodel.selection.learned.dial import Traffic
from crossmodel.selection.learned.features import Matrix, combine, describe, scale_of
from crossmodel.selection.learned.outcomes import Floats, OutcomeTable, Rows, hashes
from crossmodel.selection.learned.router import LearnedRouter
from crossmodel.selection.learned.topics import (
    Gate,
    Shares,
    Topics,
    distances_without,
    fit_discriminant,
    typical_edge,
    typical_radii,
)
from crossmodel.text.embedding import Embedder, best_embedder

FOLDS: Final = 5
TRAFFIC_SAMPLE: Final = 2000
"""Queries that a router's file keeps for calibrating dials."""


def train_router(
    outcomes: OutcomeTable, embedder: Embedder | None = None, *, spread: Spread = map
) -> LearnedRouter:
    """Learn a router from outcomes; ``spread`` shares out the reading of prompts.

    Domains, where the table has them, become topics; queries without one are clustered. Everything
    that is judged here is judged on queries that were not learned from: the radii, the calibration
    and the traffic sample by cross-fitting, the gate by leaving whole topics out.

    Raises:
        InvalidInputError: if there are fewer than two models or ten queries.
        MissingExtraError: if the embedder is not installed.
    """
    if len(outcomes.models) < 2:  # noqa: PLR2004 - a choice needs two
        raise InvalidInputError(f"outcomes of at least 2 models are needed, not {outcomes.models}")
    checks.at_least("number of queries", len(outcomes), 2 * FOLDS)
    embedder = embedder or best_embedder()
    meaning, form = describe(embedder, outcomes.prompts, spread)
    center, width = scale_of(form)
    features = combine(meaning, form, center, width)
    names, labels = _topics_of(outcomes, features)

    folds = _folds(outcomes.query_ids)
    held_out = distances_without(features, labels, len(names), folds)
    own = held_out[np.arange(len(labels)), labels]
    whole = fit_discriminant(features, labels, len(names))
    radii = typical_radii(own, labels, len(names))
    topics = Topics(
        names=names,
        sizes=np.bincount(labels, minlength=len(names)).astype(np.float64),
        whitening=whole.whitening,
        centroids=whole.centroids,
        radii=radii,
        edge=typical_edge(own, labels, radii),
        gate=Gate(),
        caution=np.zeros(len(names)),
    )
    losses: dict[str, float] = {}
    if len(names) > 1:
        topics, losses = learn_caution(outcomes, features, labels, topics, held_out)

    quality, cost, shares = _cross_fitted(outcomes, labels, topics, held_out, folds)
    calibration = fit_calibration(quality, outcomes.quality)
    quality = calibration.apply(quality, shares)
    sample = np.sort(np.argsort(hashes(outcomes.query_ids), kind="stable")[:TRAFFIC_SAMPLE])
    return LearnedRouter(
        embedder=embedder,
        shape_center=center,
        shape_spread=width,
        topics=topics,
        cells=count_outcomes(outcomes, labels, len(names)),
        calibration=calibration,
        traffic=Traffic(
            models=outcomes.models,
            expected_quality=quality[sample],
            expected_cost=cost[sample],
            quality=outcomes.quality[sample],
            cost_usd=outcomes.cost_usd[sample],
        ),
        report={
            "queries": len(outcomes),
            "models": len(outcomes.models),
            "topics": len(names),
            "caution": float(topics.caution.max()),
            "familiarity": float(shares.familiarity.mean()),
            "brier": float(np.nanmean((quality - outcomes.quality) ** 2)),
            "left_out_topics": len(losses),
            "left_out_worst_difference": min(losses.values(), default=None),
            "left_out_mean_difference": float(np.mean(list(losses.values()))) if losses else None,
        },
    )


def _topics_of(outcomes: OutcomeTable, features: Matrix) -> tuple[tuple[str, ...], Rows]:
    """Names of the topics and each query's: its domain, or its cluster where it has none."""
    domains = np.array(outcomes.domains)
    named = sorted(set(outcomes.domains) - {""})
    if len(named) == 1:  # one name for everything tells nothing apart
        domains, named = np.full(len(domains), ""), []
    labels = np.zeros(len(domains), dtype=np.int64)
    for position, name in enumerate(named):
        labels[domains == name] = position
    unnamed = domains == ""
    if not unnamed.any():
        return tuple(named), labels
    clusters = topics_of(features[unnamed])
    labels[unnamed] = len(named) + clusters
    return (*named, *(f"cluster {k + 1}" for k in range(int(clusters.max()) + 1))), labels


def _cross_fitted(
    outcomes: OutcomeTable, labels: Rows, topics: Topics, distances: Floats, folds: Rows
) -> tuple[Floats, Floats, Shares]:
    """Quality and cost as estimated without each query itself, (n, m), and its topic shares."""
    shares = topics.shares(distances)
    quality, cost = np.empty_like(outcomes.quality), np.empty_like(outcomes.quality)
    for fold in np.unique(folds):
        rows, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        cells = count_outcomes(outcomes.take(others), labels[others], len(topics.names))
        quality[rows] = cells.quality(shares.take(rows))
        lengths = np.array([len(outcomes.prompts[row]) for row in rows])
        cost[rows] = cells.cost(shares.take(rows), lengths)
    return quality, cost, shares


def _folds(query_ids: tuple[str, ...]) -> Rows:
    """A fold per query, by its id: the same in every run."""
    return hashes(query_ids) % FOLDS
