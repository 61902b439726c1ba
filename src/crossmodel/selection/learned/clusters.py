"""Topics for traffic that nobody has labelled: k-means over the features."""

from __future__ import annotations

from typing import Final

import numpy as np

from crossmodel.selection.learned.features import Matrix
from crossmodel.selection.learned.outcomes import Floats, Rows

QUERIES_PER_CLUSTER: Final = 60
MOST_CLUSTERS: Final = 48
ROUNDS: Final = 50


def topics_of(features: Matrix) -> Rows:
    """A topic per row, shape (n,): one cluster for each 60 rows, at most 48."""
    wanted = int(np.clip(len(features) // QUERIES_PER_CLUSTER, 1, MOST_CLUSTERS))
    return cluster(features, wanted)


def cluster(features: Matrix, wanted: int) -> Rows:
    """One of at most ``wanted`` clusters per row, shape (n,): Lloyd's algorithm from k-means++.

    The same rows give the same clusters.
    """
    points = features.astype(np.float64)
    centers = _seeds(points, wanted)
    labels = np.zeros(len(points), dtype=np.int64)
    for _ in range(ROUNDS):
        nearest = _squared(points, centers).argmin(axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        for position in np.unique(labels):
            centers[position] = points[labels == position].mean(axis=0)
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


def _seeds(points: Floats, wanted: int) -> Floats:
    """Seeds far from each other (Arthur and Vassilvitskii, 2007)."""
    rng = np.random.default_rng(0)
    centers = points[[int(rng.integers(len(points)))]]
    nearest = _squared(points, centers)[:, 0]
    while len(centers) < wanted and nearest.sum() > 0:
        pick = int(rng.choice(len(points), p=nearest / nearest.sum()))
        centers = np.vstack([centers, points[pick]])
        nearest = np.minimum(nearest, _squared(points, centers[-1:])[:, 0])
    return centers


def _squared(points: Floats, centers: Floats) -> Floats:
    squared = (points**2).sum(axis=1)[:, None] - 2 * points @ centers.T + (centers**2).sum(axis=1)
    return np.asarray(np.maximum(squared, 0.0), dtype=np.float64)
