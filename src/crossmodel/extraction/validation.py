"""Whether an insight may be used: it stands on evidence, on its own, and gives nobody orders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from crossmodel.domain.config import ValidationConfig
from crossmodel.domain.insight import Insight, InsightKind, ValidationResult, ValidationStatus
from crossmodel.text.contradiction import contradicts
from crossmodel.text.instructions import gives_orders, holds_template_marks
from crossmodel.text.privacy import personal_data_in, secret_in

EMPTY: Final = "empty"
NOT_GROUNDED: Final = "no evidence: the source does not say it"
INSTRUCTION: Final = "reads like an instruction to the reader's system"
HOLDS: Final = "holds what looks like"
"""Followed by the sort of secret or personal data: see :mod:`crossmodel.text.privacy`."""

CONTRADICTION: Final = "contradicts a trusted insight"
DANGLING: Final = "refers to something that it does not name"
CUT_OFF: Final = "is cut off"
TOO_SHORT: Final = "too short to stand on its own"

_BEGINS_WITH_PRONOUN: Final = re.compile(
    r"""\W{0,4}(?:(?:this|that|these|those|it|they|he|she|both|here)
        |the\ (?:above|former|latter|same|following)|above|such\ an?)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_POINTS_ELSEWHERE: Final = re.compile(
    r"""\b(?:as\ (?:shown|mentioned|stated|described|seen|noted)\ (?:above|before|earlier|below)
        |the\ (?:\w+\ )?(?:table|figure|list|code|example|section|equation)\ (?:above|below)
        |(?:steps?|equations?|formula)\ (?:\(?\d+\)?\ )?(?:above|below))\b""",
    re.VERBOSE | re.IGNORECASE,
)
_ELSEWHERE: Final = ("above", "below", "before", "earlier")
_CUT_OFF: Final = re.compile(r"(?:[,(\[{:]|\b(?:and|or|the|of|to|with|that|which|because))$")
_LAST_WORD: Final = 12
"""Characters from the end in which a text shows that it was cut off."""

_SELF_CONTAINED_KINDS: Final = frozenset(
    {
        InsightKind.CODE,
        InsightKind.COMPOSITION,
        InsightKind.EQUATION,
        InsightKind.EXAMPLE,
        InsightKind.FINAL_ANSWER,
    }
)
_LEAST_WORDS: Final = 3
_LOOKED_AT: Final = 1000
"""Characters in which something dangling is looked for."""


class InsightValidator:
    """Judges insights one by one.

    Lenient validation refuses what is empty, without evidence, dangerous, private, or against what
    is trusted; strict validation refuses as well what nobody could understand without the text
    around it: what begins with a pronoun or points elsewhere, is cut off, or is too short.

    ``trusted`` are claims that hold: insights or texts. ``config.allow_personal_data`` lets e-mail
    addresses and the like pass; secrets never pass.
    """

    def __init__(
        self, config: ValidationConfig | None = None, trusted: Iterable[Insight | str] = ()
    ) -> None:
        self.config = config or ValidationConfig()
        self.trusted = tuple(each if isinstance(each, str) else each.content for each in trusted)

    def validate(self, insight: Insight) -> ValidationResult:
        """The verdict. ``reasons`` also holds what a lenient validator only remarks on."""
        grave = self._grave(insight)
        minor = _minor(insight)
        refused = bool(grave) or (self.config.strict_validation and bool(minor))
        status = ValidationStatus.INVALID if refused else ValidationStatus.VALID
        return ValidationResult(status, (*grave, *minor))

    def _grave(self, insight: Insight) -> list[str]:
        content = insight.content
        found = []
        if not content or content.isspace():
            found.append(EMPTY)
        if not insight.evidence:
            found.append(NOT_GROUNDED)
        said = f"{content}\n{insight.scope}" if insight.scope else content
        if gives_orders(said) or holds_template_marks(said):
            found.append(INSTRUCTION)
        secret = secret_in(said)
        private = None if self.config.allow_personal_data else personal_data_in(said)
        found += [f"{HOLDS} {sort}" for sort in (secret, private) if sort]
        if any(contradicts(content, claim) for claim in self.trusted):
            found.append(CONTRADICTION)
        return found


def _minor(insight: Insight) -> list[str]:
    if insight.kind in _SELF_CONTAINED_KINDS:
        return []
    found = []
    beginning = insight.content[:_LOOKED_AT]
    if _BEGINS_WITH_PRONOUN.match(beginning) or (
        any(word in beginning for word in _ELSEWHERE) and _POINTS_ELSEWHERE.search(beginning)
    ):
        found.append(DANGLING)
    if _CUT_OFF.search(insight.content[-_LAST_WORD:].rstrip()):
        found.append(CUT_OFF)
    if insight.content.count(" ") < _LEAST_WORDS - 1 and not insight.scope:
        found.append(TOO_SHORT)
    return found
