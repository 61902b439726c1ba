"""Caution: what is learned by leaving whole topics out, as if they were the next unseen ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from crossmodel.selection.learned.cells import Cells, count_outcomes
from crossmodel.selection.learned.clusters import cluster
from crossmodel.selection.learned.features import Matrix
from crossmodel.selection.learned.outcomes import Floats, OutcomeTable, Rows
from crossmodel.selection.learned.topics import LEAST, Shares, Topics, distances_without, fit_gate

LEFT_OUT_GROUPS: Final = 20
"""Topics are left out in at most this many groups."""

CLUSTER_GROUPS: Final = 8
"""Clusters are left out in at most this many groups."""

HARM: Final = 0.01
"""Quality that a topic which was left out may lose against the static choice."""

CHANCE: Final = 2.0
"""Standard errors that a loss must be beyond."""

JUDGED_QUERIES: Final = 50
"""A topic must have this many queries for its loss to be more than chance."""

STEP: Final = 0.5
"""Log-odds by which caution grows at a time."""

STEPS: Final = 20


def learn_caution(
    outcomes: OutcomeTable, features: Matrix, labels: Rows, topics: Topics, held_out: Floats
) -> tuple[Topics, dict[str, float]]:
    """Topics with a gate under which none of them loses when it is left out, and what each gains.

    The gate tells queries that were held out singly, at distances ``held_out``, (n, k), from those
    whose whole topic was left out. Where a topic that was left out still loses, caution grows for
    those that its prompts were taken for; what looks like others is judged as before. Gains are in
    quality against the static choice, of the topics with enough queries.
    """
    groups = _topic_groups(outcomes, topics)[labels]
    distances = distances_without(features, labels, len(topics.names), groups)
    gate = fit_gate(topics.signals(held_out), topics.signals(distances))
    topics = replace(topics, gate=gate)
    trial = _Trial.of(outcomes, labels, len(topics.names), groups)
    for _ in range(STEPS):
        shares = topics.shares(distances)
        gains = trial.gains(shares)
        judged = {
            topic: gains[rows]
            for topic in range(len(topics.names))
            if len(rows := np.flatnonzero((labels == topic) & ~np.isnan(gains))) >= JUDGED_QUERIES
        }
        harmed = [topic for topic, gain in judged.items() if _does_harm(gain)]
        if not harmed:
            break
        blame = np.zeros(len(topics.names))
        for topic in harmed:
            lost = (labels == topic) & (gains < 0)
            taken_for = shares.choice[lost, :-1].mean(axis=0)
            blame = np.maximum(blame, taken_for / max(float(taken_for.max()), LEAST))
        topics = replace(topics, caution=topics.caution + STEP * blame)
    return topics, {topics.names[topic]: float(gain.mean()) for topic, gain in judged.items()}


def _does_harm(gain: Floats) -> bool:
    """Whether quality falls by more than is tolerated, and by more than chance explains."""
    error = float(gain.std()) / len(gain) ** 0.5
    return bool(float(gain.mean()) + CHANCE * error < -HARM)


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """Outcomes in groups, each with the cells that were counted on all the others."""

    outcomes: OutcomeTable
    groups: list[tuple[Rows, Cells]]

    @classmethod
    def of(cls, outcomes: OutcomeTable, labels: Rows, topics: int, groups: Rows) -> _Trial:
        parts = []
        for group in np.unique(groups):
            others = np.flatnonzero(groups != group)
            cells = count_outcomes(outcomes.take(others), labels[others], topics)
            parts.append((np.flatnonzero(groups == group), cells))
        return cls(outcomes, parts)

    def gains(self, shares: Shares) -> Floats:
        """Quality of the learned choice minus that of the static one, shape (n,).

        NaN where one of the two was not tried.
        """
        gain = np.full(len(self.outcomes), np.nan)
        for rows, cells in self.groups:
            learned = cells.quality(shares.take(rows)).argmax(axis=1)
            static = int(cells.prior.argmax())
            quality = self.outcomes.quality
            gain[rows] = quality[rows, learned] - quality[rows, static]
        return gain


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
