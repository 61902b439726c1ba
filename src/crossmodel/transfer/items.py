"""What an insight is as an item of a playbook: its topic, its name, and whether it does harm."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from crossmodel.domain.insight import Insight, Standing, text_sha256
from crossmodel.text.normalise import unify

PLAYBOOK: Final = "playbook"
"""Key of an insight's metadata where loading leaves its item's name and counters."""

LEAST_USES: Final = 5
"""Answers from which on an item that harms is written last; after twice as many it is retired."""

_WORDS: Final = re.compile(r"\w+")
_GAPS: Final = re.compile(r"[\s\-]+")
_LONGEST_TOPIC: Final = 40
_Z_95: Final = 1.959963984540054
"""Standard normal quantile at 0.975."""


def topic_of(insight: Insight) -> str:
    """The topic that an insight belongs to: its scope or, without one, its type, in one word.

    Equal for what differs in case and space only; what else is lost to make it one word is made up
    for by a digest, so that ``C++`` is not ``C``.
    """
    said = unify(insight.scope or str(insight.insight_type)).casefold().strip(" \t\n.:;,!?*`\"'#")
    word = "-".join(_WORDS.findall(said))
    if word == _GAPS.sub("-", said) and 0 < len(word) <= _LONGEST_TOPIC:
        return word
    digest = text_sha256(said)[:6]
    return f"{word[:_LONGEST_TOPIC].strip('-')}-{digest}" if word else f"topic-{digest}"


def harms(helpful: float, harmful: float) -> bool:
    """Whether harm outweighs, beyond chance.

    That is so where the upper end of the 95 % interval of the helpful share (Wilson, J. Amer.
    Statist. Assoc. 22, 1927) is below one half, after ``LEAST_USES`` answers or more.
    """
    n = helpful + harmful
    if n < LEAST_USES:
        return False
    share, z2 = helpful / n, _Z_95**2
    half = _Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (share + z2 / (2 * n) + half) / (1 + z2 / n) < 0.5  # noqa: PLR2004 - outweighs


def item_of(insight: Insight) -> tuple[str, int | None]:
    """Topic and number of the item that an insight was loaded as; ``None`` if it is none."""
    noted = _metadata(insight)
    topic, _, number = str(noted.get("item", "")).rpartition("-")
    if re.fullmatch(r"[\w-]+", topic) and re.fullmatch(r"[1-9][0-9]{0,9}", number):
        return topic, int(number)
    return topic_of(insight), None


def is_demoted(insight: Insight) -> bool:
    """Whether an insight is to be written last."""
    noted = _metadata(insight)
    helpful, harmful = noted.get("helpful"), noted.get("harmful")
    counted = [x for x in (helpful, harmful) if isinstance(x, int | float) and 0 <= x < math.inf]
    return insight.standing == Standing.DEMOTED or (len(counted) > 1 and harms(*counted))


def _metadata(insight: Insight) -> Mapping[str, Any]:
    noted = insight.metadata.get(PLAYBOOK)
    return noted if isinstance(noted, Mapping) else {}
