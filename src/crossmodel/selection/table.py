"""Profiles as arrays: built once for each state of the registry, read by every decision."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from crossmodel.domain.models import Feature, ModelCapability, ModelCapabilityProfile
from crossmodel.selection.validation import check_profile

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CAPABILITIES: Final = tuple(ModelCapability)
FEATURES: Final = tuple(Feature)
_COLUMN: Final = {capability: column for column, capability in enumerate(CAPABILITIES)}
_BIT: Final[dict[str, int]] = {feature: 1 << position for position, feature in enumerate(FEATURES)}

MOST_REMEMBERED: Final = 256
"""Sets of capabilities whose means are remembered: there are 63, in any order."""


def feature_bits(features: Iterable[str]) -> int:
    """A set of features as one integer."""
    bits = 0
    for feature in features:
        bits |= _BIT[feature]
    return bits


def feature_names(bits: int) -> list[str]:
    """The features that an integer stands for, in their order."""
    return [str(feature) for feature in FEATURES if bits & _BIT[feature]]


@dataclass(frozen=True, slots=True, eq=False)
class ProfileTable:
    """The registered models, cheapest first, then fastest, then by id.

    In this order the first of the greatest scores is the one that ties go to. All arrays have one
    row per model.

    Attributes:
        ids: model ids.
        scores: per capability, shape (n, 6); NaN where a model lacks it.
        thresholds: least score per capability that applies to the model, shape (n, 6); 0 for none.
        cost: USD per token.
        latency: milliseconds.
        quality: 0..1.
        availability: 0..1.
        context: tokens; infinite where there is no limit.
        features: bits, see ``feature_bits``.
        revision: which state of the registry it is.
    """

    ids: tuple[str, ...]
    scores: Floats
    thresholds: Floats
    cost: Floats
    latency: Floats
    quality: Floats
    availability: Floats
    context: Floats
    features: npt.NDArray[np.int64]
    revision: int
    _able: dict[tuple[object, ...], tuple[Mask, Floats, Floats]] = field(default_factory=dict)
    _among: dict[frozenset[str], Mask] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def build(
        cls,
        profiles: Mapping[str, ModelCapabilityProfile],
        thresholds: Mapping[str, float],
        specific: Mapping[str, Mapping[str, float]],
        *,
        revision: int = 0,
    ) -> ProfileTable:
        """Lay profiles out; ``thresholds`` apply to all, ``specific`` ones to single models.

        Raises:
            ModelRegistrationError: if a profile was changed into one that cannot be worked with.
        """
        rows = sorted(profiles.values(), key=lambda p: (p.cost_per_token, p.latency_ms, p.model_id))
        scores = np.full((len(rows), len(CAPABILITIES)), np.nan)
        least = np.zeros_like(scores)
        for capability, threshold in thresholds.items():
            least[:, _COLUMN[ModelCapability(capability)]] = threshold
        for position, profile in enumerate(rows):
            for capability, score in check_profile(profile).items():
                scores[position, _COLUMN[capability]] = score
            for name, threshold in specific.get(profile.model_id, {}).items():
                least[position, _COLUMN[ModelCapability(name)]] = threshold
        return cls(
            ids=tuple(profile.model_id for profile in rows),
            scores=scores,
            thresholds=least,
            cost=np.array([profile.cost_per_token for profile in rows], dtype=np.float64),
            latency=np.array([profile.latency_ms for profile in rows], dtype=np.float64),
            quality=np.array([profile.quality_score for profile in rows], dtype=np.float64),
            availability=np.array([profile.availability for profile in rows], dtype=np.float64),
            context=np.array(
                [np.inf if p.context_window is None else p.context_window for p in rows],
                dtype=np.float64,
            ),
            features=np.array([feature_bits(p.features) for p in rows], dtype=np.int64),
            revision=revision,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def able(
        self,
        wanted: tuple[ModelCapability, ...],
        minimum_availability: float,
        capability_weight: float,
        quality_weight: float,
    ) -> tuple[Mask, Floats, Floats]:
        """Who is available and has every capability, well enough, and what follows from that alone.

        That is the mean score of the capabilities, and the two weighted terms of the suitability
        that depend on nothing else, added. Worked out once for each set of capabilities.
        """
        key = (wanted, minimum_availability, capability_weight, quality_weight)
        found = self._able.get(key)
        if found is None:
            mask = self.availability >= minimum_availability
            total = np.zeros(len(self.ids))
            for capability in wanted:
                column = _COLUMN[capability]
                score = self.scores[:, column]
                mask = mask & (score >= self.thresholds[:, column])  # false where it is NaN
                total = total + score
            mean = total / len(wanted)
            found = mask, mean, capability_weight * mean + quality_weight * self.quality
            with self._lock:
                if len(self._able) >= MOST_REMEMBERED:
                    self._able.clear()
                self._able[key] = found
        return found

    def among(self, allowed: frozenset[str]) -> Mask:
        """Which of the models are among those; worked out once for each set."""
        found = self._among.get(allowed)
        if found is None:
            found = np.array([model in allowed for model in self.ids], dtype=np.bool_)
            with self._lock:
                if len(self._among) >= MOST_REMEMBERED:
                    self._among.clear()
                self._among[allowed] = found
        return found

    def profile(self, row: int) -> ModelCapabilityProfile:
        """The profile of a row, as it was when the table was built."""
        return ModelCapabilityProfile(
            model_id=self.ids[row],
            capabilities={
                capability: float(score)
                for capability, score in zip(CAPABILITIES, self.scores[row], strict=True)
                if not np.isnan(score)
            },
            cost_per_token=float(self.cost[row]),
            latency_ms=float(self.latency[row]),
            quality_score=float(self.quality[row]),
            availability=float(self.availability[row]),
            context_window=None if np.isinf(self.context[row]) else int(self.context[row]),
            features=frozenset(feature_names(int(self.features[row]))),
        )

    def thresholds_of(self, row: int) -> dict[str, float]:
        """The least scores per capability that apply to a row."""
        pairs = zip(CAPABILITIES, self.thresholds[row], strict=True)
        return {str(capability): float(least) for capability, least in pairs if least > 0}
