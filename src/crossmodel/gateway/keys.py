"""Client keys in memory, and who they belong to: one hash and one look-up per request.

Clear keys are seen here and nowhere else: when one is made, when those of the settings are read
from the environment, and when a client shows one. Only hashes are kept, and none is ever shown.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final

from crossmodel.domain.client_key import ClientKey, digest_of
from crossmodel.domain.period import as_utc, utc_now
from crossmodel.errors import ConfigurationError, InvalidInputError, NotFoundError
from crossmodel.ports import Clock, Store
from crossmodel.settings import Settings

PREFIX: Final = "cmk-"
"""What every key that we make begins with, so that people and secret scanners know one."""

RANDOM_BYTES: Final = 32

MOST_BYTES: Final = 512
"""A longer key is nobody's: it is not even hashed, however large a header may be."""

SHORT: Final = 16
"""Clear keys of fewer characters are likely to be guessed."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key and, this once, the clear key that its client needs."""

    key: ClientKey
    clear: str = field(repr=False)


def create_key(name: str, **limits: Any) -> CreatedKey:
    """Make a key of 256 random bits; whoever wants it kept gives its ``key`` to the store.

    Args:
        name: what it is called.
        limits: further fields of a :class:`ClientKey`.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """
    clear = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    return CreatedKey(ClientKey(name, digest_of(clear.encode()), **limits), clear)


class Keyring:
    """All client keys, by what clients show. It belongs to one event loop.

    A key that is revoked or expired is refused from that moment on, but not forgotten: its name and
    its hash stay taken, and a gateway whose last key is gone still asks for one.

    Args:
        keys: as in :meth:`replace_all`.
        clock: tells when keys expire.

    Raises:
        InvalidInputError: as :meth:`replace_all`.
    """

    __slots__ = ("_by_digest", "_by_name", "_clock")

    def __init__(self, keys: Iterable[ClientKey] = (), *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._by_name: dict[str, ClientKey] = {}
        self._by_digest: dict[bytes, _Entry] = {}
        self.replace_all(keys)

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._by_name)} keys>"

    @classmethod
    async def load(cls, settings: Settings, store: Store, *, clock: Clock = utc_now) -> Keyring:
        """The keys of the settings and of the store.

        Raises:
            ConfigurationError: as :func:`load_keys`.
        """
        return cls(await load_keys(settings, store), clock=clock)

    @property
    def asks_for_keys(self) -> bool:
        """Whether there is any key at all, of use or not; else whoever comes may ask."""
        return bool(self._by_name)

    @property
    def keys(self) -> tuple[ClientKey, ...]:
        """All of them, the revoked and expired too."""
        return tuple(self._by_name.values())

    def identify(self, presented: bytes) -> ClientKey | None:
        """Whose key this is; ``None`` if it is nobody's, or not of use now.

        How long it takes tells nothing about the keys there are: what is looked up is a hash, of
        which whoever shows a key can choose no part.
        """
        if len(presented) > MOST_BYTES:
            return None
        digest = sha256(presented).digest()
        expected, key, ends = self._by_digest.get(digest, _NOBODY)
        if not compare_digest(expected, digest):
            return None
        if ends is not None and self._clock() >= ends:
            return None
        return key

    def add(self, key: ClientKey) -> None:
        """Take in a new key; or, of one that is there and of use, other limits.

        Raises:
            InvalidInputError: if its name belongs to another key or to one that was revoked, or the
                same clear key goes by another name; nothing is changed then.
        """
        known = self._by_name.get(key.name)
        if known is not None and (known.digest != key.digest or known.revoked_at is not None):
            raise InvalidInputError(
                f"there is, or was, a client key {key.name!r}: take another name"
            )
        entry = _entry(key)
        same = self._by_digest.get(entry[0])
        if same is not None and same[1] is not known:
            raise InvalidInputError(_same(key, same[1]))
        self._by_name[key.name] = key
        self._by_digest[entry[0]] = entry

    def revoke(self, name: str, at: datetime | None = None) -> ClientKey:
        """Refuse a key from ``at`` on, which is now if nothing is said; the first time stays.

        Returns:
            The key as it is now.

        Raises:
            NotFoundError: if there is no such key.
        """
        key = self._by_name.get(name)
        if key is None:
            raise NotFoundError(f"there is no client key {name!r}")
        if key.revoked_at is None:
            key = replace(key, revoked_at=self._clock() if at is None else as_utc(at))
            self._by_name[name] = key
            entry = _entry(key)
            self._by_digest[entry[0]] = entry
        return key

    def replace_all(self, keys: Iterable[ClientKey]) -> None:
        """Have these keys and no others, from one request to the next.

        Raises:
            InvalidInputError: if two have one name, or are the same clear key; nothing is changed.
        """
        by_name: dict[str, ClientKey] = {}
        by_digest: dict[bytes, _Entry] = {}
        for key in keys:
            if key.name in by_name:
                raise InvalidInputError(f"there are two client keys {key.name!r}: rename one")
            entry = _entry(key)
            if (same := by_digest.get(entry[0])) is not None:
                raise InvalidInputError(_same(key, same[1]))
            by_name[key.name], by_digest[entry[0]] = key, entry
        self._by_name, self._by_digest = by_name, by_digest


_Entry = tuple[bytes, ClientKey | None, datetime | None]
"""The hash, whose it is, and from when on it is refused."""

_NOBODY: Final[_Entry] = (bytes(sha256().digest_size), None, None)


def _entry(key: ClientKey) -> _Entry:
    ends = [moment for moment in (key.expires_at, key.revoked_at) if moment is not None]
    return bytes.fromhex(key.digest), key, min(ends, default=None)


def _same(key: ClientKey, other: ClientKey | None) -> str:
    named = other.name if other is not None else ""
    return f"client key {key.name!r} is the same as {named!r}: give each its own"


async def load_keys(settings: Settings, store: Store) -> list[ClientKey]:
    """The keys of the settings and then those of the store, revoked ones too.

    Raises:
        ConfigurationError: as :func:`configured_keys`; or if a key of the settings has the name of
            one in the store, or is the same key.
    """
    stored = await store.read(lambda tx: tx.client_keys())
    names = {key.name for key in stored}
    digests = {key.digest: key.name for key in stored}
    configured = configured_keys(settings)
    for position, key in enumerate(configured):
        if key.name in names:
            raise ConfigurationError(
                f"the store has, or had, a client key {key.name!r}: take another name",
                path=f"keys[{position}].name",
            )
        if key.digest in digests:
            raise ConfigurationError(
                f"the store has the same client key under the name {digests[key.digest]!r}",
                path=f"keys[{position}].key_env",
            )
    return configured + stored


def configured_keys(settings: Settings, environ: Mapping[str, str] = os.environ) -> list[ClientKey]:
    """The keys of the settings, whose clear keys are in the environment.

    Raises:
        ConfigurationError: if a variable is not set, holds nothing that a header can carry, or the
            same key as another; the message names the variable and never shows what it holds.
    """
    found: dict[str, ClientKey] = {}
    for position, row in enumerate(settings.keys):
        path = f"keys[{position}].key_env"
        digest = _digest_in(environ, row.key_env, path)
        if digest in found:
            raise ConfigurationError(
                f"{row.key_env} holds the same key as that of {found[digest].name!r}: each needs "
                "one of its own",
                path=path,
            )
        if len(environ[row.key_env]) < SHORT:
            logger.warning(
                "client key %r: %s holds fewer than %d characters, which can be guessed; a random "
                "one is made by: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
                row.name,
                row.key_env,
                SHORT,
            )
        found[digest] = ClientKey(
            row.name,
            digest,
            tenant=row.tenant or settings.loop.tenant,
            models=row.models,
            requests_per_minute=row.requests_per_minute,
            tokens_per_minute=row.tokens_per_minute,
            burst=row.burst,
            concurrent=row.concurrent,
            daily_budget=row.daily_budget,
            monthly_budget=row.monthly_budget,
            expires_at=row.expires_at,
        )
    return list(found.values())


def admin_digest(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """The hash of the admin API's key; empty if none is configured.

    Raises:
        ConfigurationError: if the variable is not set, or holds fewer than 16 characters or what no
            header can carry.
    """
    variable, path = settings.gateway.admin_key_env, "gateway.admin_key_env"
    if not variable:
        return ""
    digest = _digest_in(environ, variable, path)
    if len(environ[variable]) < SHORT:
        raise ConfigurationError(
            f"{variable} holds fewer than {SHORT} characters, which can be guessed", path=path
        )
    return digest


def is_admin(presented: bytes, digest: str) -> bool:
    """Whether this is the admin API's key, of which ``digest`` is the hash; never if that is empty.

    How long it takes tells nothing about the key.
    """
    return len(presented) <= MOST_BYTES and compare_digest(digest_of(presented), digest)


def bearer(authorization: bytes) -> bytes:
    """What an ``Authorization`` header of the scheme ``Bearer`` carries; empty for any other.

    RFC 6750, 2.1; the scheme's case does not matter (RFC 9110, 11.1).
    """
    scheme, _, token = authorization.partition(b" ")
    return token.strip(b" ") if scheme.lower() == b"bearer" else b""


def _digest_in(environ: Mapping[str, str], variable: str, path: str) -> str:
    """The hash of the clear key in a variable; nothing of the key itself goes any further."""
    clear = environ.get(variable, "")
    if not clear:
        raise ConfigurationError(f"the environment variable {variable} is not set", path=path)
    if not (clear.isascii() and clear.isprintable()) or " " in clear or len(clear) > MOST_BYTES:
        raise ConfigurationError(
            f"{variable} must hold at most {MOST_BYTES} printable ASCII characters without spaces: "
            "nothing else can be sent in a header",
            path=path,
        )
    return digest_of(clear.encode())
