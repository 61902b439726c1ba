"""What a list or a labelled line says by where it stands: risks under "Risks", ideas under "Plan".

A strong model's answer is often an outline. Its headings, and the lines that announce a list, tell
what each item is better than the words of the item do.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.cues import SECTION_WORDS
from crossmodel.extraction.finds import Find, scope_of
from crossmodel.extraction.reading import Reading, Statement
from crossmodel.extraction.rules import rules_and_examples
from crossmodel.text.segments import Segment, SegmentKind
from crossmodel.text.sentences import sentences
from crossmodel.text.spans import Spans


class Category(NamedTuple):
    """What stands in a section of a certain name."""

    insight_type: InsightType
    kind: InsightKind


_CATEGORIES: Final = tuple(
    (Category(insight_type, kind), frozenset(words.split()))
    for insight_type, kind, words in (
        (InsightType.CODING, InsightKind.RISK, "pitfalls pitfall gotchas gotcha edgecase edgecases"),
        (InsightType.CODING, InsightKind.CLAIM, "complexity invariant invariants"),
        (
            InsightType.ANALYSIS,
            InsightKind.RISK,
            "risk risks drawback drawbacks disadvantage disadvantages con cons limitation limitations"
            " caveat caveats downside downsides weakness weaknesses challenge challenges concerns",
        ),
        (
            InsightType.ANALYSIS,
            InsightKind.RECOMMENDATION,
            "recommendation recommendations tip tips advice suggestion suggestions practices"
            " improvement improvements",
        ),
        (
            InsightType.ANALYSIS,
            InsightKind.COMPARISON,
            "comparison comparisons difference differences similarity similarities tradeoff"
            " tradeoffs",
        ),
        (
            InsightType.ANALYSIS,
            InsightKind.FINDING,
            "finding findings observation observations insight insights takeaway takeaways strength"
            " strengths advantage advantages pro pros benefit benefits",
        ),
        (
            InsightType.CREATIVITY,
            InsightKind.IDEA,
            "idea ideas brainstorm brainstorming concept concepts theme themes alternative"
            " alternatives analogy analogies metaphor metaphors plot twist twists slogan slogans"
            " tagline taglines plan outline",
        ),
        (
            InsightType.LANGUAGE,
            InsightKind.DEFINITION,
            "definition definitions glossary terminology notation",
        ),
    )
)
_NAME: Final = re.compile(r"[a-z]+")
_MOST_WORDS: Final = 5
"""A heading of more words tells a story rather than naming a category."""
_LABEL: Final = re.compile(r"[*_]{0,3}([A-Za-z]+(?:[ -][A-Za-z]+){0,2})(?: ?#?\d{1,2})?[*_]{0,3} ?[::]")
_MAX_ITEM: Final = 400
_LEAST_WORDS: Final = 3


def sections(reading: Reading) -> list[Find]:
    """The items of lists under such headings, and the lines that carry such a label."""
    taken = Spans((find.start, find.end) for find in reading.once(rules_and_examples))
    found = [*_items(reading), *_labelled(reading)]
    return [find for find in found if not taken.meet(find.start, find.end)]


def _items(reading: Reading) -> Iterator[Find]:
    for segment in reading.segments:
        if segment.kind is not SegmentKind.LIST_ITEM:
            continue
        category = _category_of(segment, reading.text)
        if category is None:
            continue
        start, end = segment.start, segment.end
        if end - start > _MAX_ITEM:
            spans = sentences(reading.text, start, end)
            start, end = spans[0] if spans else (start, end)
        said = reading.text[start:end]
        if end - start <= _MAX_ITEM and said.count(" ") >= _LEAST_WORDS - 1 and said[-1] != ":":
            yield Find(*category, start, end, scope_of(segment, reading))


def _labelled(reading: Reading) -> Iterator[Find]:
    for statement in reading.statements:
        if SECTION_WORDS.isdisjoint(statement.words):
            continue
        label = _LABEL.match(statement.text)
        category = named(label.group(1)) if label else None
        if label is None or category is None or not _says_something(statement, label.end()):
            continue
        scope = scope_of(statement.segment, reading)
        yield Find(*category, statement.start, statement.end, scope)


def _says_something(statement: Statement, after: int) -> bool:
    return len(statement.text[after:].split()) >= _LEAST_WORDS


def _category_of(segment: Segment, text: str) -> Category | None:
    """What the line that announces the list says that it is, or else its heading."""
    if segment.lead is not None:
        found = named(text[slice(*segment.lead)].strip("*_:# \t"))
        if found is not None:
            return found
    return named(segment.headings[-1]) if segment.headings else None


@lru_cache(maxsize=4096)
def named(title: str) -> Category | None:
    """The category that a heading or label names, if it names one."""
    joined = title.lower().replace("edge case", "edgecase").replace("trade-off", "tradeoff")
    words = _NAME.findall(joined)
    if len(words) > _MOST_WORDS:
        return None
    for category, names in _CATEGORIES:
        if not names.isdisjoint(words):
            return category
    return None
