"""Whether the values that a log hides are there: all that its records commit to, and no others.

A value stands with the first record of its append that commits to it, and may stand with further
ones of them: once for each thing that they are about. One that is gone must be covered by a later
``erasure`` record: else somebody has removed it and calls it retention.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from crossmodel.errors import VerificationError
from crossmodel.witness.statement import SALT_BYTES

REMEMBERED: Final = 100_000
"""Digests that are remembered at most, twice: of records that the log took in one moment."""

KeptDigest = tuple[int, str]
"""With which record a digest's value is kept."""

KeptValue = tuple[int, str, bytes, bytes]
"""With which record a value is kept: its digest, salt and value."""


class HiddenValues:
    """Follows a log's records, in order, beside the values that are kept with them.

    Args:
        kept: what is kept with which record, in the records' order, some hundred at a time.
        first: the record to begin with.
    """

    def __init__(self, kept: Iterator[Sequence[KeptDigest]], first: int = 0) -> None:
        self._kept = kept
        self._kept_with: list[int] = []  # what was read and not yet compared, in two columns
        self._kept_digests: list[str] = []
        self._leaves: list[int] = []  # what records commit to first, likewise
        self._digests: list[bytes] = []
        self._moment: set[bytes] = set()
        self._earlier: set[bytes] = set()
        self._again: list[tuple[int, list[bytes]]] = []  # committed to before: stand there or here
        self._gone = Marks(first)

    def new_moment(self) -> None:
        """What follows was taken later: no value of it is kept with a record before."""
        self._moment.clear()
        if self._earlier:
            self._earlier.clear()

    def follow(self, index: int, digests: Sequence[bytes], *, alone: bool = False) -> None:
        """The next record, and what it commits to; it is looked at by :meth:`settle`.

        ``alone`` says that it is likely to be the only one about its thing, so that a value is
        likely to stand with it, too. What is likely costs less, and is no other verdict.
        """
        moment = self._moment
        if not moment.isdisjoint(digests) or self._earlier:
            again = [d for d in digests if d in moment or d in self._earlier]
            self._again.append((index, again))
            if not alone:
                digests = [d for d in digests if d not in again]
        moment.update(digests)
        self._digests += digests
        self._leaves += (index,) * len(digests)
        if len(moment) > REMEMBERED:
            self._earlier, self._moment = moment, set()

    def allow(self, index: int, digests: Sequence[bytes]) -> None:
        """The next record, whose digests need not be those of hidden values."""
        self._again.append((index, list(digests)))

    def settle(self) -> None:
        """Compare what the records so far commit to with what is kept.

        Raises:
            VerificationError: if a value is kept with a record that does not commit to it.
        """
        ends = len(self._leaves)
        self._has(ends)  # reads that far, and one more
        digests = b"".join(self._digests).decode("latin-1")
        if (  # as it is where nothing was erased
            self._kept_with[:ends] == self._leaves
            and digests == _joined(self._kept_digests[:ends])
            and not self._stands_with_these(ends)
        ):
            done = ends
        else:
            done = self._settle_each()
        del self._kept_with[:done], self._kept_digests[:done]
        self._leaves.clear()
        self._digests.clear()
        self._again.clear()

    def erased(self, index: int, predicate: Mapping[str, Any]) -> None:
        """Record ``index`` says that values of records before it were erased.

        Raises:
            VerificationError: as :meth:`settle` does.
        """
        self.settle()
        ranges = sorted(each for each in predicate["records"] if len(each) == 2)  # noqa: PLR2004 - first and last
        done = -1  # ranges that overlap a million times cost no more than one
        for first, last in ranges:
            self._gone.remove(max(first, done + 1), min(last, index - 1))
            done = max(done, last)

    def finish(self) -> int:
        """All records were followed; returns how many lack a value.

        Raises:
            VerificationError: as :meth:`settle` does, or if a value is kept with no record at all.
        """
        self.settle()
        if self._has(0):
            raise VerificationError(_foreign(self._kept_with[0]))
        return self._gone.added

    def unexplained(self) -> int | None:
        """The first record that lacks a value although no later erasure says so."""
        return self._gone.first()

    def _settle_each(self) -> int:
        """Record by record; returns how many of the kept values belong to these."""
        may: dict[int, set[str]] = {}
        must: dict[int, set[str]] = {}
        for leaf, again in self._again:
            may[leaf] = {digest.decode("latin-1") for digest in again}
        for leaf, digest in zip(self._leaves, self._digests, strict=True):
            must.setdefault(leaf, set()).add(digest.decode("latin-1"))
        position = 0
        for leaf in sorted(may.keys() | must.keys()):
            found = set()
            while self._has(position):
                kept_with = self._kept_with[position]
                if not isinstance(kept_with, int) or kept_with < leaf:
                    raise VerificationError(_foreign(kept_with))
                if kept_with > leaf:
                    break
                found.add(self._kept_digests[position])
                position += 1
            committed, optional = must.get(leaf, set()), may.get(leaf, set())
            if not found <= committed | optional:
                raise VerificationError(_foreign(leaf))
            if not committed - optional <= found:
                self._gone.add(leaf)
        return position

    def _stands_with_these(self, position: int) -> bool:
        """Whether a kept value may be of a record that commits to it again."""
        if not self._again or not self._has(position):
            return False
        kept_with = self._kept_with[position]
        return not isinstance(kept_with, int) or kept_with <= self._again[-1][0]

    def _has(self, position: int) -> bool:
        """Whether there is a kept value at that position of those that wait; reads up to it."""
        while len(self._kept_with) <= position:
            more = next(self._kept, None)
            if more is None:
                return False
            self._kept_with += [leaf for leaf, _ in more]
            self._kept_digests += [digest for _, digest in more]
        return True


def _joined(digests: Sequence[object]) -> str:
    """The digests as one text; those of another type count for nothing."""
    return "".join([each for each in digests if isinstance(each, str)])


def _foreign(leaf: object) -> str:
    return f"a value is kept with record {leaf!r}, which does not commit to it"


class Marks:
    """A set of numbers from ``start`` on, one bit for each: an eighth of a byte for a record."""

    def __init__(self, start: int = 0) -> None:
        self._start = start
        self._bits = bytearray()
        self.added = 0
        """How many were added so far."""

    def add(self, number: int) -> None:
        """Mark a number that is not marked yet."""
        byte, bit = divmod(number - self._start, 8)
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte + 1 - len(self._bits)))
        self._bits[byte] |= 1 << bit
        self.added += 1

    def remove(self, first: int, last: int) -> None:
        """Unmark the numbers of a range, both ends included."""
        low = max(first - self._start, 0)
        end = min(last - self._start + 1, 8 * len(self._bits))
        while low < end and low % 8:
            self._bits[low // 8] &= ~(1 << low % 8)
            low += 1
        while low < end and end % 8:
            end -= 1
            self._bits[end // 8] &= ~(1 << end % 8)
        if low < end:
            self._bits[low // 8 : end // 8] = bytes((end - low) // 8)

    def first(self) -> int | None:
        """The smallest marked number."""
        byte = len(self._bits) - len(self._bits.lstrip(b"\0"))
        if byte == len(self._bits):
            return None
        bits = self._bits[byte]
        return self._start + 8 * byte + (bits & -bits).bit_length() - 1


def hashed(values: Iterator[Sequence[KeptValue]]) -> Iterator[Sequence[KeptDigest]]:
    """What is kept with which record, each value found to be what its digest says.

    Raises:
        VerificationError: while it is read, if one is not.
    """
    for rows in values:
        for leaf, digest, salt, value in rows:
            if not (isinstance(salt, bytes) and isinstance(value, bytes)):
                raise VerificationError(f"a value of record {leaf!r} is no bytes")
            if len(salt) != SALT_BYTES or hashlib.sha256(salt + value).hexdigest() != digest:
                raise VerificationError(f"a value of record {leaf!r} is not what it commits to")
        yield [(leaf, digest) for leaf, digest, *_ in rows]
