"""Patterns by name, those of installed packages included."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from crossmodel.errors import NotFoundError
from crossmodel.extraction.patterns.base import ExtractionPattern

ENTRY_POINT_GROUP: Final = "crossmodel.patterns"
"""An entry point of this group names a class or function that makes a pattern when called."""


class PatternRegistry:
    """The patterns that were registered, by name; the last one registered under a name counts."""

    def __init__(self) -> None:
        self._patterns: dict[str, ExtractionPattern] = {}

    def register_pattern(self, pattern_name: str, pattern: ExtractionPattern) -> None:
        """Keep ``pattern`` under that name."""
        self._patterns[pattern_name] = pattern

    def get(self, pattern_name: str) -> ExtractionPattern:
        """The pattern of that name.

        Raises:
            NotFoundError: if there is none; the message lists those there are.
        """
        try:
            return self._patterns[pattern_name]
        except KeyError:
            known = ", ".join(self.names()) or "none"
            raise NotFoundError(f"no pattern {pattern_name!r} (registered: {known})") from None

    def names(self) -> list[str]:
        """The names, in the order in which they were registered."""
        return list(self._patterns)


def installed_patterns() -> Iterator[EntryPoint]:
    """The entry points through which installed packages offer patterns."""
    yield from _installed()


@cache
def _installed() -> tuple[EntryPoint, ...]:
    # reading the metadata of all packages takes milliseconds, and extractors are made often
    return tuple(entry_points(group=ENTRY_POINT_GROUP))
