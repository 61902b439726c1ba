"""How likely an insight is to be right, from signs that have to do with being right.

A score is a sum of log-odds: one for its kind, and one for each sign. The weights are priors, set
by judgement and by what others measured, not fitted to any answers of ours; labels make a score a
probability (:meth:`ConfidenceCalculator.calibrate`), and ``confidence_calibrated`` says whether it
is one. Neither length nor polish counts, nor do sums that are right: wrong answers hold such too.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match
# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from crossmodel.calibration import RisingMap, fit_isotonic, fit_rising_map, log_odds, probability
from crossmodel.domain import checks
from crossmodel.domain.config import ConfidenceConfig
from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.errors import InvalidInputError
from crossmodel.extraction.agreement import ANSWERS, agreement_odds, is_consistent
from crossmodel.extraction.reading import read
from crossmodel.text.literals import Signs

_PRIOR: Final[Mapping[str, float]] = {
    InsightKind.FINAL_ANSWER: 0.75,
    InsightKind.EXAMPLE: 0.75,
    InsightKind.CODE: 0.65,
    InsightKind.RULE: 0.7,
    InsightKind.EQUATION: 0.7,
    InsightKind.DEFINITION: 0.7,
    InsightKind.METHOD: 0.7,
    InsightKind.TRANSLATION: 0.65,
    InsightKind.CONCLUSION: 0.65,
    InsightKind.FINDING: 0.6,
    InsightKind.COMPARISON: 0.6,
    InsightKind.CLAIM: 0.6,
    InsightKind.RECOMMENDATION: 0.6,
    InsightKind.RISK: 0.6,
    InsightKind.COMPOSITION: 0.6,
    InsightKind.STEP: 0.55,
    InsightKind.IDEA: 0.5,
}
_DEFAULT_PRIOR: Final = 0.5
_ODDS: Final = {kind: log_odds(prior) for kind, prior in _PRIOR.items()}
_DEFAULT_ODDS: Final = log_odds(_DEFAULT_PRIOR)

HEDGED, PARSES, BROKEN, ILLUSTRATED, BORNE_OUT = -0.6, 1.0, -1.5, 0.3, 0.8
MARKED, CHECKED, CUT_OFF, INCONSISTENT = 0.5, 0.3, -1.0, -1.0
"""Log-odds of each sign. Agreement has a model of its own, which says what each answer tells."""

_HEDGES: Final = re.compile(
    r"\b(?:maybe|perhaps|possibly|probably|might|could be|may be|seems?|appears?|i think|i guess"
    r"|i believe|not sure|unsure|unclear|roughly|approximately|likely|unlikely|assum\w+|presumably"
    r"|if i recall|as far as i know|it depends|in theory)\b"
)
_HEDGE_SIGNS: Final = Signs([
    "maybe", "perhaps", "possibly", "probably", "might", "could be", "may be", "seem", "appear",
    "i think", "i guess", "i believe", "not sure", "unsure", "unclear", "roughly", "approximately",
    "likely", "assum", "presumably", "i recall", "as i know", "it depends", "in theory",
])  # fmt: skip
"""Any hedge holds one of these; most sentences hold none, which is quick to see."""
_CHECKS: Final = re.compile(
    r"\b(?:verif(?:y|ied|ies)|double-check(?:ed)?|let(?:'s|’s| us) check"
    r"|check(?:ing)? (?:our|the|this)"
    r"|we can confirm|sanity check|as a check|plug(?:ging)? (?:it |this |these )?back)\b"
)
_CHECK_SIGNS: Final = Signs(["verif", "check", "confirm", "plug"])
_MARKS: Final = frozenset({"boxed", "hashes", "final answer", "rating", "phrase"})
_SENTENCE_END: Final = re.compile(r"[.!?\n]")
_SENTENCE: Final = 200
_TO_THE_READER: Final = re.compile(r"\b(?:you|your|yourself|feel free|please|let me know)\b")
_OPEN_WORDS: Final = frozenset(
    """a an the of and or but that which whose is are was were because if than we i he she they
    their its our has have had be been by from with into to""".split()
)
"""Words that no sentence ends with, unless somebody left it there."""
_LONGEST_OPEN_WORD: Final = 9
_MOST_HEDGES: Final = 2
_MOST, _LEAST = 0.97, 0.03
_TAIL: Final = 4000
"""Characters from the end in which a check of the final answer is looked for."""

LEAST_LABELS: Final = 20
"""Fewer labels say too little of how often a score comes true."""
_ALL: Final = ""
_PRIOR_LABELS: Final = 4.0
_ISOTONIC_LABELS: Final = 400
_BLOCK: Final = 40

Label = tuple["Insight | float", bool]
"""An insight as it was extracted, or only its score, and whether it is right."""


class ConfidenceCalculator:
    """Gives each insight a score in 0..1."""

    def __init__(self, config: ConfidenceConfig | None = None) -> None:
        self.config = config or ConfidenceConfig()
        self._maps: Mapping[str, RisingMap] = {}
        """By kind; of all kinds together under the empty name. Never changed, only replaced."""

    def calculate_confidence(
        self, insight: Insight, text: str, context: Mapping[str, Any]
    ) -> float:
        """The confidence in ``insight``, which was found in ``text``.

        ``context["answers"]`` may hold independent answers to the same question, whole or only
        their result: whether a final answer agrees with them tells most of all.
        """
        score = self.raw_score(insight, text, context)
        learned = self.calibration_of(insight.kind)
        return round(learned(score), 4) if learned else score

    def raw_score(self, insight: Insight, text: str, context: Mapping[str, Any]) -> float:
        """The score before calibration, 0.03..0.97."""
        kind, metadata = insight.kind, insight.metadata
        odds = _ODDS.get(kind, _DEFAULT_ODDS)
        if kind == InsightKind.CODE:
            if "parses" in metadata:
                odds += PARSES if metadata["parses"] else BROKEN
        else:
            odds += HEDGED * _hedges(insight.content)
            if kind == InsightKind.FINAL_ANSWER:
                odds += _answer_odds(insight, text, context)
            elif insight.links and kind in {InsightKind.RULE, InsightKind.EXAMPLE}:
                odds += BORNE_OUT if metadata.get("agrees") else ILLUSTRATED
        return round(min(_MOST, max(_LEAST, probability(odds))), 4)

    @property
    def maps(self) -> Mapping[str, RisingMap]:
        """What was learned: a map for each kind, the empty name for all; replaced as a whole."""
        return self._maps

    @property
    def is_calibrated(self) -> bool:
        """Whether any scores are calibrated."""
        return _ALL in self._maps

    def calibration_of(self, kind: str) -> RisingMap | None:
        """The map for insights of that kind, if scores are calibrated."""
        if not self.config.enable_confidence_calibration:
            return None
        maps = self._maps
        return maps.get(kind) or maps.get(_ALL)

    def calibrate(self, labels: Iterable[Label]) -> None:
        """Learn from labels how often a score comes true; from now on scores are probabilities.

        Log-odds are stretched and shifted (Platt); from 400 labels on the map may have any rising
        shape (isotonic regression). A kind of which there are 20 labels gets a map of its own.
        Insights count with the score that they have, which must be one without calibration. What
        was learned before is forgotten, and calibration is switched on.

        Raises:
            InvalidInputError: if there are fewer than 20 labels, or a score is not within 0..1.
        """
        listed = list(labels)
        if len(listed) < LEAST_LABELS:
            raise InvalidInputError(
                f"{len(listed)} labels are too few to calibrate by: {LEAST_LABELS} are needed"
            )
        scored = [(*_scored(given), bool(right)) for given, right in listed]
        kinds: dict[str, list[tuple[float, bool]]] = {}
        for kind, score, right in scored:
            kinds.setdefault(kind, []).append((score, right))
        maps = {kind: _fit(each) for kind, each in kinds.items() if len(each) >= LEAST_LABELS}
        self._maps = maps | {_ALL: _fit([(score, right) for _, score, right in scored])}
        self.config.enable_confidence_calibration = True

    def calibrated(self, labels: Iterable[Label]) -> ConfidenceCalculator:
        """Another calculator, calibrated by these labels; this one stays as it is."""
        other = type(self)(
            ConfidenceConfig(minimum_confidence_threshold=self.config.minimum_confidence_threshold)
        )
        other.calibrate(labels)
        return other

    def to_dict(self) -> dict[str, Any]:
        """What was learned, as plain numbers for JSON."""
        return {
            "overall": self._maps[_ALL].to_dict() if self.is_calibrated else None,
            "by_kind": {kind: each.to_dict() for kind, each in self._maps.items() if kind != _ALL},
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over what another calculator learned, from its :meth:`to_dict`.

        Raises:
            InvalidInputError: if it is something else.
        """
        try:
            overall, by_kind = data["overall"], dict(data["by_kind"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError(f"not a calibration of confidence: {error!r}") from error
        learned = {str(kind): RisingMap.from_dict(each) for kind, each in by_kind.items()}
        if overall is not None:
            learned[_ALL] = RisingMap.from_dict(overall)
        self._maps = learned


def _scored(given: Insight | float) -> tuple[str, float]:
    if isinstance(given, Insight):
        score = given.metadata.get("raw_confidence", given.confidence_score)
        return str(given.kind), checks.unit_interval("confidence_score", score)
    return _ALL, checks.unit_interval("a score", given)


def _fit(pairs: Sequence[tuple[float, bool]]) -> RisingMap:
    scores, outcomes = [score for score, _ in pairs], [right for _, right in pairs]
    if len(pairs) >= _ISOTONIC_LABELS:
        return fit_isotonic(scores, outcomes, _BLOCK)
    return fit_rising_map(scores, outcomes, _PRIOR_LABELS)


def _hedges(content: str) -> int:
    lower = content.lower()
    if not _HEDGE_SIGNS.any_in(lower):
        return 0
    return min(len(_HEDGES.findall(lower)), _MOST_HEDGES)


def _answer_odds(insight: Insight, text: str, context: Mapping[str, Any]) -> float:
    metadata = insight.metadata
    value = str(metadata.get("answer", insight.content))
    odds = MARKED if metadata.get("answer_sign") in _MARKS else 0.0
    if _is_checked(text[-_TAIL:].lower()):
        odds += CHECKED
    if _is_cut_off(text):
        odds += CUT_OFF
    if not is_consistent(value, read(text, context)):
        odds += INCONSISTENT
    return odds + agreement_odds(value, context.get(ANSWERS))


def _is_checked(tail: str) -> bool:
    """Whether the text checks its answer, rather than offer or ask the reader to."""
    if not _CHECK_SIGNS.any_in(tail):
        return False
    for check in _CHECKS.finditer(tail):
        before = _SENTENCE_END.split(tail[max(0, check.start() - _SENTENCE) : check.start()])[-1]
        after = _SENTENCE_END.split(tail[check.end() : check.end() + _SENTENCE], maxsplit=1)[0]
        if not _TO_THE_READER.search(f"{before} {after}"):
            return True
    return False


def _is_cut_off(text: str) -> bool:
    """Whether the text ends in the middle of a sentence, as an answer that ran out of tokens."""
    end = text.rstrip()
    if end[-1:] != end[-2:-1] and end[-1:] in {",", "(", "[", "{", "=", "+", "-", ":", "\\"}:
        return True
    word = end[-_LONGEST_OPEN_WORD:].rpartition(" ")
    return bool(word[1]) and word[2].lower() in _OPEN_WORDS
