"""Training a router from outcomes: topics, cells, calibration, and the proof of its caution."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

import numpy as np

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError
from crossmodel.selection.learned.calibration import fit_calibration
from crossmodel.selection.learned.cells import count_outcomes
from crossmodel.selection.learned.clusters import cluster, topics_of
from crossmodel.selection.learned.dial import Traffic
from crossmodel.selection.learned.features import Matrix, combine, describe, scale_of
from crossmodel.selection.learned.outcomes import Floats, OutcomeTable, Rows
from crossmodel.selection.learned.router import LearnedRouter
from crossmodel.selection.learned.topics import (
    Shares,
    Topics,
    fit_discriminant,
    fit_gate,
    typical_edge,
    typical_radii,
)
from crossmodel.text.embedding import Embedder, best_embedder

FOLDS: Final = 5
LEFT_OUT_GROUPS: Final = 20
"""Topics are left out in at most this many groups."""

BOLDNESS: Final = (0.0, -0.5, -1.0, -2.0, -4.0)
"""Added to the gate's log-odds, from bold to cautious: the first that does no harm is taken.

Never above 0, though that gains half a point of AIQ on known domains of llmrouter9: on those that
were left out, it turned a small gain of quality into a small loss.
"""

HARM: Final = 0.01
"""Quality that a topic which was left out may lose against the static choice."""

CLUSTER_GROUPS: Final = 8
"""Clusters are left out in at most this many groups."""

CHANCE: Final = 2.0
"""Standard errors that a loss must be beyond."""

JUDGED_QUERIES: Final = 50
"""A topic must have this many queries for its loss to be more than chance."""

TRAFFIC_SAMPLE: Final = 2000
"""Queries that a router's file keeps for calibrating dials."""


def train_router(outcomes: OutcomeTable, embedder: Embedder | None = None) -> LearnedRouter:
    """Learn a router from outcomes.

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
    meaning, form = describe(embedder, outcomes.prompts)
    center, spread = scale_of(form)
    features = combine(meaning, form, center, spread)
    names, labels = _topics_of(outcomes, features)

    folds = _folds(outcomes.query_ids)
    held_out = _distances_without(features, labels, len(names), folds)
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
    )
    losses: dict[str, float] = {}
    if len(names) > 1:
        topics, losses = _with_gate(outcomes, features, labels, topics, held_out)

    quality, cost, shares = _cross_fitted(outcomes, labels, topics, held_out, folds)
    calibration = fit_calibration(quality, outcomes.quality)
    quality = calibration.apply(quality, shares)
    sample = np.sort(np.argsort(_hashes(outcomes.query_ids), kind="stable")[:TRAFFIC_SAMPLE])
    return LearnedRouter(
        embedder=embedder,
        shape_center=center,
        shape_spread=spread,
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
            "boldness": topics.gate.intercept,
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


def _distances_without(features: Matrix, labels: Rows, topics: int, groups: Rows) -> Floats:
    """Distance of each query to the topics as they are without its own group, shape (n, topics)."""
    found = np.full((len(labels), topics), np.inf)
    for group in np.unique(groups):
        out = groups == group
        found[out] = fit_discriminant(features[~out], labels[~out], topics).distances(features[out])
    return found


def _with_gate(
    outcomes: OutcomeTable, features: Matrix, labels: Rows, topics: Topics, held_out: Floats
) -> tuple[Topics, dict[str, float]]:
    """The boldest gate under which no topic loses when it is left out, and what each then does.

    The gate tells queries that were held out singly from those whose whole topic was left out.
    """
    groups = _topic_groups(outcomes, topics)[labels]
    distances = _distances_without(features, labels, len(topics.names), groups)
    gate = fit_gate(topics.signals(held_out), topics.signals(distances))
    losses: dict[str, float] = {}
    for boldness in BOLDNESS:
        topics = replace(topics, gate=replace(gate, intercept=gate.intercept + boldness))
        gains = _gains_left_out(outcomes, labels, topics, distances, groups)
        losses = {name: float(gain.mean()) for name, gain in gains.items()}
        if not any(_does_harm(gain) for gain in gains.values()):
            break
    return topics, losses


def _does_harm(gain: Floats) -> bool:
    """Whether quality falls by more than is tolerated, and by more than chance explains."""
    error = float(gain.std()) / len(gain) ** 0.5
    return bool(float(gain.mean()) + CHANCE * error < -HARM)


def _gains_left_out(
    outcomes: OutcomeTable, labels: Rows, topics: Topics, distances: Floats, groups: Rows
) -> dict[str, Floats]:
    """Quality of the learned choice minus that of the static one, per topic that was left out.

    Only of topics with enough queries that both choices were tried on.
    """
    shares = topics.shares(distances)
    gain = np.full(len(labels), np.nan)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        others = np.flatnonzero(groups != group)
        cells = count_outcomes(outcomes.take(others), labels[others], len(topics.names))
        learned = cells.quality(shares.take(rows)).argmax(axis=1)
        static = int(cells.prior.argmax())
        gain[rows] = outcomes.quality[rows, learned] - outcomes.quality[rows, static]
    known = ~np.isnan(gain)
    return {
        name: gain[known & (labels == topic)]
        for topic, name in enumerate(topics.names)
        if (known & (labels == topic)).sum() >= JUDGED_QUERIES
    }


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


def _hashes(query_ids: tuple[str, ...]) -> Rows:
    digests = (hashlib.sha256(query.encode("utf-8", "replace")).digest() for query in query_ids)
    return np.array([int.from_bytes(digest[:7], "big") for digest in digests], dtype=np.int64)


def _folds(query_ids: tuple[str, ...]) -> Rows:
    """A fold per query, by its id: the same in every run."""
    return _hashes(query_ids) % FOLDS


def _topic_groups(outcomes: OutcomeTable, topics: Topics) -> Rows:
    """The group in which each topic is left out, shape (k,).

    A named one is left out by itself while there are few. Clusters are left out with those next to
    them: one alone would hardly be missed, since its neighbours cover it.
    """
    named = len(set(topics.names) & set(outcomes.domains))
    order = np.random.default_rng(0).permutation(named) % LEFT_OUT_GROUPS
    clusters = topics.centroids[named:]
    if not len(clusters):
        return np.asarray(order, dtype=np.int64)
    wanted = max(min(CLUSTER_GROUPS, len(clusters) // 2), 2)
    return np.concatenate([order, LEFT_OUT_GROUPS + cluster(clusters, wanted)])
