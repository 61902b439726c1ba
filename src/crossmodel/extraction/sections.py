"""What a list or a labelled line says by where it stands: risks under "Risks", ideas under "Plan".

A strong model's answer is often an outline. Its headings, and the lines that announce a list, tell
what each item is better than the words of the item do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from crossmodel.extraction.categories import category_of, category_of_block
from crossmodel.extraction.finds import Find, scope_of
from crossmodel.extraction.reading import Reading, Statement
from crossmodel.extraction.rules import rules_and_examples
from crossmodel.text.normalise import COLONS, has_colon
from crossmodel.text.segments import SegmentKind
from crossmodel.text.sentences import sentences
from crossmodel.text.spans import Spans

_LABEL: Final = re.compile(
    r"[^\w\n]{0,8}([A-Za-z]+(?:[ -][A-Za-z]+){0,2})(?: ?#?\d{1,2})?[*_]{0,3} ?[:\uff1a]"
)
_MAX_LABEL: Final = 60
"""Characters from the beginning of a sentence in which a label's colon stands."""
_MAX_ITEM: Final = 400
_LEAST_WORDS: Final = 3


def sections(reading: Reading) -> list[Find]:
    """The items of lists under such headings, and the lines that carry such a label."""
    found = [*_items(reading), *_labelled(reading)]
    if not found:
        return []
    taken = Spans((find.start, find.end) for find in reading.once(rules_and_examples))
    return [find for find in found if not taken.meet(find.start, find.end)]


def _items(reading: Reading) -> Iterator[Find]:
    for segment in reading.segments:
        if segment.kind is not SegmentKind.LIST_ITEM:
            continue
        category = category_of_block(segment, reading.text)
        if category is None:
            continue
        start, end = segment.start, segment.end
        if end - start > _MAX_ITEM:
            spans = sentences(reading.text, start, end)
            start, end = spans[0] if spans else (start, end)
        said = reading.text[start:end]
        is_item = end - start <= _MAX_ITEM and said.count(" ") >= _LEAST_WORDS - 1
        if is_item and said[-1] not in COLONS:
            yield Find(*category, start, end, scope_of(segment, reading))


def _labelled(reading: Reading) -> Iterator[Find]:
    for statement in reading.statements:
        begins = statement.text[:_MAX_LABEL]
        label = _LABEL.match(begins) if has_colon(begins) else None
        category = category_of(label.group(1)) if label else None
        if label is None or category is None or not _says_something(statement, label.end()):
            continue
        scope = scope_of(statement.segment, reading)
        yield Find(*category, statement.start, statement.end, scope)


def _says_something(statement: Statement, after: int) -> bool:
    return len(statement.text[after:].split()) >= _LEAST_WORDS
