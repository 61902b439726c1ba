"""Plain statements of fact about something that they name: what no cue announces.

"Parcels for the Nelvik office go through gate Q." lays down no rule and concludes nothing, yet it
is what another model lacks. A sentence counts if it says something in general of somebody or
something particular: it holds a name, a number, a quotation or code, and tells no tale.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match
# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from crossmodel.domain.insight import InsightKind
from crossmodel.extraction.answers import final_answer
from crossmodel.extraction.claims import claims
from crossmodel.extraction.cues import PAST_WORDS
from crossmodel.extraction.finds import Find, default_type, scope_of
from crossmodel.extraction.reading import MAX_STATEMENT, Reading, is_junk
from crossmodel.extraction.rules import rules_and_examples
from crossmodel.extraction.sections import sections
from crossmodel.text.segments import SegmentKind
from crossmodel.text.spans import Spans

_PARTICULAR: Final = re.compile(
    r"""(?<=[a-z0-9,;:)]\ )[*_"“]{0,3}[A-Z][A-Za-z]+(?!\w)   # a name that no full stop explains
    |(?<![\w.])\d[\d.,:/-]*(?!\w)|(?<!\w)[A-Z]{2,}(?!\w)|(?<!\w)[A-Z](?=\W*$)
    |`[^`\n]{2,80}`|["“][^"”\n]{1,40}["”]|(?<!\w)['‘][^'’\n]{2,40}['’](?!\w)""",
    re.VERBOSE,
)
_BEGINS_WITH_NAME: Final = re.compile(
    r"""[*_]{0,3}(?:[A-Z]{2,}\b|[A-Z][a-z]+(?:[A-Z]\w+|\ [A-Z][a-z]+)
      |(?!(?:A|An|All|Any|As|At|Both|By|Each|Every|For|From|How|If|In|Most|No|Not|Of|On|One|Our
         |Please|The|To|What|When|Where|Which|While|Who|Why|With|Your|You)\b)
       [A-Z][a-z]+\ (?:always\ |never\ |only\ )?(?:is|are|has|have|[a-z]{2,}s)\b)""",
    re.VERBOSE,
)
"""A word that stands before its verb, so that it may well be a name."""
_NO_FACT: Final = re.compile(
    r"""[\W\d]*(?:it|this|that|these|those|they|he|she|there|so|then|thus|now|next|first|second
      |finally|step|let|but|and|or|yet|suppose|assume|since|because|here|another|maybe|perhaps
      |hope|hopefully|glad|happy|good\ luck
      |today|yesterday|once|one\ (?:day|of)|some|such|given|substitut\w+
      |note\ that\ the\ question
      |we\ (?:need|have|can|must|get|know|want|see|find|are\ given|also|then|first|will|should)
      |the\ (?:final\ )?(?:answer|output|response|question|problem|prompt))\b""",
    re.VERBOSE,
)
_CALCULATES: Final = re.compile(r"\d\s*[-+*/×÷^]\s*\d|[=≈≤≥<>]|\\[a-z(\[]|\$")
_ABOUT_US: Final = frozenset(
    "i me mine myself he him his she her felt i'm i've i'd i'll let's would could might".split()
)
_WORD: Final = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_LIST: Final = SegmentKind.LIST_ITEM
RIGHT_AFTER: Final = 40
"""Characters that may stand between a fact and its example."""
_LEAST_WORDS: Final = 4
_MOST_WORDS: Final = 45


def facts(reading: Reading) -> list[Find]:
    """The statements of fact that no closer look has claimed."""
    found: list[Find] = []
    text, lower = reading.text, reading.lower
    for segment in reading.segments:
        if not segment.is_prose or segment.kind is SegmentKind.HEADING:
            continue
        taken: Spans | None = None
        for start, end in reading.sentences_of(segment):
            said = text[start:end]
            if end - start > MAX_STATEMENT or not _is_fact(said, lower[start:end], segment.kind):
                continue
            taken = taken or reading.once(_taken)
            if not taken.meet(start, end):
                scope = scope_of(segment, reading)
                kind = default_type(said, scope)
                found.append(Find(kind, InsightKind.CLAIM, start, end, scope))
    _link(found, reading)
    return found


def _link(found: list[Find], reading: Reading) -> None:
    """Tie an example that no rule has claimed to the fact that stands right before it."""
    ends = [fact.end for fact in found]
    for example in reading.once(rules_and_examples):
        if example.kind != InsightKind.EXAMPLE or example.links:
            continue
        before = bisect_right(ends, example.start) - 1
        if before >= 0 and example.start - ends[before] <= RIGHT_AFTER:
            example.links.append(found[before])
            found[before].links.append(example)


def _is_fact(said: str, lower: str, kind: SegmentKind) -> bool:
    if said[-1] not in '.!`"”*_)' and kind is not _LIST:
        return False
    if not (_PARTICULAR.search(said) or _BEGINS_WITH_NAME.match(said)):
        return False
    if _NO_FACT.match(lower) or _CALCULATES.search(said) or is_junk(lower):
        return False
    words = _WORD.findall(lower)
    if not _LEAST_WORDS <= len(words) <= _MOST_WORDS:
        return False
    told = set(words)
    return told.isdisjoint(_ABOUT_US) and told.isdisjoint(PAST_WORDS)


def _taken(reading: Reading) -> Spans:
    """What is spoken for by finders that look more closely."""
    return Spans(
        (find.start, find.end)
        for finder in (rules_and_examples, final_answer, sections, claims)
        for find in reading.once(finder)
    )
