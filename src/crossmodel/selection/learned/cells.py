"""What was seen of each model on each topic, and the estimates that follow from it.

A cell is one model on one topic. Its estimate starts from the model's own level plus how hard the
topic is for everybody, and moves to the cell's own mean as answers come in: two-way additive
effects with pseudo-counts (empirical Bayes shrinkage). So a new model is useful after a few dozen
outcomes: they fix its level, and the topics are known.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError
from crossmodel.selection.learned.outcomes import Floats, OutcomeTable, Rows
from crossmodel.selection.learned.topics import Shares

CELL_PRIOR: Final = 5.0
"""Answers' worth of the additive guess in every cell."""

LEVEL_PRIOR: Final = 10.0
"""Answers' worth of the prior in every model's level."""

ROUNDS: Final = 5
"""Alternations between levels and difficulties; they settle within a few."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Sufficient statistics per topic and model; changed copies are made, never in place.

    Attributes:
        models: shape (m,).
        counts: answers, weighted by how much they belong to the topic, shape (k, m).
        sums: sum of their qualities, shape (k, m).
        initial: what each model was expected to be before any outcome, 0..1, shape (m,).
        usd_per_character: what a prompt costs to read, shape (m,).
        usd_per_answer: what the rest costs, per topic and last where it is unknown, (k + 1, m).
    """

    models: tuple[str, ...]
    counts: Floats
    sums: Floats
    initial: Floats
    usd_per_character: Floats
    usd_per_answer: Floats

    @functools.cached_property
    def _effects(self) -> tuple[Floats, Floats]:
        """Level of each model, shape (m,), and difficulty of each topic, shape (k,)."""
        level = self.initial.copy()
        difficulty = np.zeros(len(self.counts))
        per_model, per_topic = self.counts.sum(axis=0), self.counts.sum(axis=1)
        for _ in range(ROUNDS):
            surplus = (self.sums - self.counts * difficulty[:, None]).sum(axis=0)
            level = (surplus + LEVEL_PRIOR * self.initial) / (per_model + LEVEL_PRIOR)
            surplus = (self.sums - self.counts * level).sum(axis=1)
            difficulty = surplus / (per_topic + CELL_PRIOR)
            if per_topic.sum() > 0:
                difficulty -= float(per_topic @ difficulty / per_topic.sum())
        return level, difficulty

    @property
    def prior(self) -> Floats:
        """Expected quality of each model on a prompt that nothing is known of, shape (m,)."""
        return self._effects[0]

    @functools.cached_property
    def table(self) -> Floats:
        """Expected quality per topic, and last the prior, shape (k + 1, m)."""
        level, difficulty = self._effects
        guess = np.clip(level + difficulty[:, None], 0.0, 1.0)
        cells = (self.sums + CELL_PRIOR * guess) / (self.counts + CELL_PRIOR)
        return np.vstack([cells, level])

    @functools.cached_property
    def _parts(self) -> tuple[Floats, Floats]:
        """How models differ on each topic, (k + 1, m), and how well all do on it, (k + 1, 1)."""
        level = self.table.mean(axis=1, keepdims=True)
        return self.table - level, level

    def quality(self, shares: Shares) -> Floats:
        """Expected quality, 0..1, shape (n, m), of prompts with these topic shares."""
        contrasts, level = self._parts
        expected = shares.choice @ contrasts + shares.level @ level
        return np.asarray(np.clip(expected, 0.0, 1.0), dtype=np.float64)

    def uncertainty(self, shares: Shares) -> Floats:
        """Standard error of the expected quality, shape (n, m): binomial, by count of answers."""
        spread = self.table * (1 - self.table)
        answers = np.vstack([self.counts, self.counts.sum(axis=0)]) + CELL_PRIOR
        return np.sqrt(shares.choice**2 @ (spread / answers))

    def cost(self, shares: Shares, characters: Rows) -> Floats:
        """Expected cost of one answer in USD, shape (n, m)."""
        return characters[:, None] * self.usd_per_character + shares.level @ self.usd_per_answer

    def with_outcome(self, model: str, shares: Shares, quality: float) -> Cells:
        """These cells and one more outcome, shared out among the topics of its one prompt.

        The shares are those of the level: caution is for choosing, not for learning.
        """
        column = self.models.index(model)
        counts, sums = self.counts.copy(), self.sums.copy()
        belongs = shares.level[0, :-1]
        counts[:, column] += belongs
        sums[:, column] += belongs * quality
        return replace(self, counts=counts, sums=sums)

    def with_model(self, model: str, *, prior: float, cost_usd: float) -> Cells:
        """These cells and a model without outcomes."""
        checks.text("model", model)
        if model in self.models:
            raise InvalidInputError(f"the router knows {model!r} already")
        empty = np.zeros((len(self.counts), 1))
        return Cells(
            models=(*self.models, model),
            counts=np.hstack([self.counts, empty]),
            sums=np.hstack([self.sums, empty]),
            initial=np.append(self.initial, prior),
            usd_per_character=np.append(self.usd_per_character, 0.0),
            usd_per_answer=np.hstack(
                [self.usd_per_answer, np.full((len(self.usd_per_answer), 1), cost_usd)]
            ),
        )


def count_outcomes(outcomes: OutcomeTable, labels: Rows, topics: int) -> Cells:
    """Cells of a table whose rows belong to the topics ``labels``, shape (n,)."""
    known = ~np.isnan(outcomes.quality)
    counts = np.zeros((topics, len(outcomes.models)))
    sums = np.zeros_like(counts)
    np.add.at(counts, labels, known)
    np.add.at(sums, labels, np.where(known, outcomes.quality, 0.0))
    per_character, per_answer = _costs(outcomes, labels, topics)
    overall = float(sums.sum() / max(counts.sum(), 1.0))
    return Cells(
        models=outcomes.models,
        counts=counts,
        sums=sums,
        initial=np.full(len(outcomes.models), overall),
        usd_per_character=per_character,
        usd_per_answer=per_answer,
    )


def _costs(outcomes: OutcomeTable, labels: Rows, topics: int) -> tuple[Floats, Floats]:
    """USD per character read, shape (m,), and per answer by topic, (topics + 1, m).

    The price of reading is the slope of cost against length within topics; what is left is the
    answer, whose length the topic predicts. A model without any known cost is taken to cost what
    the others do on average.
    """
    length = np.array([len(prompt) for prompt in outcomes.prompts], dtype=np.float64)
    models = len(outcomes.models)
    slope, answer = np.zeros(models), np.full((topics + 1, models), np.nan)
    for column in range(models):
        known = ~np.isnan(outcomes.cost_usd[:, column])
        if not known.any():
            continue
        cost, size, label = outcomes.cost_usd[known, column], length[known], labels[known]
        counts = np.bincount(label, minlength=topics)
        some = np.maximum(counts, 1)
        size_within = size - (np.bincount(label, size, topics) / some)[label]
        cost_within = cost - (np.bincount(label, cost, topics) / some)[label]
        variance = float(size_within @ size_within)
        if variance > 0:
            slope[column] = max(float(size_within @ cost_within) / variance, 0.0)
        rest = np.maximum(cost - slope[column] * size, 0.0)
        common = float(rest.mean())
        sums = np.bincount(label, rest, topics)
        answer[:-1, column] = (sums + CELL_PRIOR * common) / (counts + CELL_PRIOR)
        answer[-1, column] = common
    if np.isnan(answer).all():
        return slope, np.zeros_like(answer)
    return slope, np.where(np.isnan(answer), np.nanmean(answer), answer)
