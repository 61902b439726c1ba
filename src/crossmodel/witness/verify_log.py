"""Verification of a whole log, read once from its first record to its last.

The numbers are those of :mod:`crossmodel.witness.verify`. Steps 12 to 16 and 20 to 22 look at every
record, so they go along together; whichever refuses first ends it. What records say of themselves
is looked at by :mod:`crossmodel.witness.verify_records`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import SignedCheckpoint, VerificationReport, VerificationStep
from crossmodel.errors import InvalidInputError, StoreError, VerificationError, WitnessError
from crossmodel.ports import Clock, LogReader, NodeAt, RawLeaf
from crossmodel.witness import merkle
from crossmodel.witness.checkpoint import Checkpoint
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.keys.trust import Trust
from crossmodel.witness.log import TreeBuilder, inclusion_proof, leaf_hash, peaks
from crossmodel.witness.note import Note
from crossmodel.witness.statement import PAYLOAD_TYPE, pae
from crossmodel.witness.steps import (
    INVALID,
    NORMAL,
    RECORD_STEPS,
    UNPINNED,
    VALID,
    Depth,
    Progress,
    Refused,
    Steps,
    ask_outsiders,
    at_step,
    check_origin,
    check_signatures,
    refuse_at,
    signed_checkpoint,
)
from crossmodel.witness.verify_records import Records, stated_time

SINCE: Final = "valid since the checkpoint of {} records, those before were not read again"

NODES_AT_ONCE: Final = 512
"""Stored nodes that are compared per look-up."""


def verify_log(
    log: LogReader,
    trust: Trust,
    *,
    against: str | None = None,
    since: str | int | None = None,
    depth: Depth = NORMAL,
    is_export: bool = False,
    clock: Clock = utc_now,
    progress: Progress | None = None,
) -> VerificationReport:
    """Check a whole log by the steps 10 to 23, 25 and 26 of :mod:`crossmodel.witness.verify`.

    Memory is bounded but for an eighth of a byte for each record. Records after the latest
    checkpoint are checked and reported as not yet signed. Whatever is wrong is in the report.

    Args:
        log: what is verified.
        trust: the keys that are believed.
        against: a checkpoint note that was kept elsewhere.
        since: start after a checkpoint instead of at the first record: a note that was kept, or the
            size of a checkpoint of the log's own. What stands before is not read.
        depth: how much is looked at.
        is_export: an export has no nodes, only those hidden values that were disclosed, and of
            the signatures over records only those by the log's keys, which are all checked.
        clock: tells the time that no record may be later than.
        progress: told how many records of how many are done.
    """
    steps = Steps()
    verifier = _LogVerifier(
        steps, log, trust, depth=depth, is_export=is_export, clock=clock, progress=progress
    )
    try:
        details = verifier.run(against, since)
    except Refused as refused:
        return VerificationReport(INVALID, verifier.read, (*steps.passed, refused.step))
    is_complete = against is not None or isinstance(since, str) or details["cosigned"]
    verdict = VALID if is_complete else UNPINNED
    if since is not None:
        verdict = verdict.replace(VALID, SINCE.format(details["since"]), 1)
    return VerificationReport(verdict, verifier.read, tuple(steps.passed), details)


class _LogVerifier:
    """One pass over a log."""

    def __init__(
        self,
        steps: Steps,
        log: LogReader,
        trust: Trust,
        *,
        depth: Depth,
        is_export: bool,
        clock: Clock,
        progress: Progress | None,
    ) -> None:
        self._steps, self._log, self._trust = steps, log, trust
        self._depth, self._is_export = depth, is_export
        self._clock, self._progress = clock, progress
        self._first = self._size = self._signed_size = 0
        self._tree = TreeBuilder()
        self._nodes: dict[NodeAt, bytes] = {}
        self._time = ""  # of the record before the first one
        self._checkpoints: Iterator[SignedCheckpoint] = iter(())
        self._due: SignedCheckpoint | None = None
        self._last_head = -1
        self._heads: set[int] = set()  # sizes of those in the part that is being read
        self._note: Note | None = None
        self._heads_checked = 0
        self._believed: list[str] = []
        self._wanted: dict[int, bytes] = {}

    @property
    def read(self) -> int:
        """How many records were read so far."""
        return self._tree.size - self._first

    def run(self, against: str | None, since: str | int | None) -> dict[str, Any]:
        pinned = None
        if against is not None:
            with self._steps.step(10, "the pinned checkpoint is of the trusted log"):
                pinned = signed_checkpoint(against, self._trust)
        start = None if since is None else self._start(since)
        latest = self._signed_size = self._something_to_check(start)
        if start is not None:
            self._resume(start)
        if pinned is not None and self._first < pinned.size <= self._size:
            self._wanted[pinned.size] = b""
        records = self._read_all()
        if pinned is not None:
            with self._steps.step(17, "the log extends the pinned checkpoint") as detail:
                detail.append(self._extends(pinned, start))
        assert self._note is not None  # the latest head is among those that were checked
        outside = ask_outsiders(self._steps, self._note, self._trust, self._signed_statements())
        return {
            "size": self._size,
            "since": self._first,
            "signed_size": latest,
            "unsigned": self._size - latest,
            **outside,
            "checkpoints": self._heads_checked,
            "erased": records.erased,
            "not_understood": records.not_understood,
        }

    # before the records

    def _something_to_check(self, start: Checkpoint | None) -> int:
        """Step 11; returns the size of the latest checkpoint."""
        with self._steps.step(11, "there is something to check") as detail:
            try:
                self._size = self._log.log_size()
                signed = self._log.latest_checkpoint()
            except StoreError as error:
                raise VerificationError(str(error)) from error
            if self._size == 0:
                raise VerificationError("no records")
            # a database that somebody has edited may hold anything in any column
            if signed is None or not isinstance(signed.size, int) or signed.size < 1:
                raise VerificationError("no checkpoint covers any record")
            if signed.size > self._size:
                raise VerificationError(
                    f"a head of {signed.size} records was signed, but there are {self._size}: the "
                    "tail is cut"
                )
            if start is not None and start.size > self._size:
                raise VerificationError(
                    f"the checkpoint to start from has {start.size} records, the log {self._size}: "
                    "the tail is cut"
                )
            if start is not None and signed.size <= start.size:
                raise VerificationError(f"no checkpoint covers a record after the {start.size}")
            detail.append(f"{self._size} records")
        return signed.size

    def _start(self, since: str | int) -> Checkpoint:
        with self._steps.step(10, "the checkpoint to start from is of the trusted log") as detail:
            note = since if isinstance(since, str) else self._note_of(since)
            start = signed_checkpoint(note, self._trust)
            if start.size < 1:
                raise VerificationError("it covers no record")
            if isinstance(since, int) and start.size != since:
                raise VerificationError(f"the checkpoint of {since} records says {start.size}")
            detail.append(f"{start.size} records")
        return start

    def _note_of(self, size: int) -> str:
        if not 0 <= size <= merkle.MAX_SIZE:
            raise VerificationError("no checkpoint is of so many records")
        found = next(self._log.checkpoints(size), None)
        if found is None or found.size != size or not isinstance(found.note, str):
            following = f"; the next one has {found.size}" if found else ""
            raise VerificationError(f"there is no checkpoint of {size} records{following}")
        return found.note

    def _resume(self, start: Checkpoint) -> None:
        """Step 23: go on from the stored nodes, which must give the checkpoint's root."""
        name = "the stored nodes give the root of the checkpoint to start from"
        with self._steps.step(23, name) as detail:
            try:
                self._tree = TreeBuilder(start.size, peaks(self._log, start.size))
                path = inclusion_proof(self._log, start.size - 1, start.size)
            except (InvalidInputError, WitnessError) as error:
                raise VerificationError(str(error)) from error
            if self._tree.root() != start.root:
                raise VerificationError("the log's beginning is not what was signed: a fork")
            self._first = start.size
            # the last record before says which time no later one may fall below
            index, kind, body, _ = next(self._log.raw_leaves(start.size - 1))[0]
            if not (isinstance(kind, str) and isinstance(body, bytes)) or not (
                merkle.verify_inclusion(leaf_hash(kind, body), index, start.size, path, start.root)
            ):
                raise VerificationError(f"record {start.size - 1} is not what was signed")
            with suppress(VerificationError):  # one of another form says no time
                self._time = stated_time(parse_statement(body)) or ""
            detail.append(f"records before {start.size} were not read again")

    # the records

    def _read_all(self) -> Records:
        """Steps 12 to 16, 20 to 22, 25 and 26."""
        self._checkpoints = self._log.checkpoints(self._first)
        self._next_checkpoint()
        records = Records(
            self._log,
            self._trust,
            depth=self._depth,
            is_export=self._is_export,
            clock=self._clock,
            first=self._first,
            time=self._time,
            signed_size=self._signed_size,
        )
        for chunk in self._in_order():
            first = self._tree.size
            hashes = _leaf_hashes(chunk)
            if hashes != [leaf[3] for leaf in chunk] or (
                [leaf[0] for leaf in chunk] != list(range(first, first + len(chunk)))
            ):
                refuse_at(12, _first_wrong(chunk, first))
            self._heads.clear()
            self._grow(hashes)
            records.follow(chunk, self._heads)
            if self._progress is not None:
                self._progress(self._tree.size, self._size)
        self._compare_nodes()
        if self._tree.size != self._size:
            refuse_at(12, f"{self._size - self._tree.size} records are missing")
        if self._due is not None:
            refuse_at(16, f"a head of {self._due.size!r} records was signed: the tail is cut")
        if self._last_head != self._signed_size:
            refuse_at(
                16, f"the latest head, of {self._signed_size} records, is not among the others"
            )
        records.finish()
        self._report(records)
        return records

    def _report(self, records: Records) -> None:
        details = {
            15: "; ".join(self._believed),
            16: f"{self._heads_checked} checkpoints",
            21: "" if self._depth.values else "only whether they are there",
            22: f"{records.erased} records lack one",
            25: f"{records.signatures} signatures",
            26: f"{records.rotations} rotations",
        }
        left_out = {13, 22} if self._is_export else set()
        if not records.signatures:
            left_out.add(25)
        if not records.rotations:
            left_out.add(26)
        self._steps.passed.extend(
            VerificationStep(number, name, True, details.get(number, ""))
            for number, name in RECORD_STEPS.items()
            if number not in left_out
        )

    def _in_order(self) -> Iterator[Sequence[RawLeaf]]:
        """The records, in parts that end where progress may be told."""
        with at_step(12):
            yield from self._log.raw_leaves(self._first)

    def _signed_statements(self) -> Iterator[bytes]:
        """Those of the records under the latest head that are statements, read once more."""
        for chunk in self._log.raw_leaves(self._first):
            for index, kind, body, _ in chunk:
                if index < self._signed_size and kind == PAYLOAD_TYPE:
                    yield body

    # the tree

    def _grow(self, hashes: list[bytes]) -> None:
        """Add leaves to the tree, and stop wherever a root is to be compared."""
        while hashes:
            stop = self._tree.size + len(hashes)
            if self._due is not None and isinstance(self._due.size, int):
                stop = min(stop, max(self._due.size, self._tree.size))
            stop = min([stop, *(size for size in self._wanted if size > self._tree.size)])
            taken = stop - self._tree.size
            self._nodes.update(self._tree.extend(hashes[:taken]))
            del hashes[:taken]
            if len(self._nodes) >= NODES_AT_ONCE:
                self._compare_nodes()
            if stop in self._wanted:
                self._wanted[stop] = self._tree.root()
            if self._due is not None and (not taken or self._due.size == stop):
                self._check_checkpoint(self._due)

    def _compare_nodes(self) -> None:
        """Step 13."""
        if not self._is_export and self._nodes:
            stored = self._log.read_nodes(list(self._nodes))
            for at, digest in self._nodes.items():
                if stored.get(at) != digest:
                    refuse_at(13, f"the node {at} is not what its leaves give")
        self._nodes.clear()

    def _next_checkpoint(self) -> None:
        with at_step(14):
            self._due = next(self._checkpoints, None)

    def _check_checkpoint(self, signed: SignedCheckpoint) -> None:
        """Steps 14 to 16, for one head."""
        with at_step(14):
            if not isinstance(signed.note, str):
                raise VerificationError(f"the note of the head of {signed.size!r} is no text")
            note = Note.parse(signed.note)
            checkpoint = Checkpoint.parse(note.text)
            check_origin(checkpoint, self._trust)
        with at_step(15):
            self._believed = check_signatures(checkpoint, note, self._trust)
        root, size = self._tree.root(), self._tree.size
        if (signed.size, checkpoint.size, signed.root, checkpoint.root) != (size, size, root, root):
            self._compare_nodes()  # step 13 says it more exactly, where it can
            refuse_at(16, f"the records are not those whose head of {signed.size!r} was signed")
        if size == self._last_head:
            refuse_at(16, f"there are two heads of {size} records")
        self._last_head, self._note = size, note
        self._heads.add(size)
        self._heads_checked += 1
        self._next_checkpoint()

    def _extends(self, pinned: Checkpoint, start: Checkpoint | None) -> str:
        if pinned.size > self._size:
            raise VerificationError(
                f"the pin has {pinned.size} records, the log {self._size}: the tail is cut"
            )
        if start is not None and pinned.size < start.size:
            raise VerificationError(
                f"the pin of {pinned.size} records lies before the checkpoint of {start.size} to "
                "start from: start from the pin"
            )
        known = {0: merkle.EMPTY_ROOT, **self._wanted}
        if start is not None:
            known[start.size] = start.root
        if known[pinned.size] != pinned.root:
            raise VerificationError("the log's beginning is not what was pinned: a fork")
        return f"pinned at {pinned.size}"


def _leaf_hashes(chunk: Sequence[RawLeaf]) -> list[bytes]:
    """The hashes of records as they are stored, or none if one of them is of no such type."""
    kinds = {kind for _, kind, _, _ in chunk}
    if {type(kind) for kind in kinds} != {str} or {type(leaf[2]) for leaf in chunk} != {bytes}:
        return []
    if len(kinds) > 1:
        return [leaf_hash(kind, body) for _, kind, body, _ in chunk]
    # all but the body and its length, as leaf_hash puts it: this runs for each of millions
    start = merkle.LEAF_PREFIX + pae(kinds.pop(), b"").removesuffix(b"0 ")
    sha256 = hashlib.sha256
    return [sha256(b"%b%d %b" % (start, len(body), body)).digest() for _, _, body, _ in chunk]


def _first_wrong(chunk: Sequence[RawLeaf], first: int) -> str:
    """What is wrong with the first record of a part in which something is."""
    for expected, (index, kind, body, stored) in enumerate(chunk, first):
        if index != expected:
            return f"record {expected} is missing: the next one is {index!r}"
        if not (isinstance(kind, str) and isinstance(body, bytes)):
            return f"record {index} is not what was hashed: it is no bytes"
        if leaf_hash(kind, body) != stored:
            return f"record {index} is not what was hashed"
    raise AssertionError("nothing is wrong")
