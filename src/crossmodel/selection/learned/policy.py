"""The learned policy: expected quality minus its price times expected cost, per prompt."""

from __future__ import annotations

import logging
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

logger = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN: Final = 4
"""Rule of thumb for English, where no router knows better."""

TYPICAL_PROMPT_TOKENS: Final = 300
"""What a prompt is taken to have when a new model's cost is guessed."""

NOTHING: Final = np.zeros(0)

WILD_GUESS: Final = 0.25
"""Standard error of a quality that no outcome has been seen of: half of a coin's."""

ANSWER_TOKENS: Final = 300
"""What an answer is taken to have, where no router knows better."""


@dataclass(slots=True, eq=False)
class LearnedScore:
    """What is expected of every model, in the order of the table; worth is what is compared."""

    table: ProfileTable
    matched: _Matched
    estimate: Estimate | None
    dial: str
    setting: DialSetting | None
    quality: Floats
    cost_usd: Floats
    worth: Floats

    @property
    def price(self) -> float:
        """Quality that one USD must buy to be spent."""
        return self.setting.price if self.setting else 0.0

    @property
    def shares(self) -> Shares | None:
        """The topics of the prompt, as the router read them."""
        return self.estimate.shares if self.estimate else None

    @property
    def uncertainty(self) -> Floats:
        """Standard error of the expected quality; of models without outcomes, a wild guess's."""
        of = self.estimate.uncertainty if self.estimate else NOTHING
        return self.matched.spread(np.full(len(self.table), WILD_GUESS), of)

    def explain(self, rows: Sequence[int]) -> LearnedExplanation:
        """The terms of these rows."""
        estimate = self.estimate
        prior = self.matched.spread(self.quality, estimate.prior if estimate else NOTHING)
        evidence = self.matched.spread(
            np.zeros(len(self.table)), estimate.evidence if estimate else NOTHING
        )
        uncertainty = self.uncertainty
        return LearnedExplanation(
            familiarity=estimate.familiarity if estimate else 0.0,
            topics=dict(estimate.topics) if estimate else {},
            price=self.price,
            dial=self.dial,
            models={
                self.table.ids[row]: LearnedTerms(
                    expected_quality=float(self.quality[row]),
                    prior=float(prior[row]),
                    uncertainty=float(uncertainty[row]),
                    expected_cost_usd=float(self.cost_usd[row]),
                    evidence=float(evidence[row]),
                    worth=float(self.worth[row]),
                )
                for row in rows
            },
            calibration=self.setting.to_dict() if self.setting else None,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Matched:
    """Which rows of a table are which columns of a router; ``whole`` if every row is one."""

    table: ProfileTable
    models: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    whole: bool

    @classmethod
    def of(cls, table: ProfileTable, models: tuple[str, ...]) -> _Matched:
        column = {model: position for position, model in enumerate(models)}
        pairs = [(row, column[model]) for row, model in enumerate(table.ids) if model in column]
        both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return cls(table, models, both[:, 0], both[:, 1], whole=len(pairs) == len(table))

    def spread(self, fallback: Floats, values: Floats) -> Floats:
        """The router's values in the order of the table; ``fallback`` where it has none."""
        if self.whole and len(self.rows):
            return values[self.columns]
        spread = fallback.copy()
        if len(self.rows):
            spread[self.rows] = values[self.columns]
        return spread


class LearnedPolicy:
    """Scores models by a learned router.

    Models that the router does not know are expected to be as good as their capability scores say.
    Without a router that holds for all of them: the static choice.
    """

    def __init__(self, dial: DialConfig, router: LearnedRouter | None = None) -> None:
        self.dial = dial
        self.router = router
        self._settings: dict[tuple[str, ...], DialSetting] = {}
        self._match: _Matched | None = None
        self._setting: DialSetting | None = None

    def setting(self, table: ProfileTable) -> DialSetting | None:
        """The calibrated dial for the registered models; ``None`` if there is none to calibrate."""
        self._matched(table)
        return self._setting

    def _set(self, table: ProfileTable) -> DialSetting | None:
        router = self.router
        given = any(getattr(self.dial, name) is not None for name in self.dial.__slots__)
        if router is None or not given:
            return None
        registered = set(table.ids)
        models = tuple(model for model in router.traffic.models if model in registered)
        if not models:
            return None
        if models not in self._settings:
            found = self._settings[models] = calibrate(self.dial, router.traffic.columns(models))
            if not found.met:
                logger.warning(
                    "the dial asks for %s; on traffic that it was not chosen on it reaches quality "
                    "%.3f at $%.4f per 1,000 (the best single model %.3f at $%.4f)",
                    self.dial,
                    found.reported.quality,
                    found.reported.usd_per_1000,
                    found.best_single.quality,
                    found.best_single.usd_per_1000,
                )
        return self._settings[models]

    def score(self, suitability: Suitability, context: RequestContext) -> LearnedScore:
        """What to expect of every model on this request."""
        table, router = suitability.table, self.router
        matched = self._matched(table)
        quality, cost, estimate, setting = NOTHING, NOTHING, None, None
        if router is not None:
            estimate = router.estimate(context.prompt)
            quality, cost = estimate.quality, estimate.cost_usd
            setting = self.setting(table)
        if not matched.whole:  # capability scores stand in where the router knows nothing
            tokens = len(context.prompt) / CHARACTERS_PER_TOKEN + ANSWER_TOKENS
            able = suitability.capability
            quality = matched.spread(np.where(np.isnan(able), 0.0, able), quality)
            cost = matched.spread(table.cost * tokens, cost)
        else:
            quality, cost = quality[matched.columns], cost[matched.columns]
        return LearnedScore(
            table, matched, estimate, str(self.dial), setting, quality, cost,
            worth(quality, cost, setting.price if setting else 0.0),
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

    def _matched(self, table: ProfileTable) -> _Matched:
        models = self.router.models if self.router else ()
        match = self._match
        if match is None or match.table is not table or match.models is not models:
            self._setting = self._set(table)
            match = self._match = _Matched.of(table, models)
        return match
