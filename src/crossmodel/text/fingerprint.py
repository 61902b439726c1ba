"""Keys under which insights that say the same meet.

They make looking for duplicates near-linear: insights without a key in common are never compared.
The guard of an insight is part of each of its keys, since it must agree anyway. Its words come in
by MinHash (Broder, 1997), several values to a key: the more, the fewer strangers meet.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

from crossmodel.text.normalise import unify
from crossmodel.text.sameness import EXACT_KINDS
from crossmodel.text.similarity import guard

_WORD: Final = re.compile(r"\w+")
_TELLING: Final = 2
"""Tokens of a guard from which on few insights share it."""
_FEW, _MANY = (2, 6), (4, 20)
"""MinHash values to a key, and keys: with a telling guard, and without."""
_VALUES: Final = max(rows * keys for rows, keys in (_FEW, _MANY))
_PRIME: Final = np.uint64(2**31 - 1)
_RANDOM: Final = np.random.default_rng(20)
_FACTORS: Final = _RANDOM.integers(1, 2**31 - 1, (_VALUES, 1), dtype=np.uint64)
_SHIFTS: Final = _RANDOM.integers(0, 2**31 - 1, (_VALUES, 1), dtype=np.uint64)
_MIXER: Final = _RANDOM.integers(1, 2**63, max(_FEW[0], _MANY[0]), dtype=np.uint64) | np.uint64(1)


def keys_of(kind: str, content: str) -> list[int]:
    """Keys of 63 bits; insights that say the same have one in common, but for one in some hundred.

    The likelier, the more words they share: of 100 pairs that share 7 of 10 words 98 meet, of 100
    that share 1 of 10 at most 6, and with a guard that tells little fewer than one.
    """
    if kind in EXACT_KINDS:
        return [_digest(kind, " ".join(content.split()))]
    guarded = guard(content)
    words = {
        zlib.crc32(word.encode("utf-8", "replace"))
        for word in _WORD.findall(unify(content).lower())
    }
    if not words:
        return []
    rows, keys = _FEW if len(guarded) >= _TELLING else _MANY
    least = _min_hash(words, rows * keys).reshape(keys, rows)
    mixed = (least * _MIXER[:rows]).sum(axis=1, dtype=np.uint64)
    base = np.uint64(_digest(kind, *guarded))
    numbered = (mixed + np.arange(keys, dtype=np.uint64)) * _MIXER[0]
    return [int(key) for key in (numbered ^ base) >> np.uint64(1)]


def _min_hash(words: set[int], values: int) -> npt.NDArray[np.uint64]:
    hashed = np.fromiter(words, dtype=np.uint64, count=len(words)) % _PRIME
    spread = (_FACTORS[:values] * hashed + _SHIFTS[:values]) % _PRIME
    return np.asarray(spread.min(axis=1), dtype=np.uint64)


def _digest(*parts: str) -> int:
    joined = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest(), "big") >> 1
