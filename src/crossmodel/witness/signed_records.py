"""Signatures over records themselves, read along with the records of a log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from crossmodel.errors import VerificationError
from crossmodel.ports import RawLeaf
from crossmodel.witness.dsse import MAX_SIGNATURES, Signature
from crossmodel.witness.evidence import check_signatures
from crossmodel.witness.keys.pairs import MAX_RSA_BITS
from crossmodel.witness.keys.trust import Trust

Row = tuple[int, str, bytes]
"""Record, key id and signature."""


class SignedRecords:
    """Takes signatures in the order of the records that they are over.

    Args:
        rows: all of them, some at a time; they are read as far as records are.
        trust: the keys that are believed.
    """

    def __init__(self, rows: Iterable[Sequence[Row]], trust: Trust) -> None:
        self._rows = chain.from_iterable(rows)
        self._waiting: Row | None = None
        self._trust = trust
        self.checked = 0

    def take(self, first: int, last: int) -> dict[int, list[Signature]]:
        """The signatures over the records ``first`` to ``last``, which are the next ones.

        Raises:
            VerificationError: if a signature stands out of its place, or cannot be read.
        """
        taken: dict[int, list[Signature]] = {}
        while (row := self._waiting or next(self._rows, None)) is not None:
            leaf, key_id, signature = row
            if leaf < first:
                raise VerificationError(f"a signature over record {leaf} stands out of its place")
            if leaf > last:
                self._waiting = row
                break
            self._waiting, first = None, leaf
            over_it = taken.setdefault(leaf, [])
            over_it.append(Signature(key_id, signature))
            if len(over_it) > MAX_SIGNATURES or len(signature) > MAX_RSA_BITS // 8:
                raise VerificationError(f"the signatures over record {leaf} are too many or long")
        return taken

    def check(self, leaves: Iterable[RawLeaf], taken: Mapping[int, Sequence[Signature]]) -> None:
        """Whether each signature is by a trusted key that is valid for a tree that ends there.

        Raises:
            VerificationError: for the first that is not.
        """
        for index, kind, body, _ in leaves:
            if index in taken:
                keys = [each.key for each in self._trust.keys if each.covers(index + 1)]
                try:
                    check_signatures(kind, body, taken[index], keys)
                except VerificationError as error:
                    raise VerificationError(f"record {index}: {error.reason}") from None
                self.checked += len(taken[index])

    def finish(self) -> None:
        """All records were followed.

        Raises:
            VerificationError: if there is a signature over none of them.
        """
        row = self._waiting or next(self._rows, None)
        if row is not None:
            raise VerificationError(
                f"there is a signature over record {row[0]}, but no such record"
            )
