"""Whether an insight may be used: it stands on evidence, on its own, and gives nobody orders."""

from __future__ import annotations

import re
from typing import Final

from crossmodel.domain.config import ValidationConfig
from crossmodel.domain.insight import Insight, InsightKind, ValidationResult, ValidationStatus

EMPTY: Final = "empty"
NOT_GROUNDED: Final = "no evidence: the source does not say it"
INSTRUCTION: Final = "reads like an instruction to the reader's system"
SECRET: Final = "holds what looks like a key or password"  # noqa: S105 - says what was found, is none
DANGLING: Final = "refers to something that it does not name"
TOO_SHORT: Final = "too short to stand on its own"

_INSTRUCTION: Final = re.compile(
    r"""\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all|your|these|any|system)\b
          [^.\n]{0,40}\b(?:instructions?|prompts?|rules?|messages?|guidelines?|context)
    |<\|?(?:im_start|im_end|system|assistant|user|endoftext|eot_id|start_header_id|end_header_id)\b[^>\n]{0,20}\|?>
    |\[/?INST\]|<</?SYS>>|^\W{0,4}(?:system|assistant|developer)\ ?(?:prompt|message)?\ ?:\ ?\S
    |\byou\ are\ now\ (?:an?|in|the|no\ longer)\b
    |\b(?:reveal|print|repeat|output|show)\b[^.\n]{0,30}\b(?:your|the)\ (?:system\ )?
          (?:prompt|instructions)\b
    |\bnew\ instructions?\s*:|\bdo\ anything\ now\b|\bjailbreak""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_SECRET: Final = re.compile(
    r"""-----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY
    |\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,}
    |\bAKIA[0-9A-Z]{16}\b|\bASIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}
    |\bglpat-[\w-]{20}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[\w-]{35}|\bhf_[A-Za-z0-9]{30,}
    |\beyJ[A-Za-z0-9_-]{10,}\.ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}
    |(?i:\b(?:api[_ -]?key|secret(?:[_ -]?key)?|access[_ -]?token|auth[_ -]?token|password|passwd
        |pwd)\b
        ["'`]?\s{0,3}(?:=|:|is)\s{0,3}["'`]?(?=[^\s"'`]{0,60}\d)[^\s"'`<>{}()\[\]]{8,})
    |\b[a-z]{3,10}://[^\s:/@]{1,60}:[^\s:/@]{3,60}@""",
    re.VERBOSE,
)
_SECRET_SIGNS: Final = (
    "-----begin", "sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "akia", "asia", "ghp_", "gho_", "ghu_",
    "ghs_", "ghr_", "github_pat", "glpat-", "xox", "aiza", "hf_", "eyj", "api", "secret", "token",
    "passw", "pwd", "://",
)  # fmt: skip
"""A text in lower case without any of these holds no secret of the shapes above."""
_INSTRUCTION_SIGNS: Final = (
    "ignore", "disregard", "forget", "override", "bypass", "<", "[inst", "[/inst", "system",
    "assistant", "developer", "you are now", "prompt", "instruction", "do anything now",
    "jailbreak",
)  # fmt: skip
_DANGLING: Final = re.compile(
    r"""\W{0,4}(?:this|that|these|those|it|they|he|she|both
        |the\ (?:above|former|latter|same|following)
        |as\ (?:shown|mentioned|stated|described)\ (?:above|before|earlier)|above|such\ an?)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_SELF_CONTAINED_KINDS: Final = frozenset(
    {InsightKind.CODE, InsightKind.EQUATION, InsightKind.EXAMPLE, InsightKind.FINAL_ANSWER}
)
_LEAST_WORDS: Final = 3


class InsightValidator:
    """Judges insights one by one.

    Lenient validation refuses what is empty, without evidence, dangerous or secret; strict
    validation refuses as well what nobody could understand without the text around it.
    """

    def __init__(self, config: ValidationConfig | None = None) -> None:
        self.config = config or ValidationConfig()

    def validate(self, insight: Insight) -> ValidationResult:
        """The verdict. ``reasons`` also holds what a lenient validator only remarks on."""
        grave = list(_grave(insight))
        minor = list(_minor(insight))
        refused = bool(grave) or (self.config.strict_validation and bool(minor))
        status = ValidationStatus.INVALID if refused else ValidationStatus.VALID
        return ValidationResult(status, (*grave, *minor))


def _grave(insight: Insight) -> list[str]:
    content = insight.content
    found = []
    if not content.strip():
        found.append(EMPTY)
    if not insight.evidence:
        found.append(NOT_GROUNDED)
    said = f"{content}\n{insight.scope}" if insight.scope else content
    lower = said.lower()
    if any(sign in lower for sign in _INSTRUCTION_SIGNS) and _INSTRUCTION.search(said):
        found.append(INSTRUCTION)
    if any(sign in lower for sign in _SECRET_SIGNS) and _SECRET.search(said):
        found.append(SECRET)
    return found


def _minor(insight: Insight) -> list[str]:
    if insight.kind in _SELF_CONTAINED_KINDS:
        return []
    found = []
    if _DANGLING.match(insight.content):
        found.append(DANGLING)
    if len(insight.content.split()) < _LEAST_WORDS and not insight.scope:
        found.append(TOO_SHORT)
    return found
