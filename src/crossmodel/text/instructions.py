"""Text that speaks to the model that reads it instead of about its subject.

A first line only: quotation marks that text cannot forge (:mod:`crossmodel.text.injected`) are the
second. Technical prose names systems, prompts and instructions all the time, so a word alone is no
sign; it takes an order, a role or a mark of a chat template.
"""

from __future__ import annotations

import re
from typing import Final

from crossmodel.text.literals import Signs
from crossmodel.text.normalise import unify

_ORDER: Final = re.compile(
    r"""\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}
          (?:\b(?:previous|prior|above|earlier|all|any|your|these|system|given|preceding)\b[^.\n]{0,40}
             \b(?:instructions?|prompts?|rules?|messages?|guidelines?|context|directions|commands)\b
            |\b(?:instructions|prompts?|guidelines)\b
            |\b(?:every|any)thing\ (?:\w+\ ){0,3}(?:above|before|said|told|earlier)\b)
    |\byou\ are\ now\ (?:an?|in|the|no\ longer|free|un\w+)\b
    |\bfrom\ now\ on,?\ (?:you|act|answer|respond|reply)\b
    |\b(?:reveal|print|repeat|output|show|leak)\b[^.\n]{0,30}\b(?:your|the)\ (?:system\ |hidden\ )?
          (?:prompt|instructions)\b
    |\bnew\ (?:system\ )?instructions?\s*:|\bdo\ anything\ now\b|\bjailbr[eo]ak
    |\bdo\ not\ (?:tell|inform|warn|alert)\ the\ user\b""",
    re.VERBOSE,
)
_ORDER_SIGNS: Final = Signs([
    "ignore", "disregard", "forget", "override", "bypass", "you are now", "from now on", "prompt",
    "instruction", "do anything now", "jailbr", "the user",
])  # fmt: skip
_TEMPLATE: Final = re.compile(
    r"""<\|[^|<>\n]{1,40}\|>|<\|(?:im_start|im_end|system|assistant|user|endoftext)\b
    |</?s>|\[/?inst\]|<<?/?sys>>?|</?(?:system|assistant|user)>
    |^\W{0,4}(?:system|developer|assistant|human)\ ?(?:prompt|message)?\ ?:\ ?\S""",
    re.VERBOSE | re.MULTILINE,
)
_TEMPLATE_SIGNS: Final = Signs(
    ["<", "[inst", "[/inst", "system", "assistant", "developer", "human"]
)
_INVISIBLE: Final = dict.fromkeys(
    [0xAD, 0x34F, 0x61C, 0x115F, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F),
     *range(0x2060, 0x2065), 0xFE0F, 0xFEFF]
)  # fmt: skip
_EMPHASIS: Final = "*_`~"
_SPACES: Final = re.compile(r"[^\S\n]+")


def gives_orders(text: str) -> bool:
    """Whether it tells the model that reads it what to do, or to whom it should belong.

    Case, typography, emphasis and invisible characters make no difference.
    """
    bare = _lower(text)
    for mark in _EMPHASIS:
        bare = bare.replace(mark, "")
    if not _ORDER_SIGNS.any_in(bare):
        return False
    return _ORDER.search(_SPACES.sub(" ", bare)) is not None


def holds_template_marks(text: str) -> bool:
    """Whether it holds marks of a chat template, with which a quotation could end its own turn."""
    lower = _lower(text)
    return _TEMPLATE_SIGNS.any_in(lower) and _TEMPLATE.search(lower) is not None


def _lower(text: str) -> str:
    return (text if text.isascii() else unify(text).translate(_INVISIBLE)).lower()
