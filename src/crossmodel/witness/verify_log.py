"""Verification of a whole log, read once from its first record to its last.

The numbers are those of :mod:`crossmodel.witness.verify`. Steps 12 to 16 and 20 to 22 look at every
record, so they go along together; whichever refuses first ends it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn

from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import SignedCheckpoint, VerificationReport, VerificationStep
from crossmodel.errors import InvalidInputError, StoreError, VerificationError, WitnessError
from crossmodel.ports import Clock, LogReader, NodeAt, RawLeaf
from crossmodel.witness import merkle
from crossmodel.witness.checkpoint import Checkpoint
from crossmodel.witness.dsse import Signature
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.forms import Forms
from crossmodel.witness.hidden import HiddenValues, KeptDigest, hashed
from crossmodel.witness.keys.trust import Trust
from crossmodel.witness.log import TreeBuilder, inclusion_proof, leaf_hash, peaks
from crossmodel.witness.note import Note
from crossmodel.witness.rotation import Rotation
from crossmodel.witness.schemas import KEY_ROTATION, LOGGED_AT, kind_of, understands
from crossmodel.witness.signed_records import SignedRecords
from crossmodel.witness.statement import PAYLOAD_TYPE, is_log_time, log_time, pae, subject_digests
from crossmodel.witness.steps import (
    INVALID,
    UNPINNED,
    VALID,
    Refused,
    Steps,
    ask_outsiders,
    check_origin,
    check_signatures,
    refuse,
    signed_checkpoint,
)

SINCE: Final = "valid since the checkpoint of {} records, those before were not read again"

NODES_AT_ONCE: Final = 512
"""Stored nodes that are compared per look-up."""

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far a record's time may lie ahead of the verifier's clock."""

NAMES: Final = {
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
"""The steps that go along together, in the order in which they are reported."""

ERASURE: Final = "erasure"
INSIGHT: Final = "insight"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of a log is looked at.

    Attributes:
        values: hash every hidden value; without it, only whether it is there is checked.
        schemas: hold every statement to its kind's schema, which is never refused but reported;
            without it, only kinds are told apart.
        is_export: an export has no nodes, only those hidden values that were disclosed, and of
            the signatures over records only those by the log's keys, which are all checked.
    """

    values: bool = True
    schemas: bool = False
    is_export: bool = False


NORMAL: Final = Depth()


def verify_log(
    log: LogReader,
    trust: Trust,
    *,
    against: str | None = None,
    since: str | int | None = None,
    depth: Depth = NORMAL,
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
        clock: tells the time that no record may be later than.
        progress: told how many records of how many are done.
    """
    steps = Steps()
    verifier = _LogVerifier(steps, log, trust, depth=depth, clock=clock, progress=progress)
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
        clock: Clock,
        progress: Progress | None,
    ) -> None:
        self._steps, self._log, self._trust = steps, log, trust
        self._depth, self._progress = depth, progress
        self._latest_time = log_time(clock() + CLOCK_SKEW)
        self._first = self._size = self._signed_size = 0
        self._tree = TreeBuilder()
        self._nodes: dict[NodeAt, bytes] = {}
        self._time = ""
        self._forms = Forms()
        self._checkpoints: Iterator[SignedCheckpoint] = iter(())
        self._due: SignedCheckpoint | None = None
        self._last_head = -1
        self._heads: set[int] = set()  # sizes of those in the part that is being read
        self._note: Note | None = None
        self._counts = Counter[str]()
        self._believed: list[str] = []
        self._wanted: dict[int, bytes] = {}
        self._signed_records = SignedRecords(log.raw_signatures(0), trust)
        self._signatures: dict[int, list[Signature]] = {}  # over those of the part being read

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
        self._read_all()
        if pinned is not None:
            with self._steps.step(17, "the log extends the pinned checkpoint") as detail:
                detail.append(self._extends(pinned, start))
        assert self._note is not None  # the latest head is among those that were checked
        outside = ask_outsiders(self._steps, self._note, self._trust, self._signed_statements())
        signed = {"signed_size": latest, "unsigned": self._size - latest, **outside}
        counts = {name: self._counts[name] for name in ("checkpoints", "erased", "not_understood")}
        return {"size": self._size, "since": self._first, **signed, **counts}

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
                self._time = _stated_time(parse_statement(body)) or ""
            detail.append(f"records before {start.size} were not read again")

    # the records

    def _read_all(self) -> None:
        """Steps 12 to 16, 20 to 22, 25 and 26."""
        self._checkpoints = self._log.checkpoints(self._first)
        self._next_checkpoint()
        hidden = HiddenValues(self._kept_values(), self._first)
        for chunk in self._in_order():
            first = self._tree.size
            hashes = _leaf_hashes(chunk)
            if hashes != [leaf[3] for leaf in chunk] or (
                [leaf[0] for leaf in chunk] != list(range(first, first + len(chunk)))
            ):
                _refuse(12, _first_wrong(chunk, first))
            self._heads.clear()
            self._grow(hashes)
            if self._depth.is_export:
                with _at(25):
                    self._signatures = self._signed_records.take(first, chunk[-1][0])
            self._follow(chunk, hidden)
            with _at(25):
                self._signed_records.check(chunk, self._signatures)
            if self._progress is not None:
                self._progress(self._tree.size, self._size)
        self._compare_nodes()
        if self._tree.size != self._size:
            _refuse(12, f"{self._size - self._tree.size} records are missing")
        if self._due is not None:
            _refuse(16, f"a head of {self._due.size!r} records was signed: the tail is cut")
        if self._last_head != self._signed_size:
            _refuse(16, f"the latest head, of {self._signed_size} records, is not among the others")
        if self._depth.is_export:
            with _at(25):
                self._signed_records.finish()
        with _at(21):
            self._counts["erased"] = hidden.finish()
        gone = hidden.unexplained()
        if gone is not None and not self._depth.is_export:
            _refuse(22, f"a value of record {gone} is gone, and no later signed erasure says so")
        self._report()

    def _report(self) -> None:
        details = {
            15: "; ".join(self._believed),
            16: f"{self._counts['checkpoints']} checkpoints",
            21: "" if self._depth.values else "only whether they are there",
            22: f"{self._counts['erased']} records lack one",
            25: f"{self._signed_records.checked} signatures",
            26: f"{self._counts['rotations']} rotations",
        }
        left_out = {13, 22} if self._depth.is_export else set()
        if not self._signed_records.checked:
            left_out.add(25)
        if not self._counts["rotations"]:
            left_out.add(26)
        self._steps.passed.extend(
            VerificationStep(number, name, True, details.get(number, ""))
            for number, name in NAMES.items()
            if number not in left_out
        )

    def _in_order(self) -> Iterator[Sequence[RawLeaf]]:
        """The records, in parts that end where progress may be told."""
        with _at(12):
            yield from self._log.raw_leaves(self._first)

    def _kept_values(self) -> Iterator[Sequence[KeptDigest]]:
        if self._depth.values:
            return hashed(self._log.raw_values(self._first))
        return self._log.raw_digests(self._first)

    def _follow(self, chunk: Sequence[RawLeaf], hidden: HiddenValues) -> None:
        """Steps 20 and 21: what records say of themselves, without parsing most of them."""
        form, follow, closely = self._forms.of, hidden.follow, self._depth.schemas
        for index, payload_type, body, _ in chunk:
            known = form(body) if payload_type == PAYLOAD_TYPE else None
            if known is None:
                self._other_form(index, payload_type, body, hidden)
                continue
            kind, time, digests = known
            if time != self._time:
                self._advance(index, time)
                hidden.new_moment()
            if kind == KEY_ROTATION:  # about keys, which are not hidden
                hidden.allow(index, digests)
                self._check_rotation(index, body)
            else:
                follow(index, digests, alone=kind == INSIGHT)
            if closely or kind == ERASURE:
                self._look_closer(index, body, hidden)
        with _at(21):
            hidden.settle()

    def _other_form(self, index: int, payload_type: str, body: bytes, hidden: HiddenValues) -> None:
        """A record whose bytes do not stand as ours do: somebody else's, or of another version."""
        try:
            document = parse_statement(body)
        except VerificationError:
            self._counts["not_understood"] += 1
            return
        if payload_type != PAYLOAD_TYPE:  # whatever it looks like, it says so to nobody
            self._counts["not_understood"] += 1
            hidden.allow(index, [digest.encode() for digest in subject_digests(document)])
            return
        time = _stated_time(document)
        if time is not None and time != self._time:
            self._advance(index, time)
            hidden.new_moment()
        elif time is None and self._time and kind_of(document):
            _refuse(20, f"record {index} does not say when it was logged, as those before do")
        digests = [digest.encode() for digest in subject_digests(document)]
        if kind_of(document) in {None, KEY_ROTATION}:  # of other kinds nobody knows what they are
            hidden.allow(index, digests)
        else:
            hidden.follow(index, digests)
        if kind_of(document) == KEY_ROTATION:
            self._check_rotation(index, body)
        self._look_closer(index, body, hidden)

    def _look_closer(self, index: int, body: bytes, hidden: HiddenValues) -> None:
        """What needs a record parsed: whether it is understood, and what it erases."""
        try:
            document = parse_statement(body)
        except VerificationError:
            self._counts["not_understood"] += 1
            return
        if not understands(document):
            self._counts["not_understood"] += 1
        elif kind_of(document) == ERASURE and index < self._signed_size:
            with _at(21):
                hidden.erased(index, document["predicate"])

    def _check_rotation(self, index: int, body: bytes) -> None:
        """Step 26. The head that ends in the record is one of those that were just checked."""
        self._counts["rotations"] += 1
        with _at(26):
            if self._depth.is_export:
                signatures = [each.sig for each in self._signatures.get(index, ())]
            else:
                signatures = list(self._log.get_signatures(index).values())
            if not all(isinstance(each, bytes) for each in signatures):
                raise VerificationError(f"a signature of record {index} is no bytes")
            rotation = Rotation.of(index, PAYLOAD_TYPE, body, signatures)
            rotation.check_trusted(self._trust)
            if index < self._signed_size and index + 1 not in self._heads:
                raise VerificationError(
                    f"the head of {index + 1} records, where keys changed, is missing"
                )

    def _advance(self, index: int, time: str) -> None:
        """Step 20. Times are of one width, so they compare as text."""
        if time < self._time:
            _refuse(20, f"record {index} was logged at {time}, the one before at {self._time}")
        if time > self._latest_time:
            _refuse(20, f"record {index} says {time}, which is yet to come")
        self._time = time

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
        if not self._depth.is_export and self._nodes:
            stored = self._log.read_nodes(list(self._nodes))
            for at, digest in self._nodes.items():
                if stored.get(at) != digest:
                    _refuse(13, f"the node {at} is not what its leaves give")
        self._nodes.clear()

    def _next_checkpoint(self) -> None:
        with _at(14):
            self._due = next(self._checkpoints, None)

    def _check_checkpoint(self, signed: SignedCheckpoint) -> None:
        """Steps 14 to 16, for one head."""
        with _at(14):
            if not isinstance(signed.note, str):
                raise VerificationError(f"the note of the head of {signed.size!r} is no text")
            note = Note.parse(signed.note)
            checkpoint = Checkpoint.parse(note.text)
            check_origin(checkpoint, self._trust)
        with _at(15):
            self._believed = check_signatures(checkpoint, note, self._trust)
        root, size = self._tree.root(), self._tree.size
        if (signed.size, checkpoint.size, signed.root, checkpoint.root) != (size, size, root, root):
            self._compare_nodes()  # step 13 says it more exactly, where it can
            _refuse(16, f"the records are not those whose head of {signed.size!r} was signed")
        if size == self._last_head:
            _refuse(16, f"there are two heads of {size} records")
        self._last_head, self._note = size, note
        self._heads.add(size)
        self._counts["checkpoints"] += 1
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


def _stated_time(document: Mapping[str, Any]) -> str | None:
    """When a record says that the log took it, as text that sorts by time."""
    time = document["predicate"].get(LOGGED_AT)
    return time if isinstance(time, str) and is_log_time(time) else None


def _refuse(number: int, reason: str) -> NoReturn:
    refuse(number, NAMES[number], reason)


@contextmanager
def _at(number: int) -> Iterator[None]:
    """What is found wrong inside is found by this step."""
    try:
        yield
    except VerificationError as error:
        refuse(number, NAMES[number], error.reason)
