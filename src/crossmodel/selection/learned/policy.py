"""The learned policy: expected quality minus its price times expected cost, per prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from crossmodel.domain.config import DialConfig
from crossmodel.domain.models import ModelCapabilityProfile
from crossmodel.domain.selection import LearnedExplanation, LearnedTerms, RequestContext
from crossmodel.selection.learned.dial import DialSetting, calibrate, worth
from crossmodel.selection.learned.outcomes import Floats
from crossmodel.selection.learned.router import Estimate, LearnedRouter
from crossmodel.selection.learned.topics import Shares
from crossmodel.selection.scoring import Suitability
from crossmodel.selection.table import ProfileTable

CHARACTERS_PER_TOKEN: Final = 4
"""Rule of thumb for English, where no router knows better."""

TYPICAL_PROMPT_TOKENS: Final = 300
"""What a prompt is taken to have when a new model's cost is guessed."""

ANSWER_TOKENS: Final = 300
"""What an answer is taken to have, where no router knows better."""


@dataclass(frozen=True, slots=True, eq=False)
class LearnedScore:
    """What is expected of every model, in the order of the table."""

    table: ProfileTable
    estimate: Estimate | None
    price: float
    dial: str
    quality: Floats
    prior: Floats
    uncertainty: Floats
    cost_usd: Floats
    evidence: Floats
    worth: Floats

    def explain(self, rows: Sequence[int]) -> LearnedExplanation:
        """The terms of these rows."""
        return LearnedExplanation(
            familiarity=self.estimate.familiarity if self.estimate else 0.0,
            topics=dict(self.estimate.topics) if self.estimate else {},
            price=self.price,
            dial=self.dial,
            models={
                self.table.ids[row]: LearnedTerms(
                    expected_quality=float(self.quality[row]),
                    prior=float(self.prior[row]),
                    uncertainty=float(self.uncertainty[row]),
                    expected_cost_usd=float(self.cost_usd[row]),
                    evidence=float(self.evidence[row]),
                    worth=float(self.worth[row]),
                )
                for row in rows
            },
        )


class LearnedPolicy:
    """Scores models by a learned router.

    Models that the router does not know are expected to be as good as their capability scores say.
    Without a router that holds for all of them: the static choice.
    """

    def __init__(self, dial: DialConfig, router: LearnedRouter | None = None) -> None:
        self.dial = dial
        self.router = router
        self._settings: dict[tuple[str, ...], DialSetting] = {}
        self._places: tuple[ProfileTable, int, npt.NDArray[np.int64], npt.NDArray[np.int64]] | None
        self._places = None

    def setting(self, table: ProfileTable) -> DialSetting | None:
        """The calibrated dial for the registered models; ``None`` if there is none to calibrate."""
        router = self.router
        given = any(getattr(self.dial, name) is not None for name in self.dial.__slots__)
        if router is None or not given:
            return None
        registered = set(table.ids)
        models = tuple(model for model in router.traffic.models if model in registered)
        if not models:
            return None
        if models not in self._settings:
            self._settings[models] = calibrate(self.dial, router.traffic.columns(models))
        return self._settings[models]

    def score(self, suitability: Suitability, context: RequestContext) -> LearnedScore:
        """What to expect of every model on this request."""
        table, router = suitability.table, self.router
        tokens = len(context.prompt) / CHARACTERS_PER_TOKEN + ANSWER_TOKENS
        quality = np.nan_to_num(suitability.capability)
        prior = quality
        cost = table.cost * tokens
        uncertainty, evidence = np.zeros(len(table)), np.zeros(len(table))
        estimate, price = None, 0.0
        if router is not None:
            estimate = router.estimate(context.prompt)
            rows, columns = self._matched(table, router)
            if len(rows):
                prior = quality.copy()
                quality[rows] = estimate.quality[columns]
                prior[rows] = estimate.prior[columns]
                cost[rows] = estimate.cost_usd[columns]
                uncertainty[rows] = estimate.uncertainty[columns]
                evidence[rows] = estimate.evidence[columns]
            setting = self.setting(table)
            price = setting.price if setting else 0.0
        return LearnedScore(
            table, estimate, price, str(self.dial), quality, prior, uncertainty, cost, evidence,
            worth(quality, cost, price),
        )  # fmt: skip

    def shares(self, context: RequestContext) -> Shares | None:
        """The topics of a request: all that learning from its outcome needs."""
        return None if self.router is None else self.router.shares(context.prompt)

    def learn(self, profile: ModelCapabilityProfile, shares: Shares, score: float) -> None:
        """Learn from the outcome of a request; a model that is new to the router is added to it."""
        if self.router is None:
            return
        if profile.model_id not in self.router.models:
            tokens = TYPICAL_PROMPT_TOKENS + ANSWER_TOKENS
            self.router.add_model(
                profile.model_id,
                prior=profile.quality_score,
                cost_usd=profile.cost_per_token * tokens,
            )
        self.router.learn(shares, profile.model_id, score)

    def _matched(
        self, table: ProfileTable, router: LearnedRouter
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows of the table and columns of the router that are the same model."""
        places = self._places
        if places is None or places[0] is not table or places[1] != len(router.models):
            column = {model: position for position, model in enumerate(router.models)}
            pairs = [(row, column[m]) for row, m in enumerate(table.ids) if m in column]
            both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
            places = self._places = (table, len(router.models), both[:, 0], both[:, 1])
        return places[2], places[3]
