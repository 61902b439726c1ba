"""What the records of a log say of themselves, beside what is kept with them.

The numbers are those of :mod:`crossmodel.witness.verify`: these are the steps 20 to 22, 25 and 26.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from crossmodel.errors import VerificationError
from crossmodel.ports import Clock, LogReader, RawLeaf
from crossmodel.witness.dsse import Signature
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.forms import Forms
from crossmodel.witness.hidden import HiddenValues, KeptDigest, hashed
from crossmodel.witness.keys.trust import Trust
from crossmodel.witness.rotation import Rotation
from crossmodel.witness.schemas import KEY_ROTATION, LOGGED_AT, kind_of, understands
from crossmodel.witness.signed_records import SignedRecords
from crossmodel.witness.statement import PAYLOAD_TYPE, is_log_time, log_time, subject_digests
from crossmodel.witness.steps import Depth, at_step, refuse_at

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far a record's time may lie ahead of the verifier's clock."""

ERASURE: Final = "erasure"
INSIGHT: Final = "insight"


class Records:
    """Follows a log's records in their order, of which each is what was hashed.

    Args:
        log: what is verified.
        trust: the keys that are believed.
        depth: how much is looked at.
        is_export: as in :func:`crossmodel.witness.verify_log.verify_log`.
        clock: tells the time that no record may be later than.
        first: the record to begin with.
        time: when the log took the one before, where that is known.
        signed_size: how many records the latest head covers.
    """

    def __init__(
        self,
        log: LogReader,
        trust: Trust,
        *,
        depth: Depth,
        is_export: bool,
        clock: Clock,
        first: int,
        time: str,
        signed_size: int,
    ) -> None:
        self._log, self._trust, self._signed_size = log, trust, signed_size
        self._closely, self._is_export = depth.schemas, is_export
        self._latest_time = log_time(clock() + CLOCK_SKEW)
        self._time = time
        self._forms = Forms()
        self._hidden = HiddenValues(_kept_values(log, first, hashes=depth.values), first)
        self._signed = SignedRecords(log.raw_signatures(first), trust) if is_export else None
        self._signatures: Mapping[int, Sequence[Signature]] = {}  # over those being followed
        self._heads: Collection[int] = ()
        self.not_understood = 0
        self.rotations = 0
        self.erased = 0
        """How many lack a value, once all were followed."""

    @property
    def signatures(self) -> int:
        """How many signatures over records were checked."""
        return 0 if self._signed is None else self._signed.checked

    def follow(self, chunk: Sequence[RawLeaf], heads: Collection[int]) -> None:
        """The next records, and the sizes of the heads that end in one of them."""
        self._heads = heads
        if self._signed is None:
            self._follow(chunk)
            return
        with at_step(25):
            self._signatures = self._signed.take(chunk[0][0], chunk[-1][0])
        self._follow(chunk)
        with at_step(25):
            self._signed.check(chunk, self._signatures)

    def finish(self) -> None:
        """All records were followed."""
        if self._signed is not None:
            with at_step(25):
                self._signed.finish()
        with at_step(21):
            self.erased = self._hidden.finish()
        gone = self._hidden.unexplained()
        if gone is not None and not self._is_export:
            refuse_at(22, f"a value of record {gone} is gone, and no later signed erasure says so")

    def _follow(self, chunk: Sequence[RawLeaf]) -> None:
        """Steps 20 and 21: what records say of themselves, without parsing most of them."""
        form, hidden, closely = self._forms.of, self._hidden, self._closely
        follow = hidden.follow
        for index, payload_type, body, _ in chunk:
            known = form(body) if payload_type == PAYLOAD_TYPE else None
            if known is None:
                self._other_form(index, payload_type, body)
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
                self._look_closer(index, body)
        with at_step(21):
            hidden.settle()

    def _other_form(self, index: int, payload_type: str, body: bytes) -> None:
        """A record whose bytes do not stand as ours do: somebody else's, or of another version."""
        try:
            document = parse_statement(body)
        except VerificationError:
            self.not_understood += 1
            return
        if payload_type != PAYLOAD_TYPE:  # whatever it looks like, it says so to nobody
            self.not_understood += 1
            self._hidden.allow(index, [digest.encode() for digest in subject_digests(document)])
            return
        time = stated_time(document)
        if time is not None and time != self._time:
            self._advance(index, time)
            self._hidden.new_moment()
        elif time is None and self._time and kind_of(document):
            refuse_at(20, f"record {index} does not say when it was logged, as those before do")
        digests = [digest.encode() for digest in subject_digests(document)]
        if kind_of(document) in {None, KEY_ROTATION}:  # of other kinds nobody knows what they are
            self._hidden.allow(index, digests)
        else:
            self._hidden.follow(index, digests)
        if kind_of(document) == KEY_ROTATION:
            self._check_rotation(index, body)
        self._look_closer(index, body)

    def _look_closer(self, index: int, body: bytes) -> None:
        """What needs a record parsed: whether it is understood, and what it erases."""
        try:
            document = parse_statement(body)
        except VerificationError:
            self.not_understood += 1
            return
        if not understands(document):
            self.not_understood += 1
        elif kind_of(document) == ERASURE and index < self._signed_size:
            with at_step(21):
                self._hidden.erased(index, document["predicate"])

    def _check_rotation(self, index: int, body: bytes) -> None:
        """Step 26. The head that ends in the record is one of those that were just checked."""
        self.rotations += 1
        with at_step(26):
            if self._is_export:
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
            refuse_at(20, f"record {index} was logged at {time}, the one before at {self._time}")
        if time > self._latest_time:
            refuse_at(20, f"record {index} says {time}, which is yet to come")
        self._time = time


def stated_time(document: Mapping[str, Any]) -> str | None:
    """When a record says that the log took it, as text that sorts by time."""
    time = document["predicate"].get(LOGGED_AT)
    return time if isinstance(time, str) and is_log_time(time) else None


def _kept_values(log: LogReader, first: int, *, hashes: bool) -> Iterator[Sequence[KeptDigest]]:
    return hashed(log.raw_values(first)) if hashes else log.raw_digests(first)
