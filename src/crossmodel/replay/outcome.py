"""What a part's replay ends in, and what stops it before the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from crossmodel.domain.replay import Part, ReplayedPart, Verdict
from crossmodel.errors import VerificationError


class NotReplayableError(Exception):
    """A part cannot be replayed; the message says why."""


def same(part: Part, *details: str) -> ReplayedPart:
    """Everything that was compared is the same; ``details`` say what."""
    return ReplayedPart(part, Verdict.SAME, details)


def different(part: Part, details: Iterable[str]) -> ReplayedPart:
    """Something came out otherwise."""
    return ReplayedPart(part, Verdict.DIFFERENT, tuple(details))


def not_replayable(part: Part, *reasons: str) -> ReplayedPart:
    """It cannot be replayed, for these reasons."""
    return ReplayedPart(part, Verdict.NOT_REPLAYABLE, reasons)


def judged(part: Part, replay: Callable[[], ReplayedPart | None]) -> ReplayedPart | None:
    """What ``replay`` returns, or what it was stopped by; ``None`` if there was no such part."""
    try:
        return replay()
    except NotReplayableError as error:
        return not_replayable(part, str(error))
    except VerificationError as error:
        return different(part, [f"refused: {error}"])
