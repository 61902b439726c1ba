"""What headings say of what stands under them: risks under "Risks", ideas under "Plan"."""

# ruff: noqa: RUF001 - the look-alike characters are what is looked for

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.text.normalise import COLONS
from crossmodel.text.segments import Segment


class Category(NamedTuple):
    """What stands in a section of a certain name."""

    insight_type: InsightType
    kind: InsightKind


_NAMES: Final = {
    Category(
        InsightType.CODING, InsightKind.RISK
    ): "edgecase edgecases gotcha gotchas pitfall pitfalls bug bugs",
    Category(InsightType.CODING, InsightKind.CLAIM): "complexity invariant invariants",
    Category(InsightType.ANALYSIS, InsightKind.RISK): (
        "caveat caveats challenge challenges con concerns cons disadvantage disadvantages downside"
        " downsides drawback drawbacks limitation limitations risk risks weakness weaknesses"
    ),
    Category(InsightType.ANALYSIS, InsightKind.RECOMMENDATION): (
        "advice improvement improvements nextsteps practices recommendation recommendations"
        " suggestion suggestions tip tips"
    ),
    Category(InsightType.ANALYSIS, InsightKind.COMPARISON): (
        "comparison comparisons difference differences similarities similarity tradeoff tradeoffs"
    ),
    Category(InsightType.ANALYSIS, InsightKind.FINDING): (
        "advantage advantages benefit benefits finding findings insight insights observation"
        " observations pro pros strength strengths takeaway takeaways"
    ),
    Category(InsightType.CREATIVITY, InsightKind.IDEA): (
        "alternative alternatives analogies analogy brainstorm brainstorming concept concepts idea"
        " ideas metaphor metaphors outline plan plot slogan slogans tagline taglines theme themes"
        " twist twists"
    ),
    Category(
        InsightType.LANGUAGE, InsightKind.DEFINITION
    ): "definition definitions glossary notation terminology",
    Category(InsightType.REASONING, InsightKind.CONCLUSION): (
        "conclusion conclusions decision decisions"
    ),
    Category(InsightType.REASONING, InsightKind.CLAIM): "rationale reason reasons why",
}
_CATEGORIES: Final = tuple(
    (category, frozenset(names.split())) for category, names in _NAMES.items()
)
_JOINED: Final = {
    "edge case": "edgecase",
    "trade-off": "tradeoff",
    "trade off": "tradeoff",
    "next steps": "nextsteps",
    "action items": "nextsteps",
}
"""Names of two words, as one."""

_WORD: Final = re.compile(r"[a-z]+")
_SENTENCE_END: Final = re.compile(r"(?<=[.?!])\s")
ANNOUNCES: Final = re.compile(
    r"^(?:here(?:['’]s| is| are)|these are|the following(?: are)?|below (?:is|are)|there are|some"
    r"|consider(?: the following| these)?)\b\s*",
    re.IGNORECASE,
)
"""How a line begins that announces a list."""
_ABOUT: Final = re.compile(
    r"\s(?:about|for|in|of|on|that|to|when|which|with|you|we|i)\b", re.IGNORECASE
)
"""What follows tells what the list is about, not what it is a list of."""
_MOST_WORDS: Final = 5
"""A heading of more words tells a story rather than naming a category."""


@lru_cache(maxsize=4096)
def category_of(title: str) -> Category | None:
    """The category that a heading or label names, if it names one."""
    lower = title.lower()
    for apart, joined in _JOINED.items():
        lower = lower.replace(apart, joined)
    words = _WORD.findall(lower)
    if len(words) > _MOST_WORDS:
        return None
    for category, names in _CATEGORIES:
        if not names.isdisjoint(words):
            return category
    return None


def category_of_block(segment: Segment, text: str) -> Category | None:
    """What the line that announces a list says that its items are, or else the heading above."""
    if segment.lead is not None:
        announced = _SENTENCE_END.split(text[slice(*segment.lead)])[-1].strip(f"*_{COLONS}# \t")
        if prefix := ANNOUNCES.match(announced):
            announced = _ABOUT.split(announced[prefix.end() :], maxsplit=1)[0]
        found = category_of(announced)
        if found is not None:
            return found
    return category_of(segment.headings[-1]) if segment.headings else None
