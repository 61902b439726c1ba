"""Which record of the log says that an insight was found."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from hashlib import blake2b
from typing import Final

import msgspec

from crossmodel.ports import LogTransaction

_SIGN: Final = b'"insight_id":'
"""Statements without it need not be read."""


class _Predicate(msgspec.Struct):
    insight_id: str = ""


class _Statement(msgspec.Struct):
    predicate: _Predicate


class InsightLeaves:
    """The records of all insights, found in one pass over the log.

    For each 16 bytes are kept, and some hundred taken while it is made.

    An insight that several tenants have has several records, which do not say whose they are: it
    counts as unknown.
    """

    def __init__(self, transaction: LogTransaction) -> None:
        found = sorted(
            (_key(_STATEMENTS.decode(leaf.statement).predicate.insight_id), leaf.index)
            for leaf in transaction.leaves(0, transaction.log_size())
            if _SIGN in leaf.statement
        )
        self._keys = array("Q", (key for key, _ in found))
        self._leaves = array("Q", (index for _, index in found))

    def of(self, insight_id: str) -> int | None:
        """The index of the insight's record; ``None`` if there is none, or more than one."""
        key = _key(insight_id)
        at = bisect_left(self._keys, key)
        if self._keys[at : at + 1] != array("Q", [key]) or self._keys[at + 1 : at + 2] == array(
            "Q", [key]
        ):
            return None
        return self._leaves[at]


_STATEMENTS: Final = msgspec.json.Decoder(_Statement)


def _key(insight_id: str) -> int:
    return int.from_bytes(
        blake2b(insight_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    )
