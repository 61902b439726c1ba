"""Rankings: several made into one, and one made diverse."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np

from crossmodel.text.embedding import Vector

Key = TypeVar("Key", bound=Hashable)

SMOOTHING: Final = 60
"""How little the first places weigh more than those that follow: the constant of the paper."""


def fused(rankings: Sequence[Sequence[Key]]) -> dict[Key, float]:
    """One ranking of several, best first, each key with its relevance 0..1.

    Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): the sum of ``1 / (60 +
    rank)`` over the rankings, as a share of what the first place in all of them gives. Of equals,
    the one that an earlier ranking names comes first. A ranking names a key once.
    """
    best = len(rankings) / (SMOOTHING + 1)
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, 1):
            scores[key] = scores.get(key, 0.0) + 1.0 / (SMOOTHING + rank)
    # clipped: as floats, the parts may sum to a hair more than the whole
    return {
        key: min(1.0, score / best)
        for key, score in sorted(scores.items(), key=lambda each: -each[1])
    }


def diverse(
    relevance: Mapping[Key, float], vectors: Mapping[Key, Vector], limit: int, diversity: float
) -> list[Key]:
    """Up to ``limit`` of the keys, each the best trade of relevance for news at its turn.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) with lambda ``1 - diversity``:
    relevance 0..1 against the highest cosine, -1..1, with what has been taken. ``diversity`` 0
    keeps the order; with 1 only the first place goes by relevance. A key without a vector is like
    no other. Of equals, the more relevant comes first.
    """
    keys = sorted(relevance, key=lambda key: -relevance[key])
    if not keys or limit < 1:
        return []
    width = max((len(vector) for vector in vectors.values()), default=1)
    zeros = np.zeros(width, dtype=np.float32)
    matrix = np.stack([vectors.get(key, zeros) for key in keys])
    worth = (1.0 - diversity) * np.array([relevance[key] for key in keys])
    nearest = np.full(len(keys), -1.0)
    taken = [0]
    left = np.ones(len(keys), dtype=bool)
    while len(taken) < min(limit, len(keys)):
        left[taken[-1]] = False
        nearest = np.maximum(nearest, matrix @ matrix[taken[-1]])
        taken.append(int(np.argmax(np.where(left, worth - diversity * nearest, -np.inf))))
    return [keys[place] for place in taken]
