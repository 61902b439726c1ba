"""What a finder found, before it becomes an insight."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from crossmodel.domain.insight import Evidence, Insight, InsightKind, InsightType
from crossmodel.extraction.categories import ANNOUNCES
from crossmodel.extraction.reading import Reading, is_junk
from crossmodel.text.normalise import COLONS
from crossmodel.text.segments import Segment

_VERBATIM: Final = frozenset({InsightKind.CODE, InsightKind.EQUATION, InsightKind.EXAMPLE})
"""Kinds whose line breaks mean something."""
_PLAIN_HEADINGS: Final = re.compile(
    r"(?:\W|\d)*(?:the |an? |my )?"
    r"(?:worked |some |more |key |corrected |complete |final |full |step[- ]by[- ]step )?"
    r"(?:code|implementation|reasoning|examples?|overview|introduction|summary|notes?"
    r"|steps?|explanation|answer|solution|details|conclusion|for example|e\.g)?\W*",
    re.IGNORECASE,
)
_SENTENCE_END: Final = re.compile(r"(?<=[.?!;])\s")
_MAX_SCOPE: Final = 120


@dataclass(slots=True, eq=False)
class Find:
    """One insight in the making; ``links`` are the finds that belong to it.

    ``is_block`` tells that its line breaks mean something.
    """

    insight_type: str
    kind: str
    start: int
    end: int
    scope: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    links: list[Find] = field(default_factory=list)
    is_block: bool = False

    _id: str = field(default="", init=False)

    def id(self, reading: Reading) -> str:
        """The id of its insight."""
        if not self._id:
            self._id = self.insight(reading).id
        return self._id

    def insight(self, reading: Reading) -> Insight:
        """The find as an insight of its own, links left out."""
        content = reading.text[self.start : self.end]
        if not self.is_block and self.kind not in _VERBATIM:
            content = " ".join(content.split())
        return Insight(
            content=content,
            insight_type=self.insight_type,
            kind=self.kind,
            evidence=(Evidence(self.start, self.end, reading.source_sha256),),
            scope=self.scope,
            metadata=dict(self.metadata),
        )


def insights_of(finds: Iterable[Find], reading: Reading) -> list[Insight]:
    """The finds as new insights, linked by id."""
    made = []
    for find in finds:
        insight = find.insight(reading)
        if find.links:
            insight.links = tuple(link.id(reading) for link in find.links)
        made.append(insight)
    return made


def scope_of(segment: Segment, reading: Reading) -> str:
    """What the block is about, as its headings or the line that announces it say."""
    key = segment.headings, segment.lead
    scope = reading.scopes.get(key)
    if scope is None:
        scope = reading.scopes[key] = _scope(*key, reading.text)
    return scope


def _scope(headings: tuple[str, ...], lead: tuple[int, int] | None, text: str) -> str:
    for heading in reversed(headings):
        if not _PLAIN_HEADINGS.fullmatch(heading):
            return heading[:_MAX_SCOPE]
    if lead is None:
        return ""
    said = " ".join(text[slice(*lead)].split()).strip(f"*_{COLONS} ")
    said = ANNOUNCES.sub("", _SENTENCE_END.split(said)[-1], count=1)
    if _PLAIN_HEADINGS.fullmatch(said) or is_junk(said.lower()):
        return ""
    return said if len(said) <= _MAX_SCOPE else said[:_MAX_SCOPE].rsplit(" ", 1)[0]


def is_about_code(text: str) -> bool:
    """Whether ``text`` names a call, or sets something as code that only code looks like."""
    if _CALL.search(text):
        return True
    return "`" in text and any(map(_CODE_LIKE.search, _CODE_SPAN.findall(text)))


_CODE_SPAN: Final = re.compile(r"`([^`\n]+)`")
_CODE_LIKE: Final = re.compile(r"[(){}=;<>]|^\$ |^\.\w|^[a-z]+(?:_[a-z]+)+$")
_CALL: Final = re.compile(
    r"(?<![\w/])[A-Za-z_][\w.]{0,60}\([^)\n]{0,200}\)|(?<!\w)[a-z]+_[a-z_]+(?!\w)"
)


def default_type(text: str, scope: str = "") -> InsightType:
    """What an insight without a more telling sign is about."""
    if is_about_code(text):
        return InsightType.CODING
    is_wording = _WORDING.search(text) or _WORDING.search(scope)
    return InsightType.LANGUAGE if is_wording else InsightType.REASONING


_WORDING: Final = re.compile(
    r"\b(?:abbreviat|capital|code|codes|comma|dash|date|dates|digit|format|grammar|hyphen|letter"
    r"|lower ?-?case|name|names|naming|noun|phrase|plural|prefix|pronounc|punctuat|sentence|spell"
    r"|spelt|style|suffix|tense|term|title|tone|translat|upper ?-?case|verb|word|words|written"
    r"|write|writes)",
    re.IGNORECASE,
)
