"""What every verification shares: its steps, verdicts and depth, and what a checkpoint must be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from crossmodel.domain.witness import VerificationStep
from crossmodel.errors import VerificationError
from crossmodel.witness.checkpoint import Checkpoint
from crossmodel.witness.cosignature import check_cosignatures
from crossmodel.witness.keys.trust import Trust
from crossmodel.witness.note import Note
from crossmodel.witness.timestamps import check_log_times, check_timestamps

VALID: Final = "valid"
UNPINNED: Final = "valid, completeness not checked"
INVALID: Final = "invalid"

RECORD_STEPS: Final = {
    12: "each record gives its leaf hash, in order",
    13: "each stored node is the hash of its children",
    14: "each checkpoint is a signed note of the trusted log",
    15: "the trusted keys have signed it",
    16: "its root is the root over the records",
    20: "the log's times never fall and are past",
    21: "hidden values are those committed to",
    22: "values that are gone were erased",
    25: "the records' own signatures are by trusted keys",
    26: "each key rotation is by both generations",
}
"""The steps over a log's records, which go along together: in the order of their report."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of a log is looked at.

    Attributes:
        values: hash every hidden value; without it, only whether it is there is checked.
        schemas: hold every statement to its kind's schema, which is never refused but reported;
            without it, only kinds are told apart.
    """

    values: bool = True
    schemas: bool = False


NORMAL: Final = Depth()

Progress = Callable[[int, int], None]
"""Told how many records of how many are done."""


class Refused(Exception):  # noqa: N818 - the end of a verification, not an error of ours
    """A step has refused; nothing after it is looked at."""

    def __init__(self, step: VerificationStep) -> None:
        self.step = step


class Steps:
    """The steps of one verification so far; the first refusal ends it."""

    def __init__(self) -> None:
        self.passed: list[VerificationStep] = []

    @contextmanager
    def step(self, number: int, name: str) -> Iterator[list[str]]:
        """Run one step. What is added to the list is shown beside its name."""
        detail: list[str] = []
        try:
            yield detail
        except VerificationError as error:
            refuse(number, name, error.reason)
        self.passed.append(VerificationStep(number, name, True, "; ".join(detail)))


def refuse(number: int, name: str, reason: str) -> NoReturn:
    """End a verification at a step."""
    raise Refused(VerificationStep(number, name, False, reason))


def refuse_at(number: int, reason: str) -> NoReturn:
    """End the verification of a log at one of :data:`RECORD_STEPS`."""
    refuse(number, RECORD_STEPS[number], reason)


@contextmanager
def at_step(number: int) -> Iterator[None]:
    """What is found wrong inside is found by this one of :data:`RECORD_STEPS`."""
    try:
        yield
    except VerificationError as error:
        refuse_at(number, error.reason)


def signed_checkpoint(text: str, trust: Trust) -> Checkpoint:
    """A checkpoint note that is the trusted log's.

    Raises:
        VerificationError: if it is malformed, another log's, or lacks a trusted key's signature.
    """
    note = Note.parse(text)
    checkpoint = Checkpoint.parse(note.text)
    check_origin(checkpoint, trust)
    check_signatures(checkpoint, note, trust)
    return checkpoint


def check_origin(checkpoint: Checkpoint, trust: Trust) -> None:
    """Whether a checkpoint names the log that is trusted.

    Raises:
        VerificationError: if it names another.
    """
    if checkpoint.origin != trust.origin:
        raise VerificationError(
            f"it is of the log {checkpoint.origin[:80]!r}, trusted is {trust.origin!r}"
        )


def check_signatures(checkpoint: Checkpoint, note: Note, trust: Trust) -> list[str]:
    """Whether every trusted key that is valid for its size has signed it; names those keys.

    Raises:
        VerificationError: if there is no such key, or one of them has not.
    """
    believed = [trusted.key for trusted in trust.keys if trusted.covers(checkpoint.size)]
    if not believed:
        raise VerificationError(f"no trusted key is valid for a tree of {checkpoint.size} records")
    for key in believed:
        if not note.is_signed_by(checkpoint.origin, key):
            raise VerificationError(
                f"no valid signature by {key.algorithm} {key.key_id[:16]}…; if its owner has "
                "rotated the keys since, accept that first: crossmodel keys accept"
            )
    return [f"{key.algorithm} {key.key_id[:16]}…" for key in believed]


def ask_outsiders(
    steps: Steps, note: Note, trust: Trust, statements: Iterable[bytes]
) -> dict[str, Any]:
    """Steps 18 and 19: what cosigners and time-stamp authorities say of a checkpoint.

    ``statements`` are records that it covers; they are read if there is a time-stamp to hold them
    to.
    """
    if trust.cosigners:
        with steps.step(18, "the trusted cosigners have signed the checkpoint") as detail:
            cosignatures = check_cosignatures(note, trust.cosigners, trust.cosignatures_needed)
            detail.extend(f"{each.name} at {_utc(each.seconds)}" for each in cosignatures)
    if trust.timestamp_authorities:
        with steps.step(19, "the checkpoint is time-stamped, and no record is later") as detail:
            stamps = check_timestamps(note, trust.timestamp_authorities)
            check_log_times(statements, stamps[0])
            detail.extend(f"{each.authority} at {each.stated.isoformat()}" for each in stamps)
    return {"cosigned": trust.cosignatures_needed > 0}


def _utc(seconds: int) -> str:
    """A time as text, or the number itself where no calendar reaches."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s"
