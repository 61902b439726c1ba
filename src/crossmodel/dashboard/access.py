"""Who looks at the dashboard, and what they may do."""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from itsdangerous import BadSignature, URLSafeTimedSerializer

from crossmodel.dashboard.passwords import is_hash, is_password_of
from crossmodel.errors import ConfigurationError, CrossModelError
from crossmodel.settings import DashboardSettings, split_address
from crossmodel.wire.hosts import is_loopback

SECRET_CHARACTERS: Final = 32
"""Fewest characters of a secret that is given: 128 bits even if they are hex digits."""

HOUR: Final = 3600

STRANGER_HASH: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$9G674fkhNHJE/V1gzBQNsw"
    "$Ej4jy2tFr+l39PwFCdXTqj7sQjY4awB0cKi++E2G2l8"
)
"""What the password of a name is held against that nobody has: names must not be told by time."""


class NotAllowedError(CrossModelError):
    """Whoever asks may not do that; the message says who may."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who looks at the dashboard.

    Attributes:
        name: what they signed in as; empty where nobody needs to.
        role: ``viewer`` or ``admin``.
        tenant: whose data they see.
        runs_everything: whether theirs is the tenant of the settings: then they see what is
            everybody's too, such as the budget of all tenants together.
        id: tells this session from another of the same user.
        until: when it ends by itself, in seconds since 1970.
    """

    name: str
    role: str
    tenant: str
    runs_everything: bool = False
    id: str = ""
    until: float = math.inf

    @property
    def may_change(self) -> bool:
        """Whether they may change anything."""
        return self.role == "admin"

    def require_admin(self) -> None:
        """Pass, or raise.

        Raises:
            NotAllowedError: if they may only look.
        """
        if not self.may_change:
            raise NotAllowedError(
                f"{self.name} is a viewer, and viewers change nothing: ask an admin, or let "
                'whoever keeps the settings make it role = "admin"'
            )


@dataclass(frozen=True, slots=True)
class User:
    """A user of the settings, with the hash of their password."""

    name: str
    role: str
    tenant: str
    password_hash: str = field(repr=False)

    @property
    def stamp(self) -> str:
        """Changes with the password: sessions of the old one end."""
        return hashlib.sha256(self.password_hash.encode()).hexdigest()[:16]


class Access:
    """Knows the users and their sessions; thread-safe.

    Without users everybody is an admin, which :func:`open_access` allows on loopback alone.

    Args:
        users: who may sign in.
        tenant: that of the settings.
        secret: what sessions are signed with.
        lifetime_seconds: how long a session lasts.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        users: Iterable[User],
        *,
        tenant: str,
        secret: str,
        lifetime_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._users = {user.name: user for user in users}
        self._tenant = tenant
        self._lifetime = lifetime_seconds
        self._clock = clock
        self._signer = URLSafeTimedSerializer(secret, salt="crossmodel dashboard session")
        self._ended: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def asks(self) -> bool:
        """Whether anybody has to sign in."""
        return bool(self._users)

    def sign_in(self, name: str, password: str) -> str | None:
        """The token of a new session; ``None`` if there is no such user, or it is not the password.

        Takes about a fifth of a second either way.
        """
        user = self._users.get(name)
        if user is None:
            is_password_of(password, STRANGER_HASH)
            return None
        if not is_password_of(password, user.password_hash):
            return None
        said: str = self._signer.dumps([user.name, user.stamp, secrets.token_urlsafe(16)])
        return said

    def session(self, token: str | None) -> Session | None:
        """Whose token it is; ``None`` if it is none, too old, or was ended."""
        if not self.asks:
            return Session("", "admin", self._tenant, runs_everything=True)
        if not token:
            return None
        try:
            said, made = self._signer.loads(token, return_timestamp=True)
            name, stamp, session_id = said
        except (BadSignature, ValueError, TypeError):
            return None
        user = self._users.get(name) if isinstance(name, str) else None
        if user is None or stamp != user.stamp:
            return None
        until = made.timestamp() + self._lifetime
        is_keeper = user.tenant == self._tenant
        session = Session(user.name, user.role, user.tenant, is_keeper, session_id, until)
        is_made = made.timestamp() <= self._clock() + 1
        return session if is_made and self.is_live(session) else None

    def is_live(self, session: Session) -> bool:
        """Whether a session that was valid has not ended since."""
        return session.id not in self._ended and self._clock() <= session.until

    def end(self, session: Session) -> None:
        """Sign somebody out: the token is of no use any more, as long as this process runs."""
        now = self._clock()
        with self._lock:
            self._ended = {one: until for one, until in self._ended.items() if until > now}
            if session.id:
                self._ended[session.id] = now + self._lifetime + 1


def open_access(
    settings: DashboardSettings, tenant: str, environment: Mapping[str, str] = os.environ
) -> Access:
    """The access that the settings describe.

    Raises:
        ConfigurationError: if others could reach the dashboard and nobody has to sign in, or a
            variable does not hold what the settings say that it holds.
    """
    host, _ = split_address(settings.listen, "listen")
    if not settings.users and not is_loopback(host):
        raise ConfigurationError(
            f"{settings.listen} can be reached from elsewhere, and nobody has to sign in: add "
            "[[dashboard.users]], or listen on 127.0.0.1",
            path="dashboard.users",
        )
    users = []
    for position, row in enumerate(settings.users):
        kept = environment.get(row.hash_env, "")
        if not is_hash(kept):
            raise ConfigurationError(
                f"the variable {row.hash_env} {'holds no hash' if kept else 'is not set'}: put "
                "there what crossmodel dashboard --hash prints",
                path=f"dashboard.users[{position}].hash_env",
            )
        users.append(User(row.name, row.role, row.tenant or tenant, kept))
    return Access(
        users,
        tenant=tenant,
        secret=_secret(settings, environment),
        lifetime_seconds=settings.session_hours * HOUR,
    )


def _secret(settings: DashboardSettings, environment: Mapping[str, str]) -> str:
    if not settings.secret_env:
        return secrets.token_hex(32)
    secret = environment.get(settings.secret_env, "")
    if len(secret) < SECRET_CHARACTERS:
        raise ConfigurationError(
            f"the variable {settings.secret_env} must hold at least {SECRET_CHARACTERS} characters "
            "that nobody can guess",
            path="dashboard.secret_env",
        )
    return secret
