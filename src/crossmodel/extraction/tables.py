"""Tables: what maps a key to a value, and what holds a record in each row."""

# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
from typing import Final

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.finds import Find, default_type, scope_of
from crossmodel.extraction.reading import Reading
from crossmodel.text.segments import Segment, table_rows

_MAX_TABLE: Final = 1500
_COMPARED: Final = frozenset(
    """algorithm approach aspect criteria criterion database dimension factor feature framework
    library metric method model option plan pro property scenario solution strategy technique tool
    vendor""".split()
)
"""What the first column of a comparison is headed by."""


def finds_in_table(segment: Segment, reading: Reading) -> list[Find]:
    """What a table holds, by its header.

    A comparison is one find, since its rows say nothing alone. Else a table of two columns is a
    mapping, each of its rows an example; wider ones hold rules.
    """
    text = reading.text
    rows = [row for row in table_rows(text, segment) if any(end > start for start, end in row)]
    if len(rows) < 2:  # noqa: PLR2004 - a header and something under it
        return []
    header = [text[start:end].strip("*_` ") for start, end in rows[0]]
    scope = scope_of(segment, reading) or " → ".join(header)
    whole = text[segment.start : segment.end]
    finds: list[Find] = []
    if _COMPARED.intersection(re.findall("[a-z]+", header[0].lower().removesuffix("s"))):
        start, end = segment.start, segment.end
        metadata: dict[str, object] = {"columns": header}
        found = Find(
            InsightType.ANALYSIS, InsightKind.COMPARISON, start, end, scope, metadata, is_block=True
        )
        return [found] if len(whole) <= _MAX_TABLE else []
    kind = default_type(whole)
    if len(whole) <= _MAX_TABLE:
        finds.append(
            Find(
                kind,
                InsightKind.RULE,
                segment.start,
                segment.end,
                scope,
                {"columns": header},
                is_block=True,
            )
        )
    for row in rows[1:]:
        start, end = row[0][0], row[-1][1]
        if start >= end:
            continue
        metadata = {"columns": header}
        if len(row) == 2 and all(b > a for a, b in row):  # noqa: PLR2004 - key and value
            sides = [_unmarked(text, *cell) for cell in row]
            metadata |= {
                "input": text[slice(*sides[0])],
                "output": text[slice(*sides[1])],
                "input_span": list(sides[0]),
                "output_span": list(sides[1]),
            }
            finds.append(Find(kind, InsightKind.EXAMPLE, start, end, scope, metadata))
        elif len(row) > 2:  # noqa: PLR2004 - a record
            finds.append(Find(kind, InsightKind.RULE, start, end, scope, metadata))
    return finds


def _unmarked(text: str, start: int, end: int) -> tuple[int, int]:
    """A cell without the one kind of markup that it may stand in."""
    for mark in ("**", "`", '"'):
        inner = text[start + len(mark) : end - len(mark)]
        if (
            end - start > 2 * len(mark)
            and text.startswith(mark, start)
            and text.endswith(mark, start, end)
            and mark not in inner
        ):
            return start + len(mark), end - len(mark)
    return start, end
