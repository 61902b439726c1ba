"""The form in which our statements are written: what stands where, without parsing them.

A body that fits a form means what a parser would find there: both ends are literal JSON in which
only a time and 64 characters of each digest differ. Those are digests if values are kept under
them; whether what stands between is JSON, and of its schema, is not looked at.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from crossmodel.witness.schemas import SCHEMAS, predicate_type
from crossmodel.witness.statement import STATEMENT_TYPE, is_log_time

DIGEST_CHARACTERS: Final = 64

_TIME: Final = 27
"""Characters of a time, which the log writes with six decimals."""

_START: Final = f'{{"_type":"{STATEMENT_TYPE}","predicateType":"'
_HEADS: Final = {
    kind: f'{_START}{predicate_type(kind)}","predicate":{{"logged_at":"'.encode()
    for kind in SCHEMAS
}
_CUT: Final = min(map(len, _HEADS.values())) - len('/v1","predicate":{"logged_at":"')
_BY_CUT: Final = {head[_CUT - 4 : _CUT]: (kind, head, len(head)) for kind, head in _HEADS.items()}
assert len(_BY_CUT) == len(SCHEMAS), "kinds must differ in four of their first characters"

_SUBJECT: Final = rb'\{"name":"[^"\\]*","digest":\{"sha256":"[0-9a-f]{64}"\}\}'
_SUBJECTS: Final = re.compile(rb',"subject":\[%b(?:,%b)*\]\}' % (_SUBJECT, _SUBJECT))
_DIGEST: Final = re.compile(rb'(?<=:")[0-9a-f]{64}(?="\}\})')

_LONGEST: Final = 64 * 1024
"""Longest form of subjects that is remembered, in bytes."""

_MOST: Final = 64
"""Forms of subjects that are remembered for a kind."""

Known = tuple[str, str, tuple[bytes, ...]]
"""A statement's kind, the time at which the log took it, and the digests of its subjects."""


@dataclass(frozen=True, slots=True)
class _Tail:
    """How a statement ends: literals, and a digest between each two of them."""

    literals: tuple[bytes, ...]
    size: int
    unpack: Callable[[bytes, int], tuple[bytes, ...]]

    @classmethod
    def of(cls, body: bytes) -> _Tail | None:
        """The tail of a body, if it ends in subjects as ours are written."""
        start = max(body.rfind(b',"subject":['), 0)
        if len(body) - start > _LONGEST:
            return None
        tail = _SUBJECTS.fullmatch(body, start)
        if tail is None:
            return None
        literals = _DIGEST.split(tail[0])
        layout = struct.Struct(f"{DIGEST_CHARACTERS}s".join(f"{len(each)}s" for each in literals))
        return cls(tuple(literals), layout.size, layout.unpack_from)


class Forms:
    """Knows forms again that it has seen, which is quicker than an expression."""

    def __init__(self) -> None:
        self._tails: dict[str, list[_Tail]] = {kind: [] for kind in SCHEMAS}
        self._stated, self._time = b"", ""

    def of(self, body: bytes) -> Known | None:
        """What a statement says of itself, or ``None`` where it is not written as ours are."""
        known = _BY_CUT.get(body[_CUT - 4 : _CUT])
        if known is None:
            return None
        kind, head, start = known
        end = start + _TIME
        stated = body[start:end]
        if not body.startswith(head):
            return None
        if body[end : end + 1] != b'"':
            return None
        if stated != self._stated:
            time = stated.decode("latin-1")
            if not is_log_time(time):
                return None
            self._stated, self._time = stated, time
        tails = self._tails[kind]
        for tail in tails:
            offset = len(body) - tail.size
            if offset > end:
                parts = tail.unpack(body, offset)
                if parts[::2] == tail.literals:
                    return kind, self._time, parts[1::2]
        learned = _Tail.of(body) if len(tails) < _MOST else None
        if learned is None or len(body) - learned.size <= end:
            return None
        tails.append(learned)
        return self.of(body)
