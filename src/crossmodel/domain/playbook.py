"""A playbook: what is in use about one topic, item by item. It is edited, never rewritten."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossmodel.domain import checks
from crossmodel.domain.uplift import Tally


@dataclass(frozen=True, slots=True)
class PlaybookItem:
    """One item.

    Attributes:
        number: its place, from 1; it never changes and is never given to another.
        insight_id: the insight that it says.
        retired: why it is not in use; empty while it is.
        tally: scores of the answers that had it in their context.
    """

    number: int
    insight_id: str
    retired: str = ""
    tally: Tally = field(default_factory=Tally)

    @property
    def helpful(self) -> float:
        """Sum of the scores of the answers that it was handed over for."""
        return self.tally.total

    @property
    def harmful(self) -> float:
        """What those answers missed of the best score."""
        return max(0.0, self.tally.n - self.tally.total)


@dataclass(frozen=True, slots=True)
class Playbook:
    """The items of one topic, by their numbers, the retired ones included."""

    topic: str
    items: tuple[PlaybookItem, ...] = ()

    @property
    def active(self) -> tuple[PlaybookItem, ...]:
        """The items in use."""
        return tuple(item for item in self.items if not item.retired)

    def name(self, item: PlaybookItem) -> str:
        """What an item is called for ever, such as ``release-tags-3``."""
        return f"{self.topic}-{item.number}"


@dataclass(frozen=True, slots=True)
class Add:
    """A new item, with the next number."""

    insight_id: str

    def __post_init__(self) -> None:
        checks.text("insight_id", self.insight_id)


@dataclass(frozen=True, slots=True)
class Retire:
    """An item goes out of use; it keeps its number and the reason.

    Raises:
        InvalidInputError: if there is no reason.
    """

    insight_id: str
    reason: str

    def __post_init__(self) -> None:
        checks.text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class Restore:
    """A retired item is in use again, under its number."""

    insight_id: str


Delta = Add | Retire | Restore
