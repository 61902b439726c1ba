"""Names that come from outside, so few that a monitoring system can bear them."""

from __future__ import annotations

from typing import Final

OTHER: Final = "other"
"""Stands for all names beyond the first :data:`MOST_NAMES`."""

MOST_NAMES: Final = 200
"""Models, tenants, paths or reasons that are counted by name, of each kind."""

MOST_CHARACTERS: Final = 200
"""Longer names are cut: a label is read by people."""


class Names:
    """The first names that come; the others are folded.

    For any thread: two that come at once may let in one name more than the most.
    """

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._known: set[str] = set()
        self._most = most

    def fold(self, name: str) -> str:
        """The name, or :data:`OTHER` if there are too many already.

        What UTF-8 cannot hold (lone surrogates) is replaced, and what is very long is cut.
        """
        name = name[:MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name
