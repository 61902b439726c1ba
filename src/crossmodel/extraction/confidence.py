"""How likely an insight is to be right, from signs that have to do with being right.

The weights are ours and not yet fitted to outcomes, which ``confidence_calibrated`` says.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from crossmodel.domain.config import ConfidenceConfig
from crossmodel.domain.insight import Insight, InsightKind

_BASE: Final[Mapping[str, float]] = {
    InsightKind.FINAL_ANSWER: 0.75,
    InsightKind.EXAMPLE: 0.75,
    InsightKind.CODE: 0.65,
    InsightKind.RULE: 0.7,
    InsightKind.EQUATION: 0.7,
    InsightKind.DEFINITION: 0.7,
    InsightKind.TRANSLATION: 0.65,
    InsightKind.CONCLUSION: 0.65,
    InsightKind.FINDING: 0.6,
    InsightKind.COMPARISON: 0.6,
    InsightKind.CLAIM: 0.6,
    InsightKind.RECOMMENDATION: 0.6,
    InsightKind.RISK: 0.6,
    InsightKind.STEP: 0.55,
    InsightKind.IDEA: 0.5,
}
_DEFAULT_BASE: Final = 0.5
_HEDGES: Final = re.compile(
    r"\b(?:maybe|perhaps|possibly|probably|might|could be|may be|seems?|appears?|i think|i guess"
    r"|i believe|not sure|unsure|unclear|roughly|approximately|likely|unlikely|assum\w+|presumably"
    r"|if i recall|as far as i know|it depends|in theory)\b",
    re.IGNORECASE,
)
_CHECKS: Final = re.compile(
    r"\b(?:verif(?:y|ied|ies)|double-check(?:ed)?|let(?:'s|’s| us) check"
    r"|check(?:ing)? (?:our|the|this)"
    r"|we can confirm|sanity check|as a check|plug(?:ging)? (?:it |this |these )?back)\b",
    re.IGNORECASE,
)
_HEDGE_SIGNS: Final = (
    "aybe", "erhaps", "ossibl", "robabl", "might", "could", "may ", "seem", "ppear", "i think",
    "i guess", "i believe", "sure", "unclear", "oughly", "pprox", "likely", "ssum", "resumabl",
    "recall", "know", "depends", "theory",
)  # fmt: skip
"""A text in lower case without any of these does not hedge; looking for them is much faster."""
_CHECK_SIGNS: Final = ("erif", "heck", "onfirm", "lug")
_EXPLICIT_SIGNS: Final = frozenset({"boxed", "hashes", "final answer", "rating", "phrase"})
_HEDGE_COST: Final = 0.15
_MAX_HEDGES: Final = 2
_MOST: Final = 0.95
_LEAST: Final = 0.05
_TAIL: Final = 4000
"""Characters from the end in which a check of the final answer is looked for."""


class ConfidenceCalculator:
    """Gives each insight a score in 0..1; neither length nor polish counts."""

    def __init__(self, config: ConfidenceConfig | None = None) -> None:
        self.config = config or ConfidenceConfig()

    def calculate_confidence(
        self,
        insight: Insight,
        text: str,
        context: Mapping[str, Any],  # noqa: ARG002 - the reference's signature
    ) -> float:
        """The confidence in ``insight``, which was found in ``text``."""
        score = _BASE.get(insight.kind, _DEFAULT_BASE)
        if insight.kind != InsightKind.CODE:
            score -= _HEDGE_COST * min(_hedges(insight.content), _MAX_HEDGES)
        metadata = insight.metadata
        if insight.kind == InsightKind.FINAL_ANSWER:
            score += 0.1 if metadata.get("answer_sign") in _EXPLICIT_SIGNS else 0.0
            score += 0.05 if _is_checked(text[-_TAIL:]) else 0.0
        elif insight.kind == InsightKind.CODE and "parses" in metadata:
            score += 0.2 if metadata["parses"] else -0.3
        elif insight.kind in {InsightKind.RULE, InsightKind.EXAMPLE} and insight.links:
            score += 0.15 if metadata.get("agrees") else 0.05
        return round(min(_MOST, max(_LEAST, score)), 4)


def _hedges(content: str) -> int:
    lower = content.lower()
    if not any(sign in lower for sign in _HEDGE_SIGNS):
        return 0
    return len(_HEDGES.findall(content))


def _is_checked(tail: str) -> bool:
    return any(sign in tail for sign in _CHECK_SIGNS) and _CHECKS.search(tail) is not None
