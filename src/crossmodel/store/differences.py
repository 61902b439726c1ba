"""What two sides that hold rows in the order of their keys do not have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Row = tuple[Any, ...]


def differences(
    here: Iterable[Row], there: Iterable[Row], key: int
) -> Iterator[tuple[Row | None, Row | None]]:
    """The rows that one side lacks, or has otherwise, in order; both sides are read once.

    Args:
        here: rows by their key, each key once.
        there: likewise.
        key: how many values from the first on are the key.

    Yields:
        A row here, and the one there of the same key; ``None`` where there is none.
    """
    ours, theirs = iter(here), iter(there)
    mine, other = next(ours, None), next(theirs, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine[:key] < other[:key]):
            yield mine, None
            mine = next(ours, None)
        elif mine is None or other[:key] < mine[:key]:
            yield None, other
            other = next(theirs, None)
        else:
            if mine != other:
                yield mine, other
            mine, other = next(ours, None), next(theirs, None)
