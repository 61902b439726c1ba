"""The suitability score: a weighted sum of five terms, each 0..1, for all models at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from crossmodel.domain.config import SelectionWeights
from crossmodel.domain.selection import RequestContext, ScoreTerms, TaskRequirement
from crossmodel.selection.table import Floats, Mask, ProfileTable, feature_bits

SORTED_WHOLE: Final = 1024
"""Up to as many models sorting all is faster than looking for the best one by one."""

MOST_PICKED: Final = 32
"""From so many wanted rows on, sorting all is faster again."""


@dataclass(slots=True, eq=False)
class Suitability:
    """Filters and totals of every model, in the order of the table.

    Attributes:
        table: the models.
        requirement: what was asked.
        admitted: who passed every filter.
        capability: mean score of the required capabilities; NaN where one is missing.
        total: the weighted sum; meaningful where admitted.
    """

    table: ProfileTable
    requirement: TaskRequirement
    admitted: Mask
    capability: Floats
    total: Floats

    def terms(self, row: int) -> ScoreTerms:
        """The terms of one model that was admitted."""
        table, requirement = self.table, self.requirement
        quality = float(table.quality[row])
        return ScoreTerms(
            capability=float(self.capability[row]),
            quality=quality,
            cost=max(0.0, 1.0 - float(table.cost[row]) / requirement.cost_constraint),
            latency=max(0.0, 1.0 - float(table.latency[row]) / requirement.latency_constraint),
            complexity=1.0 - abs(quality - requirement.complexity),
            total=float(self.total[row]),
        )


def suitability(
    table: ProfileTable,
    requirement: TaskRequirement,
    context: RequestContext,
    weights: SelectionWeights,
    *,
    minimum_availability: float,
    cost_weight_factor: float = 1.0,
) -> Suitability:
    """Filter and score every model.

    The cost and latency terms fall linearly from 1 at nothing to 0 at the constraint; with an
    infinite constraint they are 1, whatever the model costs. Terms are added in the order of the
    reference, so that totals are equal to the last bit; a model that is admitted keeps within the
    constraints, so that no term needs to be kept from falling below 0.
    """
    admitted, capability, total = table.able(
        tuple(requirement.capabilities),
        minimum_availability,
        weights.capability_weight,
        weights.quality_weight,
    )
    quality = table.quality
    if requirement.quality_threshold > 0:
        admitted = admitted & (quality >= requirement.quality_threshold)
    for values, limit, weight in (
        (table.cost, requirement.cost_constraint, weights.cost_weight * cost_weight_factor),
        (table.latency, requirement.latency_constraint, weights.latency_weight),
    ):
        if limit == np.inf:
            total = total + weight
            continue
        admitted = admitted & (values <= limit)
        term = values / limit
        np.subtract(1.0, term, out=term)
        term *= weight
        total = np.add(term, total, out=term)
    if weights.complexity_weight > 0:
        total = total + weights.complexity_weight * (1.0 - np.abs(quality - requirement.complexity))
    if context.features:
        wanted = feature_bits(context.features)
        admitted = admitted & ((table.features & wanted) == wanted)
    if context.allowed is not None:
        admitted = admitted & table.among(context.allowed)
    if tokens := context.input_tokens + context.output_tokens:
        admitted = admitted & (table.context >= tokens)
    return Suitability(table, requirement, admitted, capability, total)


def best_rows(score: Floats, admitted: Mask, count: int) -> list[int]:
    """The admitted rows of the greatest scores, best first; equal ones in the table's order."""
    masked = np.where(admitted, score, -np.inf)
    if len(score) <= SORTED_WHOLE or count > MOST_PICKED:
        order: list[int] = (-masked).argsort(kind="stable")[:count].tolist()
        return [row for row in order if admitted[row]]
    rows: list[int] = []
    while len(rows) < count:
        row = int(masked.argmax())
        if masked[row] == -np.inf:
            break
        rows.append(row)
        masked[row] = -np.inf
    return rows
