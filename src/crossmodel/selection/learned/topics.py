"""Topics: which kind of traffic a prompt belongs to, and whether it belongs to any.

Topics are Gaussians of one common covariance (Fisher's linear discriminant analysis), each with a
radius of its own, beside a background that takes what belongs to none of them. The share of the
background is what makes "out of distribution" explicit.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from crossmodel.selection.learned.outcomes import Floats, Rows

Matrix = npt.NDArray[np.float32]

SHRINKAGE: Final = 0.05
"""Share of the covariance that is taken to be spherical, against chance in small samples."""

EDGE_SHARE: Final = 0.85
"""Share of a topic's own unseen members that lie within its edge."""

DECAY: Final = 3.2
"""How much a logit falls from the typical distance to the edge.

Taken at their word, the hundreds of dimensions of an embedding, far from independent, make every
posterior certain. Tying the fall to how distances of own members really spread tempers that.
"""

LEVEL_BACKGROUND: Final = 3.0
"""Where the background begins for how hard a prompt is, in edges beyond the typical distance.

It lies far out: a wrong level misleads nobody's choice, and the right one is what calibrated
probabilities need most.
"""

NOWHERE: Final = -60.0
"""Log-closeness of what is far from everything."""

LEAST: Final = 1e-300
"""Stands in for a sum of exponentials that vanished."""

NEWTON_STEPS: Final = 30

LEAST_SLOPE: Final = 0.05
"""Of the gate: what is far from everything is foreign, whatever one file of traffic says."""

LEAST_EDGE: Final = 0.02
"""Distances of own members never spread less: there are prompts that differ by a comma."""

FAR: Final = 500.0
"""Logits end here: beyond it exponentials have no digits left."""

RADIUS_PRIOR: Final = 20
"""Members' worth of the common radius that each topic's own is shrunk by."""


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Shares of topics and, last, of the background in some prompts; rows sum to 1.

    Attributes:
        choice: for which model is better, cautious, shape (n, k + 1).
        level: for how good answers will be at all, shape (n, k + 1).
    """

    choice: Floats
    level: Floats

    @property
    def familiarity(self) -> Floats:
        """Share of known topics in the choice, shape (n,): 1 minus the background's."""
        return np.asarray(1 - self.choice[:, -1], dtype=np.float64)

    def take(self, rows: Rows) -> Shares:
        """Those of some prompts."""
        return Shares(self.choice[rows], self.level[rows])


@dataclass(frozen=True, slots=True)
class Gate:
    """How likely a prompt is of a known kind: the log-odds are linear in two signals.

    What is far from every topic is not, and neither is what lies between several: prompts of a
    domain that was left out scatter over those that look like it. The weights are learned by
    leaving topics out.

    Attributes:
        intercept: log-odds at a closeness of 1 in one topic alone.
        closeness: weight of the logarithm of the closeness to all topics together.
        concentration: weight of the logarithm of how much one topic has to itself.
    """

    intercept: float = DECAY
    closeness: float = 1.0
    concentration: float = 0.0

    def log_odds(self, signals: Floats) -> Floats:
        """Of prompts with these signals, (n, 2); shape (n, 1)."""
        odds = self.intercept + signals @ np.array([self.closeness, self.concentration])
        odds[signals[:, 0] <= NOWHERE] = -FAR
        return np.asarray(odds[:, None], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Topics:
    """A fitted topic model.

    Attributes:
        names: shape (k,).
        sizes: how many prompts each was learned from, shape (k,).
        whitening: shape (d, d): makes the covariance within topics spherical.
        centroids: shape (k, d), whitened.
        radii: typical squared distance of a topic's own unseen members, shape (k,).
        edge: how far beyond 1, in radii, most own members lie at most.
        gate: whether a prompt is of a known kind, for which model is better on it.
        caution: log-odds that the gate takes off for what looks like each topic, shape (k,): more
            than 0 where others that look like it were misled.
    """

    names: tuple[str, ...]
    sizes: Floats
    whitening: Matrix
    centroids: Matrix
    radii: Floats
    edge: float
    gate: Gate
    caution: Floats

    def distances(self, features: Matrix) -> Floats:
        """Squared Mahalanobis distance to each topic, shape (n, k)."""
        return _squared_distances(features @ self.whitening, self.centroids)

    def shares(self, distances: Floats) -> Shares:
        """How much each topic, and last the background, has to say; both of shape (n, k + 1)."""
        among, signals = self._read(distances)
        odds = self.gate.log_odds(signals) - (among @ self.caution)[:, None]
        return Shares(
            _against(among, odds),
            _against(among, signals[:, :1] + DECAY * LEVEL_BACKGROUND),
        )

    def signals(self, distances: Floats) -> Floats:
        """What the gate looks at, shape (n, 2): logarithms of closeness and concentration."""
        return self._read(distances)[1]

    def _read(self, distances: Floats) -> tuple[Floats, Floats]:
        """Shares among the topics alone, shape (n, k), and the signals, (n, 2)."""
        closeness = self._prior - DECAY / self.edge * (distances / self.radii - 1)
        weights, total, _ = _exponentials(closeness - self._volume)
        among = weights / np.maximum(total, LEAST)
        _, sums, top = _exponentials(closeness)
        close = np.maximum(np.log(np.maximum(sums, LEAST)) + top, NOWHERE)
        concentration = np.log(np.maximum((among**2).sum(axis=1, keepdims=True), LEAST))
        return among, np.concatenate([close, np.maximum(concentration, NOWHERE)], axis=1)

    @functools.cached_property
    def _prior(self) -> Floats:
        return np.asarray(np.log(self.sizes / self.sizes.sum()), dtype=np.float64)

    @functools.cached_property
    def _volume(self) -> Floats:
        """What a topic's logit loses for being wide: a wide one is less dense everywhere.

        It counts among topics, not against the background: the members of a wide topic are as
        familiar as those of a narrow one.
        """
        wider = np.log(self.radii / np.exp(np.log(self.radii).mean()))
        return np.asarray(DECAY / self.edge * wider, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Discriminant:
    """Whitening and whitened centroids of some topics; ``present`` are those that had members."""

    whitening: Matrix
    centroids: Matrix
    present: npt.NDArray[np.bool_]

    def distances(self, features: Matrix) -> Floats:
        """Squared distance to each topic, shape (n, k); infinite for those without members."""
        found = _squared_distances(features @ self.whitening, self.centroids)
        found[:, ~self.present] = np.inf
        return found


def fit_discriminant(features: Matrix, labels: Rows, topics: int) -> Discriminant:
    """Fisher's linear discriminant analysis with a shrunk covariance.

    ``labels``, shape (n,), are in ``0..topics-1``.
    """
    counts = np.bincount(labels, minlength=topics)
    sums = np.zeros((topics, features.shape[1]))
    np.add.at(sums, labels, features)
    means = sums / np.maximum(counts, 1)[:, None]
    within = features - means[labels]
    covariance = within.T @ within / max(len(features), 1)
    level = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    whitening = (vectors / np.sqrt(values)).astype(np.float32)
    return Discriminant(whitening, (means @ whitening).astype(np.float32), counts > 0)


def distances_without(features: Matrix, labels: Rows, topics: int, groups: Rows) -> Floats:
    """Distance of each query to the topics as they are without its own group, shape (n, topics)."""
    found = np.full((len(labels), topics), np.inf)
    for group in np.unique(groups):
        out = groups == group
        found[out] = fit_discriminant(features[~out], labels[~out], topics).distances(features[out])
    return found


def typical_radii(own_distances: Floats, labels: Rows, topics: int) -> Floats:
    """Median distance of each topic's unseen members to it, shape (topics,), shrunk to all's."""
    known = np.isfinite(own_distances)
    common = float(np.median(own_distances[known])) if known.any() else 1.0
    radii = np.full(topics, common)
    for topic in range(topics):
        own = own_distances[known & (labels == topic)]
        if len(own):
            weight = len(own) / (len(own) + RADIUS_PRIOR)
            radii[topic] = weight * float(np.median(own)) + (1 - weight) * common
    return np.asarray(np.maximum(radii, 1e-9), dtype=np.float64)


def typical_edge(own_distances: Floats, labels: Rows, radii: Floats) -> float:
    """How far beyond 1, in radii, most of the topics' unseen members lie at most."""
    known = np.isfinite(own_distances)
    if not known.any():
        return 1.0
    reach = own_distances[known] / radii[labels[known]]
    return max(float(np.quantile(reach, EDGE_SHARE)) - 1, LEAST_EDGE)


def fit_gate(familiar: Floats, foreign: Floats) -> Gate:
    """The gate that tells these signals apart, (n, 2) each: logistic regression by Newton's method.

    Both sides weigh the same. No weight falls below 0: nothing is more familiar for being further
    away, or for lying between topics.
    """
    design = np.vstack([familiar, foreign])
    design = np.hstack([design, np.ones((len(design), 1))])
    target = np.repeat([1.0, 0.0], [len(familiar), len(foreign)])
    weight = 1 / np.repeat([len(familiar), len(foreign)], [len(familiar), len(foreign)])
    ridge = 1e-3 * np.eye(3)  # keeps what is told apart perfectly from running away
    beta = np.zeros(3)
    for _ in range(NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (weight * (probability - target)) + ridge @ beta
        slack = weight * probability * (1 - probability)
        beta -= np.linalg.solve((design * slack[:, None]).T @ design + ridge, gradient)
    closeness, concentration, intercept = (float(value) for value in beta)
    return Gate(intercept, max(closeness, LEAST_SLOPE), max(concentration, 0.0))


def _exponentials(logits: Floats) -> tuple[Floats, Floats, Floats]:
    """Exponentials scaled by the greatest logit of each row, their sums, and those logits."""
    top = np.maximum(logits.max(axis=1, keepdims=True), -FAR)  # far from everything is far enough
    scaled = np.exp(logits - top)
    return scaled, scaled.sum(axis=1, keepdims=True), top


def _against(among: Floats, log_odds: Floats) -> Floats:
    """Shares of the topics, and last of the background, when they are known with these odds."""
    known = 1 / (1 + np.exp(-np.clip(log_odds, -FAR, FAR)))
    return np.concatenate([among * known, 1 - known], axis=1)


def _squared_distances(points: Matrix, centroids: Matrix) -> Floats:
    squared = (
        np.einsum("nd,nd->n", points, points)[:, None]
        - 2 * points @ centroids.T
        + np.einsum("kd,kd->k", centroids, centroids)
    )
    return np.asarray(np.maximum(squared, 0.0), dtype=np.float64)
