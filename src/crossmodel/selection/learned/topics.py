"""Topics: which kind of traffic a prompt belongs to, and whether it belongs to any.

Topics are Gaussians of one common covariance (Fisher's linear discriminant analysis), each with a
radius of its own, beside a background that takes what is far from all of them. The share of the
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

SHARPNESS: Final = 32.0
"""How many independent dimensions distances are taken to have.

Embeddings have hundreds that are far from independent; taken at their word they make every
posterior certain. Measured on both development sets: tempering to this leaves familiar prompts as
good as before and halves what is lost on domains that were left out.
"""

BACKGROUND: Final = 1.2
"""Distance from a topic, in typical distances of its own members, where the background begins."""

LEVEL_BACKGROUND: Final = 1.6
"""Where the background begins for how hard a prompt is.

It lies further out: a wrong level misleads nobody's choice, and the right one is what calibrated
probabilities need most.
"""

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


@dataclass(frozen=True, eq=False)
class Topics:
    """A fitted topic model.

    Attributes:
        names: shape (k,).
        sizes: how many prompts each was learned from, shape (k,).
        whitening: shape (d, d): makes the covariance within topics spherical.
        centroids: shape (k, d), whitened.
        radii: typical squared distance of a topic's own unseen members, shape (k,).
        background: how far the background is, in those radii, for which model is better.
    """

    names: tuple[str, ...]
    sizes: Floats
    whitening: Matrix
    centroids: Matrix
    radii: Floats
    background: float = BACKGROUND

    def distances(self, features: Matrix) -> Floats:
        """Squared Mahalanobis distance to each topic, shape (n, k)."""
        return _squared_distances(features @ self.whitening, self.centroids)

    def shares(self, distances: Floats) -> Shares:
        """How much each topic, and last the background, has to say; both of shape (n, k + 1)."""
        logits = self._offsets - SHARPNESS / 2 * (distances / self.radii)
        top = logits.max(axis=1, keepdims=True)
        top = np.maximum(top, -FAR)  # infinitely far from everything is far enough
        weights = np.exp(logits - top)
        total = weights.sum(axis=1, keepdims=True)
        return Shares(
            _against(self.background, weights, total, top),
            _against(LEVEL_BACKGROUND, weights, total, top),
        )

    @functools.cached_property
    def _offsets(self) -> Floats:
        """What each topic's logit is before distance counts, shape (k,)."""
        narrower = np.log(self.radii / np.exp(np.log(self.radii).mean()))
        prior = np.log(self.sizes / self.sizes.sum())
        return np.asarray(prior - SHARPNESS / 2 * narrower, dtype=np.float64)


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


def _against(background: float, weights: Floats, total: Floats, top: Floats) -> Floats:
    """Shares of topics with these weights, and last of a background at that distance."""
    odds = total * np.exp(np.minimum(top + SHARPNESS / 2 * background, FAR))
    known = odds / (1 + odds)
    return np.concatenate([weights * (known / np.maximum(total, 1e-300)), 1 - known], axis=1)


def _squared_distances(points: Matrix, centroids: Matrix) -> Floats:
    squared = (
        np.einsum("nd,nd->n", points, points)[:, None]
        - 2 * points @ centroids.T
        + np.einsum("kd,kd->k", centroids, centroids)
    )
    return np.asarray(np.maximum(squared, 0.0), dtype=np.float64)
