"""Hashes of passwords: Argon2id (RFC 9106), as PHC strings."""

from __future__ import annotations

import os
import re
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from crossmodel.errors import InvalidInputError

ITERATIONS: Final = 3
LANES: Final = 4
MEMORY_KIB: Final = 64 * 1024
"""The second recommendation of RFC 9106, 4: 64 MiB, for where memory is scarce."""

SALT_BYTES: Final = 16
TAG_BYTES: Final = 32

LEAST: Final = 12
"""Characters of a password, at least: OWASP asks for as many where nothing else is asked."""

MOST: Final = 1024
"""Characters of a password, at most: longer ones only keep the processor busy."""

_PHC: Final = re.compile(
    r"\$argon2id\$v=19\$m=(?P<m>[0-9]{1,7}),t=(?P<t>[0-9]{1,2}),p=(?P<p>[0-9]{1,2})"
    r"\$[A-Za-z0-9+/]{11,88}\$[A-Za-z0-9+/]{16,88}"
)
_MOST_MEMORY_KIB: Final = 1024 * 1024


def hash_password(password: str) -> str:
    """The hash to keep of a password.

    Raises:
        InvalidInputError: if it is shorter than 12 characters or longer than 1,024.
    """
    if not LEAST <= len(password) <= MOST:
        raise InvalidInputError(f"a password has {LEAST} to {MOST} characters")
    made = Argon2id(
        salt=os.urandom(SALT_BYTES),
        length=TAG_BYTES,
        iterations=ITERATIONS,
        lanes=LANES,
        memory_cost=MEMORY_KIB,
    )
    return made.derive_phc_encoded(_bytes(password))


def is_hash(text: str) -> bool:
    """Whether it is a hash that passwords can be held against, at a cost that is bearable."""
    found = _PHC.fullmatch(text)
    return found is not None and 8 <= int(found["m"]) <= _MOST_MEMORY_KIB  # noqa: PLR2004 - RFC 9106, 3.1


def is_password_of(password: str, kept: str) -> bool:
    """Whether ``kept`` is the hash of ``password``. Takes about a fifth of a second, on purpose."""
    if len(password) > MOST or not is_hash(kept):
        return False
    try:
        Argon2id.verify_phc_encoded(_bytes(password), kept)
    except (InvalidKey, ValueError):
        return False
    return True


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
